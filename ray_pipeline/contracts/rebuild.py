"""From landed rows back to JSON records, so that what lies in Parquet can be judged again.

The inverse of landing, as far as there is one. A column that is null may stand for an absent key or for a null: a key
that the schema requires is written as null, any other is left out (or every null is written, where the caller asks).
Times come back as RFC 3339 in UTC, JSON text columns and ``_extra`` are spliced in as they are. What cannot come back
(which of two spellings of a number or a time it was, the order of the keys) does not matter to an ODCS contract.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .shape import EXTRA, VALUE, Boolean, Date, Integer, Json, ListOf, Number, Record, RootShape, Shape, Text, Timestamp


def rebuild(table: pa.Table, shape: RootShape, schema: object = True, *, keep_nulls: bool = False) -> pa.Array:
    """Return one JSON text per row, as a binary array; columns that are not the contract's are left alone.

    >>> table = pa.table({"id": ["a", "b"], "qty": pa.array([1, None], pa.int64())})
    >>> from ray_pipeline.contracts.shape import Field
    >>> shape = Record((Field("id", Text()), Field("qty", Integer())))
    >>> rebuild(table, shape).to_pylist()
    [b'{"id":"a","qty":1}', b'{"id":"b"}']
    >>> rebuild(table, shape, keep_nulls=True).to_pylist()[1]
    b'{"id":"b","qty":null}'
    """
    if isinstance(shape, Json):
        return _whole(table.column(VALUE)).cast(pa.binary())
    columns = {name: _whole(table.column(name)) for name in _names(shape)}
    root = _Node(schema, schema)
    return _object(columns, shape, root, keep_nulls, len(table)).cast(pa.binary())


class _Node:
    """A place in the JSON Schema beside a place in the shape; where the walk is lost, nothing is required."""

    def __init__(self, schema: object, root: object) -> None:
        self._root = root
        self._schema = _structural(schema, root)

    @property
    def required(self) -> frozenset[str]:
        names = self._schema.get("required")
        return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()

    def member(self, name: str) -> _Node:
        properties = self._schema.get("properties")
        return _Node(properties.get(name) if isinstance(properties, Mapping) else None, self._root)

    def items(self) -> _Node:
        return _Node(self._schema.get("items"), self._root)


def _structural(schema: object, root: object, depth: int = 0) -> Mapping[str, Any]:
    """Return the schema that names members or items: itself, what it refers to, or its one branch that is not null."""
    if not isinstance(schema, Mapping) or depth > 32:
        return {}
    if "properties" in schema or "items" in schema:
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        return _structural(_resolve(root, reference), root, depth + 1)
    for keyword in ("anyOf", "oneOf"):
        branches = schema.get(keyword)
        if isinstance(branches, list):
            found = [s for branch in branches if (s := _structural(branch, root, depth + 1))]
            return found[0] if len(found) == 1 else {}
    return {}


def _resolve(root: object, reference: str) -> object:
    place: Any = root
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, Mapping) else None
    return place


def _names(record: Record) -> list[str]:
    return [field.name for field in record.fields] + ([EXTRA] if record.open else [])


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _object(columns: Mapping[str, pa.Array], record: Record, node: _Node, keep_nulls: bool, rows: int) -> pa.Array:
    """Return the JSON object of each row; where the row's struct itself is null, the caller masks it."""
    members = []
    required = node.required
    for field in record.fields:
        text = _text(columns[field.name], field.shape, node.member(field.name), keep_nulls)
        if keep_nulls or field.name in required:
            text = _null_as_text(text)
        members.append(_after_comma(json.dumps(field.name) + ":", text))
    if record.open:
        inside = pc.utf8_slice_codeunits(columns[EXTRA], 1, -1)
        members.append(_after_comma("", pc.if_else(pc.equal(inside, ""), pa.scalar(None, pa.string()), inside)))
    if not members:
        return pa.repeat(pa.scalar("{}"), rows)
    inner = pc.binary_join_element_wise(*members, "")
    return pc.binary_join_element_wise(pc.binary_replace_slice(inner, 0, 1, "{"), "}", "")


def _after_comma(prefix: str, text: pa.Array) -> pa.Array:
    """Return ``,prefix text``, and nothing where the text is null.

    Not pyarrow's join with ``null_handling="skip"``: it loses the rows in which all is null.
    """
    return pc.fill_null(pc.binary_join_element_wise("," + prefix, text, ""), "")


def _text(array: pa.Array, shape: Shape, node: _Node, keep_nulls: bool) -> pa.Array:
    """Return each value as JSON text; null where the value is null."""
    match shape:
        case Text():
            return _quote(_escape(array))
        case Json():
            return array
        case Integer() | Number() | Boolean():
            return array.cast(pa.string())
        case Date():
            return _quote(array.cast(pa.string()))
        case Timestamp():
            return _quote(_rfc3339(array))
        case ListOf(items=items):
            return _list(array, items, node.items(), keep_nulls)
        case Record():
            children = dict(zip(_names(shape), array.flatten(), strict=True))
            text = _object(children, shape, node, keep_nulls, len(array))
            return _where(array.is_valid(), text) if array.null_count else text


def _list(array: pa.Array, items: Shape, node: _Node, keep_nulls: bool) -> pa.Array:
    values = _null_as_text(_text(array.flatten(), items, node, keep_nulls))
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, values), ",")
    text = pc.binary_join_element_wise("[", joined, "]", "")
    return _where(array.is_valid(), text) if array.null_count else text


def _rfc3339(array: pa.Array) -> pa.Array:
    """``2013-01-01 05:15:00.000000`` of Arrow, with a T and a Z and without an empty fraction.

    Without the zone first: pyarrow formats a zoned time ten times slower, and ours are all UTC.
    """
    text = pc.binary_replace_slice(array.cast(pa.timestamp("us")).cast(pa.string()), 10, 11, "T")
    return pc.binary_join_element_wise(pc.replace_substring(text, ".000000", ""), "Z", "")


def _escape(array: pa.Array) -> pa.Array:
    present = _special_bytes(array)
    if "control" in present:
        texts = [None if text is None else json.dumps(text, ensure_ascii=False)[1:-1] for text in array.to_pylist()]
        return pa.array(texts, pa.string())
    for character in ("\\", '"'):
        if character in present:
            array = pc.replace_substring(array, character, "\\" + character)
    return array


def _special_bytes(array: pa.Array) -> set[str]:
    """Return what needs an escape somewhere in the column, found in one look at its bytes."""
    offsets, data = array.buffers()[1:]
    if data is None or len(array) == 0:
        return set()
    ends = np.frombuffer(offsets, np.int32)
    used = np.frombuffer(data, np.uint8)[ends[array.offset] : ends[array.offset + len(array)]]
    present = {"control"} if (used < 0x20).any() else set()
    return present | {character for character in ("\\", '"') if (used == ord(character)).any()}


def _quote(array: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', array, '"', "")


def _null_as_text(array: pa.Array) -> pa.Array:
    return pc.fill_null(array, "null") if array.null_count else array


def _where(mask: pa.Array, text: pa.Array) -> pa.Array:
    return pc.if_else(mask, text, pa.scalar(None, pa.string()))
