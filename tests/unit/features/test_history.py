"""Histories by example: what a reader of the documentation would expect to see."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features import history as module
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.history import history, look_back, offline_schema, offline_table
from ray_pipeline.features.shape import FeatureShape, ValueType, ViewShape
from tests.feature_oracle import HOUR, MINUTE, OracleEvent, events_frame, feature_shape, view_shape

NOON = 1_357_041_600_000_000  # 2013-01-01 12:00 UTC
SECOND = 1_000_000
EVERYTHING = (0, 2**52)


def window_view(*features: FeatureShape, minutes: int = 10, **more: Any) -> ViewShape:
    return view_shape(features or [feature_shape("n", Kind.COUNT, "")], window=minutes * MINUTE, **more)


def event(at: int, *values: Any, late: int = 0, partition: int = 0, offset: int = 0, of: str = "EWR") -> OracleEvent:
    return OracleEvent(f'["{of}"]', NOON + at, NOON + at + late, partition, offset, values or (None,))


def rows_of(shape: ViewShape, *events: OracleEvent) -> pl.DataFrame:
    return history(shape, events_frame(shape, events), *EVERYTHING)


def at(minutes: int, micros: int = 0) -> datetime:
    return datetime(2013, 1, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes, microseconds=micros)


def test_an_event_counts_from_the_end_of_its_hop_until_the_hop_begins_to_leave_the_window() -> None:
    rows = rows_of(window_view(), event(30 * SECOND))
    assert rows.columns == ["k0", "n", "event_timestamp", "created_timestamp", "_offsets"]
    assert rows["event_timestamp"].to_list() == [at(1), at(10, 1)]
    assert rows["n"].to_list() == [1, 0]
    assert rows["created_timestamp"].to_list() == [at(0, 30 * SECOND)] * 2
    assert rows["_offsets"].to_list() == [[{"partition": 0, "first": 0, "last": 0}], []]


def test_a_late_event_counts_from_its_publication_and_no_longer_than_if_it_were_not() -> None:
    rows = rows_of(window_view(), event(30 * SECOND, late=5 * MINUTE))
    assert rows["event_timestamp"].to_list() == [at(5, 30 * SECOND), at(10, 1)]


def test_an_event_published_after_its_window_never_counts() -> None:
    assert rows_of(window_view(), event(30 * SECOND, late=10 * MINUTE)).is_empty()


def test_a_row_stands_at_each_change_even_where_no_value_changes() -> None:
    rows = rows_of(window_view(feature_shape("most", Kind.MAX, "int")), event(0, 5), event(MINUTE, 3, offset=1))
    assert rows["event_timestamp"].to_list() == [at(0), at(1), at(9, 1), at(10, 1)]
    assert rows["most"].to_list() == [5, 5, 3, None]


def test_an_empty_window_counts_nothing_and_knows_nothing_else() -> None:
    features = [feature_shape(kind.value, kind, over) for kind, over in (
        (Kind.COUNT, "int"), (Kind.SUM, "int"), (Kind.MEAN, "float"), (Kind.MIN, "timestamp"), (Kind.MAX, "decimal:2"),
        (Kind.SHARE, "bool"), (Kind.LAST, "string"),
    )]  # fmt: skip
    features.append(feature_shape("different", Kind.COUNT_DISTINCT, "string", 5))
    rows = rows_of(window_view(*features), event(0, *(None,) * 8))
    for row in rows.select(one.name for one in features).rows():
        assert row == (0, None, None, None, None, None, None, 0)


def test_offsets_are_ranges_by_partition_of_the_events_that_count() -> None:
    rows = rows_of(
        window_view(),
        event(0, partition=3, offset=7),
        event(0, partition=1, offset=9),
        event(0, partition=3, offset=4),
        event(MINUTE, partition=1, offset=8),
    )
    both = [{"partition": 1, "first": 9, "last": 9}, {"partition": 3, "first": 4, "last": 7}]
    assert rows["_offsets"].to_list()[0] == both
    assert rows["_offsets"].to_list()[1:3] == [
        [{"partition": 1, "first": 8, "last": 9}, {"partition": 3, "first": 4, "last": 7}],
        [{"partition": 1, "first": 8, "last": 8}],
    ]


def test_rows_come_in_the_order_of_time_then_of_entities() -> None:
    rows = rows_of(window_view(), event(0, of="b"), event(0, of="a"), event(MINUTE, of="a"))
    assert rows.select("k0", "n").rows()[:3] == [("a", 1), ("b", 1), ("a", 2)]
    assert rows["event_timestamp"].is_sorted()


def test_the_newest_event_has_a_row_for_each_moment_and_publication() -> None:
    shape = view_shape([FeatureShape("x", ValueType.INT64, None, "int")], window=None)
    rows = rows_of(
        shape,
        event(0, 1, offset=4),
        event(0, 2, offset=5),
        event(0, 3, late=MINUTE, offset=6),
        event(-MINUTE, 4, late=MINUTE, partition=2, offset=1),
    )
    assert rows.select("x", "event_timestamp", "created_timestamp").rows() == [
        (4, at(-1), at(0)),
        (2, at(0), at(0)),
        (3, at(0), at(1)),
    ]
    assert rows["_offsets"].to_list()[0] == [{"partition": 2, "first": 1, "last": 1}]


def test_a_range_has_its_begin_and_not_its_end() -> None:
    shape = window_view()
    frame = events_frame(shape, [event(0)])
    assert history(shape, frame, NOON, NOON + 9 * MINUTE + 1)["n"].to_list() == [1]
    assert history(shape, frame, NOON + 1, NOON + 9 * MINUTE + 2)["n"].to_list() == [0]
    assert history(shape, frame, NOON + 1, NOON + 9 * MINUTE + 1).is_empty()


def test_events_must_reach_back_by_the_window_and_no_further() -> None:
    shape = window_view()
    assert look_back(shape) == 10 * MINUTE
    start = NOON + 9 * MINUTE + 1  # when the hop that ends at noon begins to leave the window
    first_of_its_hop = event(-MINUTE + 1)
    assert first_of_its_hop.event == start - look_back(shape)
    frame = events_frame(shape, [first_of_its_hop])
    assert history(shape, frame, start, start + 1)["n"].to_list() == [0]
    assert history(shape, frame, start + 1, start + HOUR).is_empty()


def test_the_newest_event_needs_none_from_before() -> None:
    assert look_back(view_shape([FeatureShape("x", ValueType.INT64, None, "int")], window=None)) == 0


@pytest.mark.parametrize("window", [None, 10])
def test_no_events_have_no_rows_and_the_same_columns(window: int | None) -> None:
    feature = FeatureShape("x", ValueType.FLOAT64, Kind.MEAN if window else None, "float")
    shape = view_shape([feature], window=window and window * MINUTE, key_types=(ValueType.STRING, ValueType.INT64))
    rows = rows_of(shape)
    assert rows.is_empty()
    assert offline_table(shape, rows).schema == offline_schema(shape)
    some = events_frame(shape, [OracleEvent('["a",1]', NOON, NOON, 0, 0, (0.5,))])
    assert history(shape, some, *EVERYTHING).schema == rows.schema


def test_keys_have_the_types_of_the_entity() -> None:
    key_types = (ValueType.STRING, ValueType.BOOL, ValueType.INT64, ValueType.TIMESTAMP)
    shape = window_view(key_types=key_types)
    rows = rows_of(shape, OracleEvent(f'["é\\"",true,-5,{NOON}]', NOON, NOON, 0, 0, (None,)))
    assert rows.select("k0", "k1", "k2", "k3").row(0) == ('é"', True, -5, at(0))


def test_a_sum_of_integers_beyond_64_bits_names_its_feature_and_no_value() -> None:
    shape = window_view(feature_shape("miles", Kind.SUM, "int"))
    with pytest.raises(FeatureComputeError, match=r"^view view, miles: a sum of integers is beyond 64 bits$"):
        rows_of(shape, event(0, 2**63 - 1), event(0, 1, offset=1))
    fits = rows_of(shape, event(0, 2**63 - 1), event(0, -1, offset=1), event(0, -(2**63), offset=2))
    assert fits["miles"].to_list()[0] == -2


def test_a_sum_beyond_the_largest_float_names_its_feature_and_a_mean_has_none() -> None:
    shape = window_view(feature_shape("total", Kind.SUM, "float"))
    events = [event(0, 1.7e308), event(0, 1.7e308, offset=1)]
    with pytest.raises(FeatureComputeError, match=r"^view view, total: a sum is beyond the largest float$"):
        rows_of(shape, *events)
    assert rows_of(window_view(feature_shape("m", Kind.MEAN, "float")), *events)["m"].to_list() == [1.7e308, None]


def test_floats_are_summed_exactly_and_rounded_once() -> None:
    shape = window_view(feature_shape("total", Kind.SUM, "float"), feature_shape("m", Kind.MEAN, "float"))
    values = [1e16, 1.0, -1e16, 0.1, 0.2, 1e300, -1e300]
    rows = rows_of(shape, *(event(0, value, value, offset=i) for i, value in enumerate(values)))
    assert rows.select("total", "m").row(0) == (1.3, 1.3 / 7)


def test_events_far_apart_in_time_are_placed_by_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = window_view(feature_shape("s", Kind.SUM, "int"), feature_shape("l", Kind.LAST, "string"))
    shuffle = random.Random(7)
    events = [
        event(shuffle.randrange(60) * MINUTE, i, str(i), late=shuffle.randrange(3) * MINUTE, offset=i, of=of)
        for i, of in enumerate("abc" * 40)
    ]
    frame = events_frame(shape, events)
    for start, end in (EVERYTHING, (NOON + 20 * MINUTE, NOON + 31 * MINUTE)):
        near = history(shape, frame, start, end)
        with monkeypatch.context() as patched:
            patched.setattr(module, "_NARROW", 0)
            assert_frame_equal(history(shape, frame, start, end), near)
