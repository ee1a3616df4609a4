"""What a feature is worth at a moment, by the plainest reading of its definition: one event after another, no speed.

Nothing here uses the implementation but its values (shapes, readings). Sums are fractions, rounded by one division.
``value_at`` judges the events of one entity; ``shapes`` and ``event_lists`` make worlds to compare in, and
``moments`` names the instants at which something may differ.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
from hypothesis import strategies as st

from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.reading import OffsetRange, Reading, Status
from ray_pipeline.features.shape import FeatureShape, Feed, KeyShape, ValueType, ViewShape

MINUTE = 60_000_000
HOUR = 60 * MINUTE
BASE = 1_357_016_400_000_000  # 2013-01-01 05:00 UTC
FRAME_SCHEMA = {
    "entity": pl.String(),
    "event": pl.Int64(),
    "published": pl.Int64(),
    "partition": pl.Int32(),
    "offset": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class OracleEvent:
    """One event of a view, as the frame of ``event_rows`` has it."""

    entity: str
    event: int
    published: int
    partition: int
    offset: int
    values: tuple[Any, ...]
    """One for each feature; what a count without ``over`` has here does not matter."""

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Which of two events is the newer one."""
        return (self.event, self.published, self.partition, self.offset)


# --- what it is worth ---------------------------------------------------------------------------------------------


def value_at(shape: ViewShape, events: Sequence[OracleEvent], t: int) -> Reading:
    """Return what the view answers at ``t``, from the events of one entity.

    Raises ``OverflowError`` where a sum of integers is beyond 64 bits, or one of floats beyond the largest.
    """
    assert len({event.entity for event in events}) <= 1
    return _newest_at(shape, events, t) if shape.window is None else _window_at(shape, events, t)


def change_moments(shape: ViewShape, events: Iterable[OracleEvent]) -> list[int]:
    """Return every moment at which one of the events begins or ceases to count."""
    if shape.window is None:
        return sorted({moment for event in events for moment in (event.event, event.published)})
    lives = [_life(shape, event) for event in events]
    return sorted({moment for first, through in lives if first <= through for moment in (first, through + 1)})


def moments(shape: ViewShape, events: Sequence[OracleEvent]) -> list[int]:
    """Return the moments worth asking at: every change, a microsecond before and after it, and where a ttl ends."""
    changes = change_moments(shape, events)
    if shape.ttl is not None:
        changes = changes + [change + shape.ttl for change in changes]
    return sorted({change + step for change in changes for step in (-1, 0, 1)}) or [BASE]


def by_entity(events: Iterable[OracleEvent]) -> dict[str, list[OracleEvent]]:
    """Return the events of each entity."""
    found: dict[str, list[OracleEvent]] = defaultdict(list)
    for event in events:
        found[event.entity].append(event)
    return dict(found)


def _life(shape: ViewShape, event: OracleEvent) -> tuple[int, int]:
    """Return the first and the last moment at which the event counts."""
    assert shape.window is not None
    hops, rest = divmod(event.event, shape.hop)
    end = (hops + (rest > 0)) * shape.hop
    return max(end, event.published), end - shape.hop + shape.window


def _window_at(shape: ViewShape, events: Sequence[OracleEvent], t: int) -> Reading:
    lives = [(event, *_life(shape, event)) for event in events]
    lives = [(event, first, through) for event, first, through in lives if first <= through]
    changes = [moment for _, first, through in lives for moment in (first, through + 1) if moment <= t]
    if not changes:
        return Reading(Status.NOT_FOUND, (None,) * len(shape.features))
    change = max(changes)
    counting = sorted((event for event, first, through in lives if first <= t <= through), key=lambda e: e.order)
    stopped = [event for event, _, through in lives if through + 1 == change]
    created = max(event.published for event in (*counting, *stopped))
    offsets = _offsets(counting)
    if _is_old(shape, change, t):
        return Reading(Status.OUTSIDE_MAX_AGE, (None,) * len(shape.features), change, created, offsets)
    values = tuple(_aggregate(one, i, counting) for i, one in enumerate(shape.features))
    return Reading(Status.PRESENT, values, change, created, offsets)


