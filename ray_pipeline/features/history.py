"""What a view was worth, moment by moment: the rows of its offline table, from its events.

A view with a window has one row of an entity for each moment at which an event begins or ceases to count; a view of
the newest event one for each moment of an event and its publication. A row depends on nothing but the events, so a
range of time may be cut anywhere. Rows come in the order of time, then of entities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from ray_pipeline.features import spans
from ray_pipeline.features.entity import key_parts
from ray_pipeline.features.events import ORDER
from ray_pipeline.features.history_offsets import offset_lists, own_offsets
from ray_pipeline.features.history_values import as_feature, window_values
from ray_pipeline.features.shape import ValueType, ViewShape
from ray_pipeline.features.spans import Array

EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMP = "created_timestamp"
OFFSETS = "_offsets"
MOMENT = pl.Datetime("us", "UTC")

_ARROW = {
    ValueType.INT64: pa.int64(),
    ValueType.FLOAT64: pa.float64(),
    ValueType.STRING: pa.string(),
    ValueType.BOOL: pa.bool_(),
    ValueType.TIMESTAMP: pa.timestamp("us", "UTC"),
}
_POLARS: dict[ValueType, pl.DataType] = {
    ValueType.INT64: pl.Int64(),
    ValueType.FLOAT64: pl.Float64(),
    ValueType.STRING: pl.String(),
    ValueType.BOOL: pl.Boolean(),
    ValueType.TIMESTAMP: MOMENT,
}
_NARROW = 1 << 62


def look_back(shape: ViewShape) -> int:
    """Return how far before ``start`` events must reach, by event time, for :func:`history` from ``start`` on.

    However late an event is published, it counts only as long as the window holds its own time. Chosen by publication,
    events must reach back by the view's lateness more, because one may be published before it happens; and those of
    a view of the newest event forward as well.
    """
    return shape.window or 0


def offline_schema(shape: ViewShape) -> pa.Schema:
    """Return the columns of the offline table: keys, features, the two times, and the offsets behind the row."""
    offsets = pa.list_(pa.struct([("partition", pa.int32()), ("first", pa.int64()), ("last", pa.int64())]))
    times = [(EVENT_TIMESTAMP, pa.timestamp("us", "UTC")), (CREATED_TIMESTAMP, pa.timestamp("us", "UTC"))]
    keys = [(key.name, _ARROW[key.type]) for key in shape.keys]
    features = [(feature.name, _ARROW[feature.type]) for feature in shape.features]
    return pa.schema([*keys, *features, *times, (OFFSETS, offsets)])


def offline_table(shape: ViewShape, rows: pl.DataFrame) -> pa.Table:
    """Return the rows of :func:`history` as the offline table has them."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(offline_schema(shape))


def history(shape: ViewShape, events: pl.DataFrame, start_us: int, end_us: int) -> pl.DataFrame:
    """Return the rows with ``start_us <= event_timestamp < end_us``, whatever the order of the events.

    The events must hold all those from :func:`look_back` before ``start_us`` up to ``end_us``, by event time; more do
    no harm. Raises ``FeatureComputeError`` where a sum is beyond what its type can hold.
    """
    if shape.window is None:
        return _newest_history(shape, events, start_us, end_us)
    return _window_history(shape, events, start_us, end_us, shape.window)


# --- views with a window ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Places:
    """The rows of all entities in one line, by entity and moment, and where in it each event counts."""

    entity: Array
    moment: Array
    begin: Array
    end: Array
    through: Array
    """As ``end``, but with the row at which the event ceased to count."""

    def __len__(self) -> int:
        return len(self.moment)


