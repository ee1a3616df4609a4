"""States of features: however events come in batches, partitions and owners, they answer as the events would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ray_pipeline.features.cells import DEFAULT_CELLS
from ray_pipeline.features.fold import fold_events
from ray_pipeline.features.history import history
from ray_pipeline.features.reading import OffsetRange, Reading, Status
from ray_pipeline.features.shape import ValueType, ViewShape
from ray_pipeline.features.state import EntityState, decode_state, encode_state, read_states
from tests.feature_oracle import (
    HOUR,
    MINUTE,
    OracleEvent,
    by_entity,
    event_lists,
    events_frame,
    moments,
    newest_shapes,
    value_at,
    window_shapes,
    worlds,
)

EVERYTHING = 10**17
"""Retained so long, nothing is evicted."""
PARTITIONS = 3
relaxed = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long and how much is kept."""

    retain_us: int = EVERYTHING
    cap: int = DEFAULT_CELLS


def fold(
    shape: ViewShape,
    events: Sequence[OracleEvent],
    cuts: Sequence[int] = (),
    keeping: Keeping = Keeping(),
    *,
    newest: int | None = None,
    coded: bool = False,
) -> dict[str, bytes]:
    """Return the states after the events of one partition, cut into batches; newest rises with them."""
    states: dict[str, EntityState] = {}
    seen = 0
    bounds = [0, *sorted(cuts), len(events)]
    for number, (start, stop) in enumerate(pairwise(bounds), 1):
        seen = max([seen, *(one.published for one in events[start:stop])])
        if number == len(bounds) - 1 and newest is not None:
            seen = newest
        batch = events_frame(shape, events[start:stop])
        fold_events(shape, states, batch, newest_us=seen, retain_us=keeping.retain_us, cap=keeping.cap)
        if coded:
            states = {entity: decode_state(shape, encode_state(shape, state)) for entity, state in states.items()}
    return {entity: encode_state(shape, state) for entity, state in states.items()}


def of_partitions(events: Sequence[OracleEvent]) -> list[list[OracleEvent]]:
    return [[one for one in events if one.partition == partition] for partition in range(PARTITIONS)]


def newest_of(events: Sequence[OracleEvent]) -> int:
    return max((one.published for one in events), default=0)


def keepings(shape: ViewShape) -> st.SearchStrategy[Keeping]:
    """Eviction from at once to never; caps from two cells to more than there are."""
    span = shape.window if shape.window is not None else HOUR
    retained = st.sampled_from([EVERYTHING, 0, 1, MINUTE, shape.lateness, span, span + shape.lateness])
    return st.builds(Keeping, retained, st.sampled_from([2, 3, 4, 6, 10, DEFAULT_CELLS]))


def exact_from(shape: ViewShape, states: Sequence[bytes]) -> int | None:
    found = [decode_state(shape, state).exact_from for state in states]
    return max((moment for moment in found if moment is not None), default=None)


def assert_says(shape: ViewShape, states: Sequence[bytes], events: Sequence[OracleEvent], asked: Sequence[int]) -> None:
    """Compare what the states of one entity say with its events, types of values included."""
    since = exact_from(shape, states)
    for moment in asked:
        found = read_states(shape, states, moment)
        if since is not None and moment < since:
            assert found == Reading(Status.INVALID, (None,) * len(shape.features))
        else:
            told = value_at(shape, events, moment)
            assert found == told
            assert [type(value) for value in found.values] == [type(value) for value in told.values]


@relaxed
@given(worlds(partitions=PARTITIONS), st.data())
def test_the_states_of_all_partitions_say_what_the_events_say(
    world: tuple[ViewShape, list[OracleEvent]], data: st.DataObject
) -> None:
    shape, events = world
    keeping = data.draw(keepings(shape))
    folded = [fold(shape, mine, keeping=keeping, newest=newest_of(events)) for mine in of_partitions(events)]
    for entity, mine in by_entity(events).items():
        states = [states[entity] for states in folded if entity in states]
        event("invalid before a moment" if exact_from(shape, states) is not None else "always exact")
        assert_says(shape, states, mine, [*moments(shape, mine), newest_of(events)])


@relaxed
@given(worlds(partitions=1), st.data())
def test_any_batches_give_the_same_bytes_and_so_does_another_owner_that_begins_again(
    world: tuple[ViewShape, list[OracleEvent]], data: st.DataObject
) -> None:
    shape, events = world
    keeping = data.draw(keepings(shape))
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=6))
    newest = newest_of(events) + data.draw(st.sampled_from([0, 1, MINUTE, HOUR, 3 * HOUR]))
    one = fold(shape, events, (), keeping, newest=newest)
    assert fold(shape, events, cuts, keeping, newest=newest) == one
    assert fold(shape, events, cuts, keeping, newest=newest, coded=True) == one
    assert fold(shape, events, range(len(events)), keeping, newest=newest) == one