def _newest_at(shape: ViewShape, events: Sequence[OracleEvent], t: int) -> Reading:
    known = [event for event in events if event.event <= t and event.published <= t]
    if not known:
        return Reading(Status.NOT_FOUND, (None,) * len(shape.features))
    newest = max(known, key=lambda event: event.order)
    offsets = (OffsetRange(newest.partition, newest.offset, newest.offset),)
    old = _is_old(shape, newest.event, t)
    values = tuple(None if old else _plain(value) for value in newest.values)
    return Reading(Status.OUTSIDE_MAX_AGE if old else Status.PRESENT, values, newest.event, newest.published, offsets)


def _is_old(shape: ViewShape, since: int, t: int) -> bool:
    return shape.ttl is not None and t - since > shape.ttl


def _offsets(events: Iterable[OracleEvent]) -> tuple[OffsetRange, ...]:
    found: dict[int, list[int]] = defaultdict(list)
    for event in events:
        found[event.partition].append(event.offset)
    return tuple(OffsetRange(partition, min(found[partition]), max(found[partition])) for partition in sorted(found))


def _aggregate(feature: FeatureShape, i: int, counting: Sequence[OracleEvent]) -> Any:
    """Return the aggregate over events that count, which come in their order."""
    if feature.kind is Kind.COUNT and not feature.value_type:
        return len(counting)
    found = [event.values[i] for event in counting if event.values[i] is not None]
    if feature.kind is Kind.COUNT:
        return len(found)
    if feature.kind is Kind.COUNT_DISTINCT:
        assert feature.cap is not None
        return min(len(set(found)), feature.cap)
    if not found:
        return None
    match feature.kind:
        case Kind.SUM:
            return _sum(feature, found)
        case Kind.MEAN | Kind.SHARE:
            return float(sum(map(Fraction, found), Fraction(0)) / len(found))
        case Kind.MIN:
            return _plain(min(found))
        case Kind.MAX:
            return _plain(max(found))
        case Kind.LAST:
            return _plain(found[-1])
    raise AssertionError(feature.kind)


def _sum(feature: FeatureShape, found: list[Any]) -> int | float:
    total = sum(map(Fraction, found), Fraction(0))
    if feature.type is ValueType.FLOAT64:
        return float(total)
    if not -(2**63) <= total < 2**63:
        raise OverflowError("beyond 64 bits")
    return int(total)


def _plain(value: Any) -> Any:
    """Return a value as a feature has it: decimals as floats, and one zero."""
    if isinstance(value, Decimal):
        return float(Fraction(value))
    return value + 0.0 if isinstance(value, float) else value


# --- as polars has it ---------------------------------------------------------------------------------------------


def value_dtype(value_type: str) -> pl.DataType:
    """Return the type of the column of a feature's values in the frame of events."""
    if value_type.startswith("decimal:"):
        return pl.Decimal(38, int(value_type.removeprefix("decimal:")))
    return {
        "int": pl.Int64(),
        "float": pl.Float64(),
        "bool": pl.Boolean(),
        "string": pl.String(),
        "timestamp": pl.Int64(),
    }[value_type]


def events_frame(shape: ViewShape, events: Sequence[OracleEvent]) -> pl.DataFrame:
    """Return the events as ``event_rows`` would, in the order in which they are given."""
    columns = {name: [getattr(event, name) for event in events] for name in FRAME_SCHEMA}
    made = [pl.Series(name, columns[name], dtype=dtype) for name, dtype in FRAME_SCHEMA.items()]
    for i, feature in enumerate(shape.features):
        if feature.value_type:
            found = [event.values[i] for event in events]
            found = [value + 0.0 if isinstance(value, float) else value for value in found]
            made.append(pl.Series(f"v{i}", found, dtype=value_dtype(feature.value_type)))
    return pl.DataFrame(made)


