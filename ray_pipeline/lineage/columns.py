"""The columns of the datasets that an event names, and which column became which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.types as kinds

from ray_pipeline.contracts.shape import EXTRA, VALUE

from .facets import Facet, facet
from .names import Places

IDENTITY = [{"type": "DIRECT", "subtype": "IDENTITY", "masking": False}]


def landed_fields(schema: pa.Schema) -> dict[str, Facet]:
    """Return the schema facet of Parquet files, with Arrow's names of types."""
    return facet("schema", fields=list(_fields(schema, str)))


def table_fields(schema: pa.Schema) -> dict[str, Facet]:
    """Return the schema facet of the curated table, with Iceberg's names of types."""
    return facet("schema", fields=list(_fields(schema, _iceberg)))


def topic_fields(schema: pa.Schema) -> dict[str, Facet]:
    """Return the schema facet of a topic: the contract's own columns, with JSON's names of types."""
    return facet("schema", fields=list(_fields(_of_contract(schema), _json)))


def column_lineage(places: Places, curated: pa.Schema, contract: pa.Schema) -> dict[str, Facet]:
    """Return the facet that leads each curated column back to the landed one, and that to the record's key."""
    in_record = {field.name for field in _of_contract(contract)} if places.topic is not None else set()
    fields: dict[str, Any] = {}
    for name in curated.names:
        sources = [places.landed]
        if name in in_record and places.topic is not None:
            sources.append(places.topic)
        inputs = [
            {"namespace": source.namespace, "name": source.name, "field": name, "transformations": IDENTITY}
            for source in sources
        ]
        fields[name] = {"inputFields": inputs}
    return facet("columnLineage", fields=fields)


def _of_contract(schema: pa.Schema) -> list[pa.Field]:
    return [field for field in schema if field.name not in (EXTRA, VALUE)]


def _fields(schema: Iterable[pa.Field], name_of: Any) -> Iterator[dict[str, Any]]:
    for position, field in enumerate(schema, 1):
        yield _field(field.name, field.type, name_of) | {"ordinal_position": position}


def _field(name: str, kind: pa.DataType, name_of: Any) -> dict[str, Any]:
    """One field; what is nested stands below it, and an item of a list is called ``_element``."""
    if kinds.is_struct(kind):
        below = [_field(inner.name, inner.type, name_of) for inner in kind]
        return {"name": name, "type": "struct", "fields": below}
    if kinds.is_list(kind) or kinds.is_large_list(kind):
        return {"name": name, "type": "array", "fields": [_field("_element", kind.value_type, name_of)]}
    return {"name": name, "type": name_of(kind)}


_ICEBERG = {
    "bool": "boolean",
    "date32[day]": "date",
    "double": "double",
    "float": "float",
    "large_binary": "binary",
    "large_string": "string",
}


def _iceberg(kind: pa.DataType) -> str:
    if kinds.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if kinds.is_integer(kind):
        return "int" if kind.bit_width <= 32 else "long"
    if kinds.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    return _ICEBERG.get(str(kind), str(kind))


def _json(kind: pa.DataType) -> str:
    if kinds.is_integer(kind):
        return "integer"
    if kinds.is_floating(kind) or kinds.is_decimal(kind):
        return "number"
    return "boolean" if kinds.is_boolean(kind) else "string"
