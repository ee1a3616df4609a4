"""A view's events: rows that landed, as the few columns that every computation of the view begins with.

What is no event of the view is left out (``where``); what cannot be one is set aside and counted by its reason. An
expression is asked row by row: one that raises, or that does not give one value for each row, ends the computation.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.entity import entity_key
from ray_pipeline.features.row_values import Rows, evaluated, microseconds
from ray_pipeline.features.shape import ValueType, ViewShape

NO_KEY = "no key"
NO_EVENT_TIME = "no event time"
NO_PUBLICATION_TIME = "no publication time"
TOO_LATE = "too late"
AHEAD = "ahead"
REASONS = (NO_KEY, NO_EVENT_TIME, NO_PUBLICATION_TIME, TOO_LATE, AHEAD)
"""Why a row is set aside; where several hold, the first of them is counted."""

ORDER = ("event", "published", "partition", "offset")
"""Which of two events is the newer one, and the order of the rows."""
OURS = ("_partition", "_offset", "_timestamp")

_KEY_KINDS = {
    ValueType.INT64: "int",
    ValueType.FLOAT64: "float",
    ValueType.STRING: "string",
    ValueType.BOOL: "bool",
    ValueType.TIMESTAMP: "timestamp",
}


@dataclass(frozen=True, slots=True)
class EventRows:
    """The events of a view, and what was set aside."""

    frame: pl.DataFrame
    """``entity`` as text, ``event`` and ``published`` in microseconds, ``partition``, ``offset``, then ``v{i}`` for
    feature number i, unless it counts events."""
    skipped: dict[str, int]
    """Rows set aside by reason; reasons of no row are left out."""


def event_rows(view: CompiledView, table: pa.Table) -> EventRows:
    """Return the view's events among rows as they landed, from the oldest to the newest.

    The table needs the view's columns, the event time and ours. Raises ``FeatureComputeError`` where an expression
    raises, gives another number of values than rows, a type that its feature does not have or a number that is not
    finite; it names the row, where one is to blame, and never a value.
    """
    rows = Rows(view.name, _landed(view, table))
    if view.where is not None:
        keep = evaluated(rows, "where", view.where, "bool")
        rows = Rows(view.name, rows.frame.filter(keep))
    keys = pl.DataFrame(
        [
            evaluated(rows, f"key {key.name}", expression, _KEY_KINDS[key.type]).alias(key.name)
            for key, expression in zip(view.shape.keys, view.keys, strict=True)
        ]
    )
    times = _times(view, rows.frame)
    reasons = _reasons(view.shape, keys, times)
    skipped = {}
    if reasons.null_count() < len(reasons):
        taken = reasons.is_null()
        skipped = {reason: n for reason in REASONS if (n := int((reasons == reason).sum()))}
        rows, keys, times = Rows(view.name, rows.frame.filter(taken)), keys.filter(taken), times.filter(taken)
    columns = [_entities(view.shape, keys), *times.get_columns()]
    columns += [
        rows.frame["_partition"].cast(pl.Int32).alias("partition"),
        rows.frame["_offset"].cast(pl.Int64).alias("offset"),
    ]
    columns += [
        evaluated(rows, feature.name, expression, feature.value_type).alias(f"v{i}")
        for i, (feature, expression) in enumerate(zip(view.shape.features, view.values, strict=True))
        if expression is not None
    ]
    return EventRows(pl.DataFrame(columns).sort(ORDER), skipped)


def _landed(view: CompiledView, table: pa.Table) -> pl.DataFrame:
    names = list(dict.fromkeys((*view.columns, view.event_time, *OURS)))
    absent = [name for name in names if name not in table.column_names]
    if absent:
        raise FeatureComputeError(view.name, "", f"the rows have no column {absent[0]}")
    table = table.select(names)
    for i, name in enumerate(names):
        of = view.schema.get_field_index(name)
        if of < 0 or view.schema.field(of).type == table.schema.field(i).type:
            continue
        kind = view.schema.field(of).type
        try:
            table = table.set_column(i, pa.field(name, kind), table.column(i).cast(kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            found = table.schema.field(i).type
            raise FeatureComputeError(view.name, "", f"column {name} is {found}, not {kind}") from None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _times(view: CompiledView, frame: pl.DataFrame) -> pl.DataFrame:
    """Return event time and publication in whole microseconds."""
    found = {}
    for name, column in (("event", view.event_time), ("published", "_timestamp")):
        dtype = frame.schema[column]
        if not isinstance(dtype, pl.Datetime | pl.Date):
            raise FeatureComputeError(view.name, "", f"column {column} is no time")
        found[name] = microseconds(frame[column])
    return pl.DataFrame(found)


def _reasons(shape: ViewShape, keys: pl.DataFrame, times: pl.DataFrame) -> pl.Series:
    """Return for each row why it is set aside, null where it is not."""
    late = pl.col("published") - pl.col("event")
    reason = (
        pl.when("_no_key").then(pl.lit(NO_KEY))
        .when(pl.col("event").is_null()).then(pl.lit(NO_EVENT_TIME))
        .when(pl.col("published").is_null()).then(pl.lit(NO_PUBLICATION_TIME))
        .when(late > shape.lateness).then(pl.lit(TOO_LATE))
        .when(late < -shape.lateness).then(pl.lit(AHEAD))
    )  # fmt: skip
    no_key = keys.select(pl.any_horizontal(pl.all().is_null())).to_series()
    return times.with_columns(_no_key=no_key).select(reason.alias("reason")).to_series()


def _entities(shape: ViewShape, keys: pl.DataFrame) -> pl.Series:
    """Return each row's entity as text; only different ones are written out."""
    different = keys.unique()
    name = "_".join(("entity", *keys.columns))  # no key has this name: it is longer than any
    texts = pl.Series(name, [entity_key(shape.keys, row) for row in different.iter_rows(named=True)], pl.String)
    named = keys.join(different.with_columns(texts), on=keys.columns, how="left", maintain_order="left")
    return named[name].alias("entity")
