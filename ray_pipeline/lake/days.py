"""Split rows by event day, so that each file belongs to one day."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_DAY_IN_MICROSECONDS = 86_400_000_000
_DAY_IN_MILLISECONDS = 86_400_000

Array = np.ndarray[Any, np.dtype[Any]]


def split_by_day(table: pa.Table, event_time: str | None) -> list[tuple[str, pa.Table]]:
    """Return ISO day (UTC) and rows, in order of day; rows keep their order within a day.

    A row without an event time counts by its Kafka timestamp, one without either by 1970-01-01.
    """
    days = _days(table, event_time)
    first, last = days.min(), days.max()
    if first == last:  # nearly always, when a topic is read as it is written
        return [(_text(first), table)]
    order = np.argsort(days, kind="stable")
    ordered = days[order]
    edges = np.flatnonzero(np.diff(ordered)) + 1
    return [(_text(days[rows[0]]), _rows(table, rows)) for rows in np.split(order, edges)]


def event_range(table: pa.Table, event_time: str | None) -> tuple[str | None, str | None]:
    """Return the earliest and the latest event time as RFC 3339 UTC; None twice where no row has one."""
    if event_time is None or table.column(event_time).null_count == table.num_rows:
        return None, None
    bounds = pc.min_max(_microseconds(table.column(event_time)))
    return _moment(bounds["min"].as_py()), _moment(bounds["max"].as_py())


def _rows(table: pa.Table, rows: Array) -> pa.Table:
    if rows[-1] - rows[0] + 1 == len(rows):  # ascending, so they are neighbours: no copy
        return table.slice(int(rows[0]), len(rows))
    return table.take(pa.array(rows))


def _days(table: pa.Table, event_time: str | None) -> Array:
    published = pc.fill_null(table.column("_timestamp").cast(pa.int64()), 0)
    if event_time is None:
        return _floor(published, _DAY_IN_MILLISECONDS)
    happened = _microseconds(table.column(event_time))
    if happened.null_count == 0:
        return _floor(happened, _DAY_IN_MICROSECONDS)
    absent = happened.is_null().to_numpy()
    days = _floor(pc.fill_null(happened, 0), _DAY_IN_MICROSECONDS)
    return np.where(absent, _floor(published, _DAY_IN_MILLISECONDS), days)


def _microseconds(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(column.type):
        return pc.multiply(column.cast(pa.int32()).cast(pa.int64()), _DAY_IN_MICROSECONDS)
    return column.cast(pa.int64())


def _floor(column: pa.ChunkedArray, unit: int) -> Array:
    days: Array = np.floor_divide(column.to_numpy(), unit)  # downwards, before 1970 too
    return days


def _text(day: Any) -> str:
    return str(np.datetime64(int(day), "D"))


def _moment(microseconds: int) -> str:
    # Not datetime: 9999-12-31T23:59:59-01:00 is a legal event time, and lies past its last year.
    return f"{np.datetime64(microseconds, 'us')}Z"
