"""How states stay small: eviction, cells that become one, and what can still be asked then."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from ray_pipeline.features.cells import DEFAULT_CELLS
from ray_pipeline.features.fold import fold_events
from ray_pipeline.features.reading import OffsetRange, Reading, Status
from ray_pipeline.features.state import EntityState, decode_state, encode_state, read_states
from tests.feature_oracle import BASE, HOUR, MINUTE, events_frame, value_at
from tests.unit.features_state.worlds import COUNTED, ENTITY, FOREVER, NEWEST, folded, happened

NONE = (None,)


def test_events_that_left_the_window_and_its_lateness_are_evicted() -> None:
    state = folded(COUNTED, [happened(0), happened(60)], newest=BASE + 210 * MINUTE, retain=HOUR)
    gone = BASE - MINUTE + 2 * HOUR + 1
    assert list(state.cells) == [(BASE + HOUR, BASE + HOUR)]
    assert (state.exact_from, state.evicted, state.evicted_published) == (gone, gone, BASE)


def test_what_is_evicted_is_still_known_to_have_been_there() -> None:
    state = folded(COUNTED, [happened(0)], newest=BASE + 9 * HOUR, retain=HOUR)
    assert not state.cells
    data = encode_state(COUNTED, state)
    gone = BASE - MINUTE + 2 * HOUR + 1
    assert read_states(COUNTED, [data], BASE + 9 * HOUR) == Reading(Status.PRESENT, (0,), gone, BASE, ())
    assert read_states(COUNTED, [data], gone - 1) == Reading(Status.INVALID, NONE)


def test_an_idle_entity_is_evicted_when_others_go_on() -> None:
    states: dict[str, EntityState] = {}
    state = folded(COUNTED, [happened(0)], states=states)
    nothing = events_frame(COUNTED, [])
    assert fold_events(COUNTED, states, nothing, newest_us=BASE + 9 * HOUR, retain_us=HOUR) == set()
    assert not state.cells


def test_an_event_that_comes_after_its_eviction_changes_only_what_was_known_to_go() -> None:
    states: dict[str, EntityState] = {}
    state = folded(COUNTED, [happened(0)], states=states, newest=BASE + 9 * HOUR, retain=HOUR)
    late = [happened(0, late=7, offset=1), happened(30, late=5, offset=2)]
    changed = fold_events(COUNTED, states, events_frame(COUNTED, late), newest_us=BASE + 9 * HOUR, retain_us=HOUR)
    assert changed == {ENTITY}
    assert (state.evicted, state.evicted_published) == (BASE + 29 * MINUTE + 2 * HOUR + 1, late[1].published)
    assert not fold_events(COUNTED, states, events_frame(COUNTED, late), newest_us=BASE + 9 * HOUR, retain_us=HOUR)


@pytest.mark.parametrize("retain", [FOREVER, 0])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("batches", [1, 3])
def test_the_moment_when_a_hop_went_away_rests_on_its_newest_publication(
    retain: int, order: tuple[int, ...], batches: int
) -> None:
    hop = [happened(0, late=5), happened(-0.5, late=7 * MINUTE), happened(-0.25, late=2 * MINUTE)]
    events = [replace(hop[i], offset=offset) for offset, i in enumerate(order)]
    now = BASE - MINUTE + 2 * HOUR + 1
    states: dict[str, EntityState] = {}
    for number in range(batches):
        folded(COUNTED, events[number::batches], newest=now, retain=retain, states=states)
    found = read_states(COUNTED, [encode_state(COUNTED, states[ENTITY])], now)
    assert found == Reading(Status.PRESENT, (0,), now, hop[1].published, ())
    assert found == value_at(COUNTED, events, now)


def test_an_event_that_never_counts_leaves_no_state() -> None:
    states: dict[str, EntityState] = {}
    never = [happened(0, late=2 * HOUR)]
    assert not fold_events(COUNTED, states, events_frame(COUNTED, never), newest_us=BASE, retain_us=FOREVER)
    assert not states


@pytest.mark.parametrize("cap", [2, 10, 64, DEFAULT_CELLS])
def test_however_many_events_come_late_a_state_has_no_more_cells_than_its_cap(cap: int) -> None:
    generator = random.Random(7)
    lates = sorted(generator.sample(range(MINUTE, HOUR), 3000))
    events = [happened(generator.randrange(60), late=late, offset=i) for i, late in enumerate(lates)]
    state = folded(COUNTED, events, cap=cap)
    hops_of_the_window = (2 * HOUR + HOUR) // MINUTE + 2
    assert len(state.cells) <= max(cap, cap // 2 + hops_of_the_window)
    assert state.exact_from is not None
    now = max(event.published for event in events)
    assert state.exact_from <= now
    data = encode_state(COUNTED, state)
    assert decode_state(COUNTED, data) == state
    for moment in (state.exact_from, now, now + MINUTE, now + HOUR, now + 3 * HOUR):
        assert read_states(COUNTED, [data], moment) == value_at(COUNTED, events, moment)
    assert read_states(COUNTED, [data], state.exact_from - 1).status is Status.INVALID


def test_more_hops_than_the_cap_are_evicted_from_the_oldest_on() -> None:
    events = [happened(minute, offset=minute) for minute in range(1000)]
    state = folded(COUNTED, events, cap=8)
    assert len(state.cells) <= (2 * HOUR + HOUR) // MINUTE + 2
    now = events[-1].published
    assert state.exact_from is not None
    assert state.exact_from < now
    assert read_states(COUNTED, [encode_state(COUNTED, state)], now) == value_at(COUNTED, events, now)


def test_of_the_newest_event_no_more_is_kept_than_somebody_may_ask_for() -> None:
    events = [happened(minute, minute, offset=minute) for minute in range(100)]
    state = folded(NEWEST, events, retain=10 * MINUTE)
    assert len(state.cells) == 11
    assert state.exact_from == events[89].published
    assert folded(NEWEST, events, cap=3).exact_from == events[97].published
    alone = folded(NEWEST, events[:1], newest=BASE + 9 * HOUR, retain=0)
    data = encode_state(NEWEST, alone)
    offsets = (OffsetRange(0, 0, 0),)
    assert read_states(NEWEST, [data], BASE + 9 * HOUR) == Reading(Status.OUTSIDE_MAX_AGE, NONE, BASE, BASE, offsets)


def test_events_of_two_partitions_are_not_one_state() -> None:
    both = events_frame(COUNTED, [happened(0), happened(0, partition=1)])
    with pytest.raises(ValueError, match="of one partition"):
        fold_events(COUNTED, {}, both, newest_us=BASE, retain_us=FOREVER)
    states: dict[str, EntityState] = {}
    folded(COUNTED, [happened(0)], states=states)
    with pytest.raises(ValueError, match="of one partition"):
        folded(COUNTED, [happened(0, partition=1)], states=states)


def test_nothing_is_known_of_an_entity_without_a_state() -> None:
    assert read_states(COUNTED, [], BASE) == Reading(Status.NOT_FOUND, NONE)
    assert read_states(NEWEST, [], BASE) == Reading(Status.NOT_FOUND, NONE)
