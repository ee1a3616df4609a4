"""Whether rows that others wrote keep the contract: each is rebuilt as JSON and judged as a record would be.

A row stands for more than one record, since a null may have been an absent key. It breaks the contract where none of
the records that it can stand for is valid.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.shape import EXTRA, Json, ListOf, Record, Shape
from ray_pipeline.lake.verify_rows import judge_rows
from ray_pipeline.sla.measure import Array

from .inspect_columns import ORDER

_ROWS = 8_192
"""So many rows are text at a time."""
_SAID = "landed, and is not valid: "


@dataclass(frozen=True, slots=True)
class Broken:
    """Rows of a batch that break the contract."""

    mask: Array
    """bool, one per row."""
    first: dict[int, str]
    """Row → what is wrong with it, never with a value; of the rows that break it."""


def broken_rows(batch: pa.Table, contract: DataContract) -> Broken:
    """Return which rows break the contract. Columns that it does not know must be null."""
    schema = contract.landing_schema
    mask = np.zeros(batch.num_rows, bool)
    said: dict[int, str] = {}

    def flag(rows: Array, message: str) -> None:
        for row in rows[~mask[rows]].tolist():
            said[row] = message
        mask[rows] = True

    for name in batch.column_names:
        if name not in schema.names and name not in ORDER:
            flag(np.flatnonzero(batch.column(name).is_valid().to_numpy()), f"/{name}: the contract does not know it")
    own = batch.select(schema.names)
    for name in schema.names:
        flag(_not_utf8(own.column(name)), f"/{name}: not UTF-8")
    if isinstance(contract.shape, Record):
        for name, shape in [*((f.name, f.shape) for f in contract.shape.fields), *_extra(contract.shape)]:
            rows = np.flatnonzero(~mask)
            texts = own.column(name).take(pa.array(rows)) if _holds_json(shape) else None
            if texts is not None:
                bad = [not _is_json(value, shape, extra=name == EXTRA) for value in texts.to_pylist()]
                flag(rows[np.array(bad, bool)], f"/{name}: no JSON text")
    for start in range(0, batch.num_rows, _ROWS):
        rows = np.flatnonzero(~mask[start : start + _ROWS]) + start
        if len(rows):
            part = own.slice(start, _ROWS) if len(rows) == min(_ROWS, batch.num_rows - start) else own.take(rows)
            for verdict in judge_rows(part.combine_chunks(), contract):
                flag(rows[[verdict.row]], verdict.message.removeprefix(_SAID))
    return Broken(mask, said)


def _not_utf8(column: pa.ChunkedArray) -> Array:
    """Return the rows in which some text is no UTF-8: Parquet's word for it is not checked by those who read."""
    try:
        column.validate(full=True)
        return np.empty(0, np.int64)
    except pa.ArrowInvalid:
        found = []
        for row in range(len(column)):
            try:
                column[row].as_py()
            except UnicodeDecodeError:
                found.append(row)
        return np.array(found, np.int64)


def _extra(shape: Record) -> list[tuple[str, Shape]]:
    return [(EXTRA, Json())] if shape.open else []


def _holds_json(shape: Shape) -> bool:
    match shape:
        case Json():
            return True
        case ListOf(items=items):
            return _holds_json(items)
        case Record(fields=fields, open=is_open):
            return is_open or any(_holds_json(field.shape) for field in fields)
    return False


def _is_json(value: object, shape: Shape, *, extra: bool = False) -> bool:
    """Say whether what is spliced into the record as JSON text is one JSON value, and so cannot be more than one."""
    if value is None:
        return True
    match shape:
        case Json():
            try:
                parsed = json.loads(str(value))
            except (ValueError, RecursionError):
                return False
            return not extra or (isinstance(parsed, dict) and str(value)[:1] == "{" and str(value)[-1:] == "}")
        case ListOf(items=items):
            return not isinstance(value, list) or all(_is_json(one, items) for one in value)
        case Record(fields=fields):
            if not isinstance(value, dict):
                return True
            members = [*((field.name, field.shape) for field in fields), *_extra(shape)]
            return all(_is_json(value.get(name), inner, extra=name == EXTRA) for name, inner in members)
    return True
