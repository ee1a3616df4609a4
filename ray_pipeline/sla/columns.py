"""A column of a batch by its path, as Arrow or as numbers; nested ones with the nulls of what they stand in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.expectations import Column

from .measure import Array

DAY = 86_400_000_000
"""In microseconds."""
FURTHEST = 2**62 - 1
"""Moments further from 1970 than this many microseconds (146,000 years) count as just this far: no difference of two
moments overflows."""
_COMPARED = 2
"""So few values are compared one by one: faster than by their hashes."""
_UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}


def values(batch: pa.Table, path: Column) -> pa.ChunkedArray:
    """Return the column at ``path``; a field of a struct is null wherever the struct is.
    Dictionaries are unpacked, half floats widened.

    Raises ``KeyError`` where the batch has no such column.

    >>> rows = pa.table({"aircraft": [{"seats": 3}, None]})
    >>> values(rows, ("aircraft", "seats")).to_pylist()
    [3, None]
    """
    index = batch.schema.get_field_index(path[0])
    if index < 0:
        raise KeyError(".".join(path))
    column = batch.column(index)
    indices = []
    kind = column.type
    for name in path[1:]:
        position = kind.get_field_index(name) if pa.types.is_struct(kind) else -1
        if position < 0:
            raise KeyError(".".join(path))
        indices.append(position)
        kind = kind.field(position).type
    if indices:
        column = pc.struct_field(column, indices)
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_float16(kind):
        return column.cast(pa.float32())  # few of Arrow's functions know half floats
    return column


def as_array(column: pa.ChunkedArray) -> pa.Array:
    """Return one array: without a copy where the column is of one chunk, as the columns of a batch mostly are."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def as_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return texts as their bytes, which a file that we did not write may hold without their being UTF-8."""
    if pa.types.is_string(column.type):
        return column.cast(pa.binary())
    return column.cast(pa.large_binary()) if pa.types.is_large_string(column.type) else column


def as_numpy(column: pa.Array) -> Array:
    """Return an array without nulls as numpy has it: without a copy where it is of numbers."""
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers


def null_mask(column: pa.ChunkedArray) -> Array:
    """Return one bool for each row: whether it is null."""
    return as_numpy(as_array(column.is_null()))


def is_moment(kind: pa.DataType) -> bool:
    """Whether :func:`microseconds` can read it."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def microseconds(column: pa.ChunkedArray) -> Array:
    """Return the column's moments that are not null, in order, as int64 microseconds since 1970 UTC.

    Whatever its unit; nanoseconds are cut to the microsecond before. Without a zone it counts as UTC, a date as its
    midnight. Raises ``ValueError`` for a column of another type.

    >>> microseconds(pa.chunked_array([pa.array([1, None, 2], pa.timestamp("ms"))])).tolist()
    [1000, 2000]
    """
    kind = column.type
    if not is_moment(kind):
        raise ValueError(f"a column of {kind} has no moments")
    present = column.drop_null() if column.null_count else column
    if pa.types.is_date32(kind):
        present = present.cast(pa.int32())
    moments = as_numpy(as_array(present.cast(pa.int64())))
    if pa.types.is_date32(kind):
        return np.multiply(moments, DAY)
    unit = "ms" if pa.types.is_date64(kind) else kind.unit
    if unit == "ns":
        return np.floor_divide(moments, 1_000)
    factor = _UNITS[unit]
    if len(moments) and (moments.min() < -FURTHEST // factor or moments.max() > FURTHEST // factor):
        moments = np.clip(moments, -(FURTHEST // factor), FURTHEST // factor)
    return moments if factor == 1 else np.multiply(moments, factor)


def as_type(items: Iterable[Any], kind: pa.DataType) -> pa.Array:
    """Return those values of a contract that a column of this type can hold; no row equals the others.

    Numbers equal numbers and text equals text, as in JSON: ``1`` is not ``"1"``. Dates and times are written as text.

    >>> as_type(["", "N/A", 0, 1.5], pa.int32()).to_pylist()
    [0]
    """
    found = [scalar for item in items if (scalar := as_scalar(item, kind)) is not None]
    return pa.array([scalar.as_py() for scalar in found], kind) if found else pa.array([], kind)


def is_one_of(column: pa.ChunkedArray | pa.Array, listed: pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return for each row whether it is one of ``listed``; false or null where the row is null."""
    if pa.types.is_floating(column.type):
        column = pc.add(column, pa.scalar(0, column.type))  # -0.0 is 0.0, but not by its hash
    if not 1 <= len(listed) <= _COMPARED:
        return pc.is_in(column, listed)
    found = pc.equal(column, listed[0])
    for value in listed[1:]:
        found = pc.or_(found, pc.equal(column, value))
    return found


def as_scalar(item: Any, kind: pa.DataType) -> pa.Scalar | None:
    """Return a contract's value as one of this type; None where the type cannot hold it exactly."""
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return pa.scalar(item, kind) if isinstance(item, str) else None
        if pa.types.is_boolean(kind):
            return pa.scalar(item, kind) if isinstance(item, bool) else None
        if is_moment(kind):
            return _moment(item, kind)
        if isinstance(item, bool) or not isinstance(item, int | float | Decimal):
            return None
        if pa.types.is_decimal(kind):
            return pa.scalar(Decimal(str(item)), kind)
        if pa.types.is_integer(kind):
            return pa.scalar(int(item), kind) if item == int(item) else None
        return pa.scalar(float(item), kind) if pa.types.is_floating(kind) else None
    except (pa.ArrowInvalid, OverflowError, ValueError, ArithmeticError):
        return None


def measure_id(kind: str, **parameters: Any) -> str:
    """Return what names a measure's states: its kind and its parameters, those that are None left out.

    >>> measure_id("latency", column=("occurred_at",))
    'latency{"column":["occurred_at"]}'
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    return kind + json.dumps(given, separators=(",", ":"), sort_keys=True, default=str, ensure_ascii=False)


def _moment(item: Any, kind: pa.DataType) -> pa.Scalar | None:
    if isinstance(item, str):
        item = datetime.fromisoformat(item)
    if not isinstance(item, date):
        return None
    if pa.types.is_date(kind):
        if isinstance(item, datetime):
            midnight = (item.hour, item.minute, item.second, item.microsecond) == (0, 0, 0, 0)
            return pa.scalar(item.date(), kind) if midnight else None
        return pa.scalar(item, kind)
    moment = item if isinstance(item, datetime) else datetime(item.year, item.month, item.day)
    since = np.datetime64(moment.replace(tzinfo=None), "us").astype("int64") - _offset(moment)
    return pa.scalar(int(since), pa.int64()).cast(pa.timestamp("us", kind.tz)).cast(kind)


def _offset(moment: datetime) -> int:
    offset = moment.utcoffset()
    return 0 if offset is None else round(offset.total_seconds() * 1_000_000)