@pytest.mark.slow
@settings(relaxed, max_examples=600)
@given(worlds(most=60, partitions=1), st.data())
def test_many_more_worlds_are_the_same_in_any_batches_and_say_what_the_events_say(
    world: tuple[ViewShape, list[OracleEvent]], data: st.DataObject
) -> None:
    shape, events = world
    keeping = data.draw(keepings(shape))
    cuts = data.draw(st.lists(st.integers(0, len(events)), max_size=9))
    newest = newest_of(events)
    states = fold(shape, events, (), keeping, newest=newest)
    assert fold(shape, events, cuts, keeping, newest=newest) == states
    for entity, mine in by_entity(events).items():
        assert_says(shape, [states[entity]] if entity in states else [], mine, moments(shape, mine))


@relaxed
@given(worlds(partitions=1), st.data())
def test_now_can_always_be_asked(world: tuple[ViewShape, list[OracleEvent]], data: st.DataObject) -> None:
    shape, events = world
    keeping = data.draw(keepings(shape))
    if shape.window is None:
        keeping = Keeping(keeping.retain_us)  # a cap of two events may hold none but those ahead of their publication
    newest = newest_of(events)
    states = fold(shape, events, (), keeping)
    for entity, mine in by_entity(events).items():
        if entity in states:
            assert read_states(shape, [states[entity]], newest) == value_at(shape, mine, newest)
        else:
            assert value_at(shape, mine, newest).status is Status.NOT_FOUND


@relaxed
@given(worlds(partitions=PARTITIONS), st.randoms(use_true_random=False))
def test_the_order_in_which_states_are_read_makes_no_difference(
    world: tuple[ViewShape, list[OracleEvent]], random: object
) -> None:
    shape, events = world
    folded = [fold(shape, mine) for mine in of_partitions(events)]
    for entity, mine in by_entity(events).items():
        states = [states[entity] for states in folded if entity in states]
        turned = [*states[1:], *states[:1]]
        for moment in moments(shape, mine):
            assert read_states(shape, states, moment) == read_states(shape, turned, moment)


@relaxed
@given(worlds(partitions=1), st.data())
def test_only_states_that_changed_are_named(world: tuple[ViewShape, list[OracleEvent]], data: st.DataObject) -> None:
    shape, events = world
    cut = data.draw(st.integers(0, len(events)))
    states: dict[str, EntityState] = {}
    newest = newest_of(events)
    fold_events(shape, states, events_frame(shape, events[:cut]), newest_us=newest, retain_us=HOUR)
    before = {entity: encode_state(shape, state) for entity, state in states.items()}
    changed = fold_events(shape, states, events_frame(shape, events[cut:]), newest_us=newest, retain_us=HOUR)
    after = {entity: encode_state(shape, state) for entity, state in states.items()}
    assert {entity for entity in after if after[entity] != before.get(entity)} <= changed
    assert changed <= {one.entity for one in events[cut:]}


def as_of(shape: ViewShape, rows: Sequence[dict[str, Any]], moment: int) -> Reading:
    """Join one entity's offline rows as of a moment: the last row that was known, unless it is too old."""
    known = [
        row for row in rows if row["event_timestamp"] <= _moment(moment) and row["created_timestamp"] <= _moment(moment)
    ]
    if not known:
        return Reading(Status.NOT_FOUND, (None,) * len(shape.features))
    row = max(known, key=lambda row: (row["event_timestamp"], row["created_timestamp"]))
    at, created = _micros(row["event_timestamp"]), _micros(row["created_timestamp"])
    offsets = tuple(OffsetRange(one["partition"], one["first"], one["last"]) for one in row["_offsets"])
    if shape.ttl is not None and moment - at > shape.ttl:
        return Reading(Status.OUTSIDE_MAX_AGE, (None,) * len(shape.features), at, created, offsets)
    values = tuple(
        _micros(row[one.name]) if one.type is ValueType.TIMESTAMP and row[one.name] is not None else row[one.name]
        for one in shape.features
    )
    return Reading(Status.PRESENT, values, at, created, offsets)


def _moment(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _micros(moment: datetime) -> int:
    return (moment - _moment(0)) // timedelta(microseconds=1)


@pytest.mark.parametrize("kind", [window_shapes, newest_shapes])
def test_stream_is_batch(kind: Callable[[], st.SearchStrategy[ViewShape]]) -> None:
    @settings(relaxed, max_examples=40)
    @given(st.data())
    def same(data: st.DataObject) -> None:
        shape = data.draw(kind())
        events = data.draw(event_lists(shape, most=12, partitions=PARTITIONS))
        folded = [fold(shape, mine) for mine in of_partitions(events)]
        for entity, mine in by_entity(events).items():
            states = [states[entity] for states in folded if entity in states]
            rows = history(shape, events_frame(shape, mine), -EVERYTHING, EVERYTHING).to_dicts()
            for moment in moments(shape, mine):
                assert read_states(shape, states, moment) == as_of(shape, rows, moment)

    same()