def _window_history(shape: ViewShape, events: pl.DataFrame, start: int, end: int, window: int) -> pl.DataFrame:
    events, names = _counting(shape, events, start, end, window)
    entity, first, stop = (events[name].to_numpy() for name in ("_entity", "_first", "_stop"))
    places = _places(entity, first, stop, start, end)
    published = events["published"].to_numpy()
    earliest = int(published.min()) if len(published) else 0
    created = spans.greatest(len(places), places.begin, places.through, published - earliest) + earliest
    columns = _key_columns(shape, names, places.entity)
    columns += window_values(shape, events, len(places), places.begin, places.end)
    columns += [
        pl.Series(EVENT_TIMESTAMP, places.moment).cast(MOMENT),
        pl.Series(CREATED_TIMESTAMP, created).cast(MOMENT),
        offset_lists(OFFSETS, events, len(places), places.begin, places.end),
    ]
    return pl.DataFrame(columns)[np.lexsort((places.entity, places.moment))]


def _counting(
    shape: ViewShape, events: pl.DataFrame, start: int, end: int, window: int
) -> tuple[pl.DataFrame, pl.Series]:
    """Return the events that change a row of the range or are in one, and the entities, in their order.

    Beside an event stand its entity's number and when it begins and ceases to count. Events come by entity, then by
    age: what lies together in time lies together in memory.
    """
    hop_end = -(-pl.col("event") // shape.hop) * shape.hop
    events = events.with_columns(
        _first=pl.max_horizontal(hop_end, "published"), _stop=hop_end - shape.hop + window + 1
    ).filter((pl.col("_first") < pl.col("_stop")) & (pl.col("_stop") >= start) & (pl.col("_first") < end))
    names, numbers = _entities(events)
    return events.with_columns(numbers.alias("_entity")).sort("_entity", *ORDER), names


def _entities(events: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return the entities in their order, and the number of each event's one."""
    names = events["entity"].unique().sort()
    return names, events["entity"].cast(pl.Enum(names)).to_physical().cast(pl.Int64)


def _places(entity: Array, first: Array, stop: Array, start: int, end: int) -> _Places:
    starts, stops = first >= start, stop < end
    moments = np.concatenate((first[starts], stop[stops]))
    if not len(moments):
        none = np.zeros(0, np.int64)
        return _Places(none, none, *(np.zeros(len(first), np.int64),) * 3)
    low, width = int(moments.min()), int(moments.max()) - int(moments.min()) + 2
    scale = None
    if (int(entity.max()) + 1) * width >= _NARROW:  # far apart: their ranks instead of the moments themselves
        scale = spans.places_of(moments)
        low, width = 0, len(scale) + 1

    def key(number: Array, moment: Array) -> Array:
        place = moment if scale is None else np.searchsorted(scale, moment)
        return number * width + np.clip(place - low, 0, width - 1)

    keys = spans.places_of(key(entity[starts], first[starts]), key(entity[stops], stop[stops]))
    begin, until = np.searchsorted(keys, key(entity, first)), np.searchsorted(keys, key(entity, stop))
    number, place = np.divmod(keys, width)
    moment = place + low if scale is None else scale[place]
    return _Places(number, moment, begin, until, until + stops)


# --- views of the newest event ------------------------------------------------------------------------------------


def _newest_history(shape: ViewShape, events: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    events = (
        events.filter((pl.col("event") >= start) & (pl.col("event") < end))
        .sort(ORDER)
        .unique(("entity", "event", "published"), keep="last", maintain_order=True)
        .sort("event", "entity", "published")
    )
    names, entity = _entities(events)
    features = [as_feature(one, events[f"v{i}"]).alias(one.name) for i, one in enumerate(shape.features)]
    return pl.DataFrame(
        [
            *_key_columns(shape, names, entity.to_numpy()),
            *features,
            events["event"].cast(MOMENT).alias(EVENT_TIMESTAMP),
            events["published"].cast(MOMENT).alias(CREATED_TIMESTAMP),
            own_offsets(OFFSETS, events),
        ]
    )


def _key_columns(shape: ViewShape, names: pl.Series, entity: Array) -> list[pl.Series]:
    parts = [key_parts(name) for name in names.to_list()]
    return [
        pl.Series(key.name, [part[i] for part in parts], dtype=_POLARS[key.type], strict=False)[entity]
        for i, key in enumerate(shape.keys)
    ]