# --- worlds -------------------------------------------------------------------------------------------------------

NUMBERS = ("int", "decimal:2", "float")
VALUE_TYPES = (*NUMBERS, "bool", "string", "timestamp")
OWN_TYPES = {
    "int": ValueType.INT64,
    "decimal:2": ValueType.FLOAT64,
    "float": ValueType.FLOAT64,
    "bool": ValueType.BOOL,
    "string": ValueType.STRING,
    "timestamp": ValueType.TIMESTAMP,
}
"""The type of a feature that is one of its values."""
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-3, 3) | st.sampled_from([2**53 + 1, -(2**53) - 1, 2**57, -(2**57), 10**15]),
    "decimal:2": st.integers(-300, 300).map(lambda n: Decimal(n).scaleb(-2))
    | st.sampled_from([Decimal("0.1"), Decimal("99999999999999999999999.99"), Decimal("-90071992547409.93")]),
    "float": st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3, -0.1, 1.0, 1e16, 39.02, 30.2])
    | st.sampled_from([1e300, -1e300, 5e-324, -5e-324, 2.2250738585072014e-308])
    | st.floats(-1e300, 1e300),
    "bool": st.booleans(),
    "string": st.sampled_from(["", "a", "b", "é", "N/A", "a'b"]),
    "timestamp": st.integers(-2, 2).map(lambda n: BASE + n) | st.sampled_from([0, -1, BASE + 86_400_000_000]),
}
KINDS: dict[Kind, tuple[str, ...]] = {
    Kind.COUNT: ("", *VALUE_TYPES),
    Kind.SUM: NUMBERS,
    Kind.MEAN: NUMBERS,
    Kind.MIN: (*NUMBERS, "timestamp"),
    Kind.MAX: (*NUMBERS, "timestamp"),
    Kind.SHARE: ("bool",),
    Kind.LAST: VALUE_TYPES,
    Kind.COUNT_DISTINCT: VALUE_TYPES,
}
"""What each aggregate may be over."""
EVERYTHING = tuple((kind, value_type) for kind, over in KINDS.items() for value_type in over)
ENTITIES: dict[tuple[ValueType, ...], tuple[tuple[Any, ...], ...]] = {
    (ValueType.STRING,): (("EWR",), ("JFK",), ('Zürich "1"',)),
    (ValueType.INT64,): ((1,), (-(2**40),), (7,)),
    (ValueType.STRING, ValueType.BOOL): (("a", True), ("a", False), ("", True)),
}
"""The entities of a world, by the types of their keys."""


def feature_shape(name: str, kind: Kind, value_type: str, cap: int | None = None) -> FeatureShape:
    """Return an aggregate's shape, with the type that it must have."""
    if kind in (Kind.COUNT, Kind.COUNT_DISTINCT):
        type_ = ValueType.INT64
    elif kind in (Kind.MEAN, Kind.SHARE):
        type_ = ValueType.FLOAT64
    else:
        type_ = OWN_TYPES[value_type]
    return FeatureShape(name, type_, kind, value_type, cap)


