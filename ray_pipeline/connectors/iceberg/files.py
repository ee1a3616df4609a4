"""What a Parquet file must be to become part of a curated table as it is, and how to make one that is.

A file whose statistics do not name its one event day would land in the null partition, and a filter on the event time
would then never see its rows. So such a file is never added: it is written anew first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.connectors.iceberg.columns import (
    clash,
    curated_schema,
    curated_type,
    held_as_is,
    parquet_paths,
    widens,
)
from ray_pipeline.lake.parquet import encode_parquet

_FIELD_ID = b"PARQUET:field_id"
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


def addable(
    metadata: pq.FileMetaData, column: str | None, schema: pa.Schema | None = None, *, with_ids: bool = False
) -> str | None:
    """Say why a file must be written anew before it can be added; None where it can be added as it is.

    ``column`` is the one whose day the table is partitioned by (:attr:`CuratedTable.partition_column`), ``schema``
    the table's columns where there is a table. ``with_ids``: its columns carry the table's own field ids.
    """
    arrow = metadata.schema.to_arrow_schema()
    return _types(arrow, schema) or _layout(metadata, arrow, with_ids) or _day(metadata, arrow, column)


def never_addable(metadata: pq.FileMetaData, column: str | None) -> str | None:
    """Say why a file cannot be added even when its rows are written anew, because they are not of one event day.

    So it is with files that landed while the contract had another event time.
    """
    arrow = metadata.schema.to_arrow_schema()
    if column is None:
        return None
    if column not in arrow.names:
        return f"column {column!r}, whose day is its partition, is not in it"
    bounds = _bounds(metadata, arrow, column)
    if isinstance(bounds, tuple) and bounds[0] != bounds[1]:
        return f"column {column!r}, whose day is its partition, has more than one day"
    return None


def event_day(metadata: pq.FileMetaData, column: str | None) -> int | None:
    """Return the one day of an addable file as days since 1970; None where no row has an event time."""
    if column is None:
        return None
    bounds = _bounds(metadata, metadata.schema.to_arrow_schema(), column)
    return None if isinstance(bounds, str) or bounds is None else bounds[0]


def prepare(table: pa.Table, schema: pa.Schema | None = None) -> pa.Table:
    """Return the rows in types that a curated table holds; digits below a microsecond are cut.

    With the table's ``schema`` a column takes the type that it has there, so that a file of an older contract still
    fits after its column was widened.
    """
    wanted = curated_schema(table.schema)
    known = {} if schema is None else {field.name: field for field in curated_schema(schema)}
    columns = {f.name: _cast(table.column(f.name), _fitting(f, known.get(f.name))) for f in wanted}
    return pa.table(columns)


def parts(table: pa.Table, column: str | None) -> list[pa.Table]:
    """Return the rows of a prepared table as files must hold them: one day each, those without an event time apart."""
    if column is None or not table.num_rows:
        return [table]
    values = table.column(column)
    days = _days(values.drop_null())
    groups = [table.filter(values.is_null())] if values.null_count else []
    there = table.filter(values.is_valid()) if values.null_count else table
    order = np.unique(days)
    if len(order) <= 1:
        return [part for part in (*groups, there) if part.num_rows]
    return [*groups, *(there.filter(pa.array(days == day)) for day in order)]


def encode(table: pa.Table) -> bytes:
    """Return one part as the bytes of a file that is addable."""
    return encode_parquet(table)


def _types(arrow: pa.Schema, schema: pa.Schema | None) -> str | None:
    known = {} if schema is None else {field.name: field.type for field in schema}
    if len(set(arrow.names)) != len(arrow.names):
        return "two of its columns have one name"
    for field in arrow:
        if not held_as_is(field.type):
            return f"column {field.name!r} is {field.type}"
        if field.name in known and (what := clash(known[field.name], curated_type(field.type, field.name), field.name)):
            return what.replace("in the contract", "in the file")
        if field.name in known and widens(known[field.name], curated_type(field.type, field.name)):
            return f"column {field.name!r} is {field.type}, wider than in the table"
    return None


def _layout(metadata: pq.FileMetaData, arrow: pa.Schema, with_ids: bool) -> str | None:
    if not metadata.num_rows:
        return "it holds no rows"
    if not with_ids and any(_has_ids(field) for field in arrow):
        return "it has field ids of another table"
    leaves = {metadata.schema.column(i).path for i in range(metadata.num_columns)}
    if leaves != set(parquet_paths(arrow)):
        return "its lists or maps are not laid out as the Parquet format says"
    return None


def _has_ids(field: pa.Field) -> bool:
    if field.metadata and _FIELD_ID in field.metadata:
        return True
    return any(_has_ids(field.type.field(i)) for i in range(field.type.num_fields))


def _day(metadata: pq.FileMetaData, arrow: pa.Schema, column: str | None) -> str | None:
    if column is None:
        return None
    if column not in arrow.names:
        return f"column {column!r}, whose day is its partition, is not in it"
    bounds = _bounds(metadata, arrow, column)
    if isinstance(bounds, str):
        return bounds
    if bounds is not None and bounds[0] != bounds[1]:
        return f"column {column!r} has more than one day"
    return None


def _bounds(metadata: pq.FileMetaData, arrow: pa.Schema, column: str) -> tuple[int, int] | str | None:
    """First and last day of a column by its statistics, None where it is null throughout, a sentence where unknown.

    The raw integers are read, because Python's dates end with the year 9999 and a file's moments need not.
    """
    kind = arrow.field(column).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind)):
        return f"column {column!r} is {kind}, neither a moment nor a date"
    unit = 1 if pa.types.is_date32(kind) else _PER_DAY[kind.unit]
    place = next((i for i in range(metadata.num_columns) if metadata.schema.column(i).path == column), None)
    if place is None:
        return f"column {column!r} is not a plain one"
    nulls, least, most = 0, [], []
    for group in range(metadata.num_row_groups):
        chunk = metadata.row_group(group).column(place)
        statistics = chunk.statistics if chunk.is_stats_set else None
        if statistics is None or not statistics.has_null_count:
            return f"column {column!r} has no statistics"
        nulls += statistics.null_count
        if statistics.has_min_max:
            least.append(statistics.min_raw)
            most.append(statistics.max_raw)
        elif statistics.null_count < chunk.num_values:
            return f"column {column!r} has no statistics"
    if not least:
        return None
    if nulls:
        return f"column {column!r} is null in some of its rows"
    return int(min(least)) // unit, int(max(most)) // unit


def _fitting(field: pa.Field, known: pa.Field | None) -> pa.DataType:
    if known is None or clash(known.type, field.type, field.name):
        return field.type  # what cannot be one is refused where the table is asked to take it
    return known.type if widens(field.type, known.type) and not widens(known.type, field.type) else field.type


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_run_end_encoded(column.type):
        column = pc.run_end_decode(column)
    return column.cast(kind, safe=False)  # the target is never narrower, but for digits below a microsecond


def _days(values: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[Any]]:
    if pa.types.is_date32(values.type):
        return np.asarray(values.cast(pa.int32()).to_numpy())
    days: np.ndarray[Any, np.dtype[Any]] = np.floor_divide(
        values.cast(pa.int64()).to_numpy(), _PER_DAY[values.type.unit]
    )
    return days
