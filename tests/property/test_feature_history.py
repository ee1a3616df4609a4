"""The rows of a history, read as of any moment, say what the definition says; and it does not matter how it is cut."""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import datetime
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.entity import key_parts
from ray_pipeline.features.history import history, look_back, offline_schema, offline_table
from ray_pipeline.features.reading import OffsetRange, Reading, Status
from ray_pipeline.features.shape import ViewShape
from tests.feature_oracle import (
    BASE,
    EVERYTHING,
    MINUTE,
    OracleEvent,
    by_entity,
    change_moments,
    event_lists,
    events_frame,
    feature_shape,
    moments,
    value_at,
    view_shape,
    worlds,
)

World = tuple[ViewShape, list[OracleEvent]]
FROM, TO = BASE - 400 * 86_400_000_000, BASE + 400 * 86_400_000_000
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def micros(value: Any) -> Any:
    """Return a moment as microseconds, anything else as it is."""
    if not isinstance(value, datetime):
        return value
    since = value - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class Rows:
    """The rows of a history, to be asked as an as-of-known join asks: by moment, then by publication."""

    def __init__(self, shape: ViewShape, rows: pl.DataFrame) -> None:
        self.shape = shape
        self.found: dict[tuple[Any, ...], list[tuple[int, int, tuple[Any, ...], tuple[OffsetRange, ...]]]] = {}
        for row in rows.iter_rows(named=True):
            values = tuple(micros(row[feature.name]) for feature in shape.features)
            offsets = tuple(OffsetRange(**one) for one in row["_offsets"])
            key = tuple(row[one.name] for one in shape.keys)
            times = (micros(row["event_timestamp"]), micros(row["created_timestamp"]))
            self.found.setdefault(key, []).append((*times, values, offsets))
        for of in self.found.values():
            of.sort(key=lambda row: row[:2])

    def at(self, entity: str, t: int) -> Reading:
        """Return what the rows answer at ``t``."""
        none = (None,) * len(self.shape.features)
        rows = [row for row in self.found.get(key_parts(entity), []) if row[1] <= t]
        place = bisect_right(rows, t, key=lambda row: row[0])
        if not place:
            return Reading(Status.NOT_FOUND, none)
        event, created, values, offsets = rows[place - 1]
        if self.shape.ttl is not None and t - event > self.shape.ttl:
            return Reading(Status.OUTSIDE_MAX_AGE, none, event, created, offsets)
        return Reading(Status.PRESENT, values, event, created, offsets)


def agree(shape: ViewShape, events: list[OracleEvent]) -> None:
    rows = Rows(shape, history(shape, events_frame(shape, events), FROM, TO))
    for entity, own in by_entity(events).items():
        for t in moments(shape, own):
            expected, found = value_at(shape, own, t), rows.at(entity, t)
            assert found == expected, (entity, t)
            assert [type(value) for value in found.values] == [type(value) for value in expected.values]


@settings(SOME, max_examples=150)
@given(worlds())
def test_a_row_read_as_of_any_moment_is_the_value_by_definition(world: World) -> None:
    agree(*world)


@settings(SOME, max_examples=15)
@given(st.data(), st.sampled_from([2, 120, 121]))
def test_every_aggregate_over_every_type_agrees_in_one_view(data: st.DataObject, minutes: int) -> None:
    features = [
        feature_shape(f"f{i}", kind, over, 2 if kind is Kind.COUNT_DISTINCT else None)
        for i, (kind, over) in enumerate(EVERYTHING)
    ]
    shape = view_shape(features, window=minutes * MINUTE)
    agree(shape, data.draw(event_lists(shape, most=12)))


@SOME
@given(worlds())
def test_there_is_one_row_for_each_change_and_no_other(world: World) -> None:
    shape, events = world
    rows = history(shape, events_frame(shape, events), FROM, TO)
    found = {(row["event_timestamp"], *(row[key.name] for key in shape.keys)) for row in rows.iter_rows(named=True)}
    if shape.window is None:
        assert rows.height == len({(event.entity, event.event, event.published) for event in events})
        return
    expected = {(t, key_parts(entity)) for entity, own in by_entity(events).items() for t in change_moments(shape, own)}
    assert {(micros(at), tuple(key)) for at, *key in found} == expected
    assert rows.height == len(expected)


@SOME
@given(worlds(), st.data())
def test_a_range_may_be_cut_anywhere_if_each_part_has_the_events_from_its_look_back_on(
    world: World, data: st.DataObject
) -> None:
    shape, events = world
    interesting = [t for own in by_entity(events).values() for t in moments(shape, own)] or [BASE]
    cuts = sorted(data.draw(st.lists(st.sampled_from(sorted(set(interesting))), min_size=2, max_size=5)))
    frame = events_frame(shape, events)

    def part(start: int, end: int) -> pl.DataFrame:
        needed = frame.filter((pl.col("event") >= start - look_back(shape)) & (pl.col("event") < end))
        return history(shape, needed, start, end)

    parts = [part(start, end) for start, end in pairwise(cuts)]
    assert_frame_equal(pl.concat(parts), history(shape, frame, cuts[0], cuts[-1]))


@SOME
@given(worlds(), st.randoms(use_true_random=False))
def test_neither_the_order_of_the_events_nor_their_chunks_matter(world: World, shuffle: random.Random) -> None:
    shape, events = world
    once = history(shape, events_frame(shape, events), FROM, TO)
    shuffle.shuffle(events)
    cut = shuffle.randint(0, len(events))
    chunks = [events_frame(shape, events[:cut]), events_frame(shape, events[cut:])]
    assert_frame_equal(history(shape, pl.concat(chunks, rechunk=False), FROM, TO), once)


@SOME
@given(worlds())
def test_the_rows_are_what_the_offline_table_takes(world: World) -> None:
    shape, events = world
    rows = history(shape, events_frame(shape, events), FROM, TO)
    table = offline_table(shape, rows)
    assert table.schema == offline_schema(shape)
    back = pl.from_arrow(table)
    assert isinstance(back, pl.DataFrame)
    assert_frame_equal(back, rows)


@pytest.mark.slow
@settings(SOME, max_examples=500)
@given(worlds(most=60))
def test_many_more_worlds_agree(world: World) -> None:
    agree(*world)
