"""Labels and the rows of one view: for each label what its entity was known to be at its moment.

Moments are compared as whole microseconds since 1970 UTC, whatever unit and zone they are written in: one without a
zone is UTC, as Feast has it, and nanoseconds are cut off, so that two moments of one microsecond are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from ray_pipeline.errors import UsageError
from ray_pipeline.features.asof import NEVER, Found, Histories, Ints, find
from ray_pipeline.features.reading import Status

EVENT = "event_timestamp"
CREATED = "created_timestamp"
STATUSES = (Status.PRESENT, Status.NOT_FOUND, Status.OUTSIDE_MAX_AGE)
"""By the number that :class:`ray_pipeline.features.asof.Found` gives them."""
_EXACT_FLOAT = 2.0**53


def point_in_time(
    labels: pl.DataFrame,
    rows: pl.DataFrame,
    *,
    keys: Sequence[str] | Mapping[str, str],
    at: str,
    ttl_us: int | None,
    as_of_known: bool,
    features: Sequence[str],
) -> pl.DataFrame:
    """Return one row for each label, in their order: the features, ``_status`` and ``_event`` (microseconds).

    A label's row is the one of its entity with the greatest ``event_timestamp`` that is not after the label's moment
    ``at``; with ``as_of_known`` one whose ``created_timestamp`` is not after it either, and a row that does not say
    when it was created is not known. Of equal ones the later created wins, and then the greater features, in the order
    of their names: never the order of the rows. A row older than ``ttl_us`` gives nulls; exactly as old counts. A key
    that is null in part matches nothing. ``keys`` may map a label's column to the rows' column.

    >>> labels = pl.DataFrame({"user": [1, 2], "at": [20, 20]})
    >>> rows = pl.DataFrame({"user": [1, 1], "event_timestamp": [10, 30], "spent": [5.0, 7.0]})
    >>> found = point_in_time(labels, rows, keys=["user"], at="at", ttl_us=None, as_of_known=False, features=["spent"])
    >>> found.rows()
    [(5.0, 'PRESENT', 10), (None, 'NOT_FOUND', None)]
    """
    pairs = dict(keys) if isinstance(keys, Mapping) else {key: key for key in keys}
    entities, asked = number_entities(labels, list(pairs))
    created = moments(rows[CREATED]) if CREATED in rows.columns else None
    histories = Histories(
        number_rows(entities, rows, pairs),
        moments(rows[EVENT]),
        created,
        lambda some: content_ranks(rows.select(sorted(features))[pl.Series(some)]),
    )
    found = find(asked, moments(labels[at]), histories, ttl_us=ttl_us, as_of_known=as_of_known)
    number = pl.Series(found.row)
    picked = rows.select(features).select(pl.all().gather(number.set(number < 0, None)))
    return picked.with_columns(*status_columns(found))


def status_columns(found: Found, status: str = "_status", event: str = "_event") -> tuple[pl.Series, pl.Series]:
    """Return the status by its name, and the moment of the row that was found, null where there is none."""
    names = pl.Series([one.value for one in STATUSES]).gather(pl.Series(found.status, dtype=pl.UInt32))
    when = pl.Series(event, found.event)
    return names.alias(status), when.set(when == NEVER, None)


def moments(column: pl.Series) -> Ints:
    """Return microseconds since 1970 UTC, NEVER where there is none. Whole numbers are taken as such."""
    kind = column.dtype
    physical = column.to_physical().cast(pl.Int64) if kind.is_integer() or kind.is_temporal() else None
    if isinstance(kind, pl.Datetime) and physical is not None:
        if kind.time_unit == "ns":
            physical = physical // 1_000
        elif kind.time_unit == "ms":
            physical = physical * 1_000
    elif kind == pl.Date and physical is not None:
        physical = physical * 86_400_000_000
    elif not kind.is_integer() or physical is None:
        raise UsageError(f"column {column.name} is {kind}, and has to be moments: a timestamp, a date, or microseconds")
    return physical.fill_null(NEVER).to_numpy()


def number_entities(labels: pl.DataFrame, keys: Sequence[str]) -> tuple[pl.DataFrame, Ints]:
    """Return each entity of the labels once, with its number from 0, and for each label the number of its entity.

    It is -1 where a part of the key is null. Without keys there is one entity.
    """
    if not keys:
        return pl.DataFrame({"number": [0]}, schema={"number": pl.Int64}), np.zeros(labels.height, np.int64)
    asked = labels.select(key_column(labels[key]) for key in keys)
    entities = asked.drop_nulls().unique(maintain_order=True).with_row_index("number").cast({"number": pl.Int64})
    return entities, _numbers(entities, asked, keys)


def number_rows(entities: pl.DataFrame, rows: pl.DataFrame, keys: Mapping[str, str]) -> Ints:
    """Return for each row the number of its entity, -1 where no label asks for it; ``keys`` as label → row."""
    if not keys:
        return np.zeros(rows.height, np.int64)
    held = [key_column(rows[there]).alias(key) for key, there in keys.items()]
    for column in held:
        asked = entities.schema[column.name]
        if pl.Null not in (asked, column.dtype) and asked != column.dtype:
            there = keys[column.name]
            raise UsageError(
                f"the labels' {column.name} is {asked} and the features' {there} is {column.dtype}: "
                "a key has to be of one type on both sides"
            )
    if any(pl.Null in (entities.schema[column.name], column.dtype) for column in held):
        return np.full(rows.height, -1, np.int64)  # every key is null on one side
    return _numbers(entities, pl.DataFrame(held), list(keys))


def _numbers(entities: pl.DataFrame, keyed: pl.DataFrame, keys: Sequence[str]) -> Ints:
    if any(kind == pl.Null for kind in keyed.dtypes):
        return np.full(keyed.height, -1, np.int64)
    joined = keyed.join(entities, on=list(keys), how="left", maintain_order="left")
    return joined["number"].fill_null(-1).to_numpy()


def key_column(column: pl.Series) -> pl.Series:
    """Return a key so that it compares as its values do: integers of any width, text of any encoding.

    pandas makes floats of integers among which one is missing: whole floats count as integers, NaN as null.
    """
    kind = column.dtype
    if kind.is_float():
        column = column.fill_nan(None)
        whole = column.drop_nulls()
        if not bool(((whole == whole.floor()) & (whole.abs() <= _EXACT_FLOAT)).all()):
            raise UsageError(
                f"key {column.name} holds fractions: a key has to be an integer, text, or another exact type"
            )
        return column.cast(pl.Int64)
    if kind == pl.UInt64 and bool((column > np.iinfo(np.int64).max).any()):
        raise UsageError(f"key {column.name} holds integers of more than 63 bits")
    if kind.is_integer():
        return column.cast(pl.Int64)
    if isinstance(kind, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(kind, pl.Datetime):
        return (
            column.cast(pl.Datetime("us"))
            if kind.time_zone is None
            else column.dt.convert_time_zone("UTC").cast(pl.Datetime("us"))
        )
    return column


def content_ranks(rows: pl.DataFrame) -> Ints:
    """Rank rows by their columns, first to last, null lowest; equal rows share a rank."""
    if not rows.width:
        return np.zeros(rows.height, np.int64)
    ordered = rows.select(_orderable(column) for column in rows)
    return ordered.select(pl.struct(pl.all()).rank("dense")).to_series().to_numpy().astype(np.int64)


def _orderable(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind.is_float():  # by its bits, so that 0.0 and -0.0, which compare as equal, have an order too
        bits = column.cast(pl.Float64).fill_null(0.0).to_numpy().view(np.int64)
        ordered = pl.Series(column.name, np.where(bits < 0, bits ^ np.iinfo(np.int64).max, bits))
        return ordered.set(column.is_null(), None)
    if kind.is_nested() or kind == pl.Object:
        return pl.Series(column.name, [None if value is None else repr(value) for value in column.to_list()], pl.String)
    return column.cast(pl.String) if isinstance(kind, pl.Categorical | pl.Enum) else column
