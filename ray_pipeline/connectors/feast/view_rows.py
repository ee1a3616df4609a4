"""The rows of a view, read from a share of its files: only the columns and row groups that can matter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.connectors.feast.view_plan import FeatureFile, ViewPlan
from ray_pipeline.errors import FeatureTableError

_UNITS = {"milliseconds": (1_000, 1), "microseconds": (1, 1), "nanoseconds": (1, 1_000)}
"""A Parquet moment's unit → by what it is multiplied, and then divided, to be microseconds."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some row groups of one file; None: all of them."""

    file: FeatureFile
    groups: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Moments that can matter, both included; None: no bound."""

    first: int | None
    last: int | None


def read_piece(plan: ViewPlan, piece: Piece, span: Span) -> Iterator[pa.Table]:
    """Yield the piece's rows by row group, in the plan's columns; row groups wholly outside the span are passed over.

    Raises ``FeatureTableError`` where a column is of another type than the view's, or a key or moment is absent.
    """
    try:
        with pq.ParquetFile(plan.open(piece.file.uri)) as file:
            there = set(file.schema_arrow.names)
            wanted = [name for name in plan.columns if name in there]
            groups = range(file.metadata.num_row_groups) if piece.groups is None else piece.groups
            for group in groups:
                bounds = _bounds(file.metadata, group, plan.event)
                if _apart(bounds, span):
                    continue
                rows = conformed(plan, file.read_row_group(group, columns=wanted, use_threads=False), piece.file.uri)
                yield rows if _inside(bounds, span) else _within(rows, plan.event, span)
    except (OSError, pa.ArrowException) as error:  # gone, cut short, or not Parquet
        raise FeatureTableError(plan.name, f"{piece.file.uri} cannot be read: {type(error).__name__}") from error


def conformed(plan: ViewPlan, rows: pa.Table, where: str = "") -> pa.Table:
    """Return the rows in the plan's columns and types; nothing is narrowed and no value changes."""
    needed = {*plan.keys.values(), plan.event} | ({plan.created} if plan.created else set())
    columns = []
    for name in plan.columns:
        kind = plan.schema.field(name).type
        if name in rows.column_names:
            columns.append(_as(plan, rows.column(name), name, kind, where))
        elif name in needed:
            raise FeatureTableError(plan.name, f"{_here(where)}there is no column {name}")
        else:
            columns.append(pa.chunked_array([pa.nulls(rows.num_rows, kind)]))
    return pa.table(columns, names=list(plan.columns))


def widened(there: pa.DataType, wanted: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both without changing one; None where they are of different kinds.

    >>> widened(pa.int32(), pa.int64()), widened(pa.float64(), pa.float32()), widened(pa.string(), pa.int64())
    (DataType(int64), DataType(double), None)
    """
    if pa.types.is_dictionary(there):
        there = there.value_type
    if there == wanted or pa.types.is_null(there):
        return wanted
    for alike in (_is_text, _is_bytes):
        if alike(there) and alike(wanted):
            return wanted
    for kind in (pa.types.is_signed_integer, pa.types.is_unsigned_integer, pa.types.is_floating):
        if kind(there) and kind(wanted):
            return there if there.bit_width > wanted.bit_width else wanted
    if pa.types.is_timestamp(there) and pa.types.is_timestamp(wanted):
        return there
    if _is_list(there) and _is_list(wanted):
        item = widened(there.value_type, wanted.value_type)
        return None if item is None else pa.list_(item)
    return None


def pieces(plan: ViewPlan, share: int) -> list[tuple[Piece, int]]:
    """Return the view's files with their sizes; one much larger than a share is cut between row groups."""
    cut: list[tuple[Piece, int]] = []
    for file in plan.files:
        if file.size <= 2 * share:
            cut.append((Piece(file), file.size))
            continue
        with pq.ParquetFile(plan.open(file.uri)) as opened:
            count = opened.metadata.num_row_groups
        parts = min(count, -(-file.size // share)) or 1
        bounds = [count * i // parts for i in range(parts + 1)]
        for first, last in pairwise(bounds):
            cut.append((Piece(file, tuple(range(first, last))), file.size // parts))
    return cut


def _as(plan: ViewPlan, column: pa.ChunkedArray, name: str, kind: pa.DataType, where: str) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    held = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    try:
        if widened(held, kind) == kind or (pa.types.is_timestamp(held) and pa.types.is_timestamp(kind)):
            return column.cast(kind)
    except pa.ArrowInvalid as error:
        raise FeatureTableError(plan.name, f"{_here(where)}column {name}: {error}") from None
    raise FeatureTableError(plan.name, f"{_here(where)}column {name} is {column.type}, and {kind} in the view")


def _here(where: str) -> str:
    return f"{where}: " if where else ""


def _within(rows: pa.Table, event: str, span: Span) -> pa.Table:
    """Drop rows outside the span. It may keep some that a finer look would drop: the join looks again."""
    kept: Any = None
    kind = rows.schema.field(event).type
    for bound, test in ((span.first, pc.greater_equal), (span.last, pc.less_equal)):
        if bound is not None and pa.types.is_timestamp(kind) and kind.unit == "us":
            here = test(rows.column(event), pa.scalar(bound, pa.int64()).cast(kind))
            kept = here if kept is None else pc.and_(kept, here)
    if kept is None or pc.all(kept, skip_nulls=False).as_py():
        return rows
    return rows.filter(kept)


def _bounds(metadata: Any, group: int, event: str) -> tuple[int, int] | None:
    """Return the first and the last moment of a row group by its statistics; None where they do not say."""
    held = metadata.row_group(group)
    for i in range(held.num_columns):
        column = held.column(i)
        if column.path_in_schema == event:
            found = column.statistics
            kind = json.loads(metadata.schema.column(i).logical_type.to_json())
            unit = _UNITS.get(kind.get("timeUnit")) if kind.get("Type") == "Timestamp" else None
            if found is None or not found.has_min_max or unit is None:
                return None
            times, parts = unit
            return found.min_raw * times // parts, found.max_raw * times // parts
    return None


def _apart(bounds: tuple[int, int] | None, span: Span) -> bool:
    if bounds is None:
        return False
    return (span.last is not None and bounds[0] > span.last) or (span.first is not None and bounds[1] < span.first)


def _inside(bounds: tuple[int, int] | None, span: Span) -> bool:
    if bounds is None:
        return False
    return (span.last is None or bounds[1] <= span.last) and (span.first is None or bounds[0] >= span.first)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def plain(kind: pa.DataType) -> pa.DataType:
    """Return the type by which the same values go everywhere else: text is ``string``, whatever encodes it."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if _is_text(kind):
        return pa.string()
    if _is_bytes(kind):
        return pa.binary()
    return pa.list_(plain(kind.value_type)) if _is_list(kind) else kind
