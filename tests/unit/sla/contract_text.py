"""A small contract to which tests add what they are about."""

from __future__ import annotations

import textwrap

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract

_HEAD = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
schema:
  - id: orders-id
    name: orders
    logicalType: object
    properties:
      - {id: order-id, name: order_id, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 2}
      - {name: shop, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 1}
      - {name: placed_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: e_mail, logicalType: string, classification: confidential, unique: true}
      - name: amount
        logicalType: number
AMOUNT
      - name: customer
        logicalType: object
        classification: restricted
        properties:
          - {name: id, logicalType: string}
          - {name: age, logicalType: integer}
      - name: lines
        logicalType: array
        items: {logicalType: object, properties: [{name: sku, logicalType: string, quality: SKU}]}
OBJECT
ROOT
"""


def contract_text(
    *, amount: str = "", object_: str = "", root: str = "", sku: str = "[]", event_time: bool = True
) -> str:
    """``amount`` stands in the property amount, ``object_`` in the schema object, ``root`` at the top."""
    if event_time and "customProperties" not in root:
        root = textwrap.dedent(root) + "\ncustomProperties:\n  - {property: eventTime, value: placed_at}\n"
    return (
        _HEAD.replace("SKU", sku)
        .replace("AMOUNT\n", _indented(amount, 8))
        .replace("OBJECT\n", _indented(object_, 4))
        .replace("ROOT\n", _indented(root, 0))
    )


def orders(
    *, amount: str = "", object_: str = "", root: str = "", sku: str = "[]", event_time: bool = True
) -> DataContract:
    """The same, loaded; raises where something is wrong with it."""
    text = contract_text(amount=amount, object_=object_, root=root, sku=sku, event_time=event_time)
    return parse_contract(text, "orders.odcs.yaml")


def _indented(text: str, spaces: int) -> str:
    return textwrap.indent(textwrap.dedent(text).strip("\n") + "\n", " " * spaces) if text.strip() else ""
