"""Judging landed rows again never calls a valid record a breach, whatever it was and however it was spelled."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.lake.keys import contract_key
from ray_pipeline.lake.verify_contracts import ContractShelf, Shelved
from ray_pipeline.lake.verify_rows import RowVerdict, judge_rows
from ray_pipeline.testing.store import MemoryStore

EVERYTHING = """\
apiVersion: v3.1.0
kind: DataContract
id: everything
version: 1.0.0
status: active
customProperties:
  - {property: content, value: open}
  - {property: subMicroseconds, value: truncate}
schema:
  - name: things
    logicalType: object
    properties:
      - {name: id, logicalType: string, required: true}
      - {name: i, logicalType: integer, logicalTypeOptions: {multipleOf: 3}}
      - {name: n, logicalType: number, logicalTypeOptions: {minimum: -1000000000000}}
      - {name: b, logicalType: boolean}
      - {name: d, logicalType: date, logicalTypeOptions: {minimum: '1900-01-01'}}
      - {name: t, logicalType: timestamp, logicalTypeOptions: {exclusiveMinimum: '1970-01-01T00:00:00Z'}}
      - {name: l, logicalType: timestamp, logicalTypeOptions: {timezone: false, defaultTimezone: Europe/Berlin}}
      - {name: clock, logicalType: time}
      - {name: free, logicalType: object}
      - name: o
        logicalType: object
        logicalTypeOptions: {minProperties: 1, maxProperties: 3}
        properties:
          - {name: a, logicalType: integer}
          - {name: c, logicalType: string, required: true}
      - name: list
        logicalType: array
        logicalTypeOptions: {uniqueItems: true}
        items:
          name: item
          logicalType: object
          properties:
            - {name: at, logicalType: timestamp}
            - {name: q, logicalType: number}
"""

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
instant = st.builds(
    lambda moment, fraction, zone: moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone,
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2900, 1, 1)),
    st.sampled_from(["", ".5", ".000000", ".0000001", ".123456789"]),
    st.sampled_from(["Z", "z", "+05:30", "-11:00"]),
)


def member(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | value


record = st.fixed_dictionaries(
    {"id": text},
    optional={
        "i": member(st.integers(-(10**12), 10**12).map(lambda i: 3 * i)),
        "n": member(st.floats(-1e12, 1e300) | st.integers(-(10**12), 2**53)),
        "b": member(st.booleans()),
        "d": member(st.dates(min_value=date(1900, 1, 1)).map(str)),
        "t": member(instant),
        "l": member(instant | instant.map(lambda t: t[:10] + "T12:00:00")),
        "clock": member(st.times().map(lambda t: t.isoformat())),
        "free": member(st.dictionaries(text, json_value, max_size=3)),
        "o": member(
            st.fixed_dictionaries(
                {"c": text}, optional={"a": member(st.integers(-9, 9)), "x": json_value, "y": json_value}
            )
        ),
        "list": member(
            st.lists(
                st.fixed_dictionaries({}, optional={"at": member(instant), "q": member(st.floats(-9, 9))}), max_size=3
            )
        ),
        "more": json_value,
    },
)


def shelved(document: str, kind: str) -> Shelved:
    store = MemoryStore()
    contract = parse_contract(document, "c")
    store.put(contract_key("p", contract.digest, kind), document.encode())
    return ContractShelf(store, "p", {}).get(contract.ref, "things")


def again(contract: DataContract, rows: DataContract, records: list[dict[str, Any]]) -> list[RowVerdict]:
    values = [json.dumps(record, ensure_ascii=False).encode() for record in records]
    return judge_rows(contract.columns(contract.judge(values)).table, rows)


THINGS = shelved(EVERYTHING, "odcs")


@settings(max_examples=300, deadline=None)
@given(st.lists(record, min_size=1, max_size=5))
def test_whatever_lands_under_an_odcs_contract_is_valid_again(records: list[dict[str, Any]]) -> None:
    assert THINGS.contract is not None
    assert THINGS.rows is not None
    assert again(THINGS.contract, THINGS.rows, records) == []


leaf = st.sampled_from(
    [
        {"type": "integer"},
        {"type": ["integer", "null"]},
        {"type": "number", "multipleOf": 0.5},
        {"type": "string", "minLength": 1},
        {"type": "string", "format": "date-time"},
        {"type": ["string", "null"], "enum": ["a", None]},
        {"const": 1},
        {"not": {"type": "null"}},
        True,
    ]
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
        optional={
            "required": st.lists(st.sampled_from("abc"), unique=True, max_size=2),
            "additionalProperties": st.booleans(),
            "minProperties": st.integers(0, 2),
            "maxProperties": st.integers(2, 4),
            "dependentRequired": st.just({"a": ["b"]}),
            "propertyNames": st.just({"maxLength": 1}),
        },
    )


schema = objects(
    st.recursive(leaf, lambda inner: objects(inner) | st.builds(lambda i: {"type": "array", "items": i}, inner))
)
value = st.recursive(
    st.sampled_from([None, 1, 1.0, 2.5, "a", "", "2013-01-01T00:00:00Z", True]),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3) | st.lists(inner, max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(
    schema,
    st.sampled_from([4, 6, 7, 2019, 2020]),
    st.lists(st.dictionaries(st.sampled_from("abcd"), value), max_size=5),
)
def test_no_row_of_a_bare_schema_is_called_a_breach(
    schema: dict[str, Any], draft: int, records: list[dict[str, Any]]
) -> None:
    uris = {4: "http://json-schema.org/draft-04/schema#", 6: "http://json-schema.org/draft-06/schema#"}
    uris |= {7: "http://json-schema.org/draft-07/schema#"}
    uri = uris.get(draft, f"https://json-schema.org/draft/{draft}-{'09' if draft == 2019 else '12'}/schema")
    if draft == 4:
        schema = json.loads(json.dumps(schema).replace("true", "{}"))  # draft 4 has no boolean schemas
        schema.pop("additionalProperties", None)
        if not schema.get("required"):
            schema.pop("required", None)
    document = json.dumps({"$schema": uri} | schema)
    try:
        found = shelved(document, "json-schema")
    except Exception as error:
        if type(error).__name__ != "ContractError":
            raise
        return
    assert found.contract is not None
    assert found.rows is not None
    assert [verdict for verdict in again(found.contract, found.rows, records) if verdict.certain] == []