def view_shape(
    features: Sequence[FeatureShape],
    *,
    window: int | None,
    ttl: int | None = None,
    lateness: int = HOUR,
    key_types: Sequence[ValueType] = (ValueType.STRING,),
) -> ViewShape:
    """Return a view of these features; its keys are named k0, k1 …"""
    hop = 1 if window is None else max(MINUTE, window // 120)
    keys = tuple(KeyShape(f"k{i}", type_) for i, type_ in enumerate(key_types))
    return ViewShape("view", "d" * 64, "data", keys, tuple(features), window, hop, ttl, lateness, Feed.STREAM)


@st.composite
def window_shapes(draw: st.DrawFn, *, most_features: int = 5) -> ViewShape:
    """Make views with a window: every aggregate over every type of value, with and without a ttl."""
    made = draw(st.lists(st.sampled_from(EVERYTHING), min_size=1, max_size=most_features))
    caps = st.sampled_from([1, 2, 3, 100])
    features = [
        feature_shape(f"f{i}", kind, over, draw(caps) if kind is Kind.COUNT_DISTINCT else None)
        for i, (kind, over) in enumerate(made)
    ]
    window = draw(st.sampled_from([1, 2, 3, 10, 120, 121, 240, 1440, 7 * 1440])) * MINUTE
    ttl = draw(st.sampled_from([None, window + 1, window + HOUR, 3 * window]))
    lateness = draw(st.sampled_from([0, MINUTE, HOUR, 2 * window]))
    key_types = draw(st.sampled_from(sorted(ENTITIES)))
    return view_shape(features, window=window, ttl=ttl, lateness=lateness, key_types=key_types)


@st.composite
def newest_shapes(draw: st.DrawFn, *, most_features: int = 5) -> ViewShape:
    """Make views of the newest event."""
    made = draw(st.lists(st.sampled_from(VALUE_TYPES), min_size=1, max_size=most_features))
    features = [FeatureShape(f"f{i}", OWN_TYPES[over], None, over) for i, over in enumerate(made)]
    ttl = draw(st.sampled_from([None, 1, MINUTE, 6 * HOUR]))
    lateness = draw(st.sampled_from([0, MINUTE, HOUR]))
    key_types = draw(st.sampled_from(sorted(ENTITIES)))
    return view_shape(features, window=None, ttl=ttl, lateness=lateness, key_types=key_types)


def shapes(*, most_features: int = 5) -> st.SearchStrategy[ViewShape]:
    """Make views of both sorts."""
    return window_shapes(most_features=most_features) | newest_shapes(most_features=most_features)


@st.composite
def event_lists(draw: st.DrawFn, shape: ViewShape, *, most: int = 25, partitions: int = 3) -> list[OracleEvent]:
    """Make events of a few entities: ties, lateness, publication before the event, several partitions.

    Each is within the view's lateness; offsets grow in the order of the list, times need not.
    """
    span = shape.window if shape.window is not None else HOUR
    names = [
        json.dumps(list(parts), separators=(",", ":"), ensure_ascii=False)
        for parts in ENTITIES[tuple(key.type for key in shape.keys)]
    ]
    hops = st.builds(lambda n, step: n * max(shape.hop, span // 8) + step, st.integers(-2, 20), st.integers(-1, 1))
    times = st.sampled_from([0, 1, shape.hop, span]) | hops | st.integers(0, 3 * span)
    late = sorted({delay for delay in (0, 1, shape.hop, span, MINUTE, shape.lateness) if delay <= shape.lateness})
    delays = st.sampled_from(late + [-delay for delay in late]) | st.integers(-shape.lateness, shape.lateness)
    values = [VALUES[one.value_type] if one.value_type else st.none() for one in shape.features]
    ends = [0] * partitions
    events = []
    for _ in range(draw(st.integers(0, most))):
        partition = draw(st.integers(0, partitions - 1))
        event = BASE + draw(times)
        events.append(
            OracleEvent(
                entity=draw(st.sampled_from(names)),
                event=event,
                published=event + draw(delays),
                partition=partition,
                offset=ends[partition],
                values=tuple(draw(st.none() | one) for one in values),
            )
        )
        ends[partition] += draw(st.integers(1, 3))
    return events


@st.composite
def worlds(draw: st.DrawFn, *, most: int = 25, partitions: int = 3) -> tuple[ViewShape, list[OracleEvent]]:
    """Make a view and events of it."""
    shape = draw(shapes())
    return shape, draw(event_lists(shape, most=most, partitions=partitions))
