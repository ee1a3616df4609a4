"""When a window is over: by the slowest partition that is still awake, and never twice."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.drift.verdict import Window
from ray_pipeline.drift.windows import DAY_US, day_of, first_day_with_rows, watermark, window_from, windows_due

HOUR = 3_600_000_000
NOW = 20_000 * DAY_US


@dataclass(frozen=True)
class At:
    event_time_max_us: int | None
    committed_at_us: int | None


def test_event_time_is_as_far_as_the_slowest_partition() -> None:
    places = [At(NOW - DAY_US, NOW), At(NOW - 3 * DAY_US, NOW)]
    assert watermark(places, NOW, HOUR) == NOW - 3 * DAY_US


def test_a_partition_without_a_commit_for_long_enough_is_waited_for_no_more() -> None:
    places = [At(NOW - DAY_US, NOW), At(NOW - 3 * DAY_US, NOW - HOUR)]
    assert watermark(places, NOW, HOUR) == NOW - DAY_US
    assert watermark(places, NOW, HOUR + 1) == NOW - 3 * DAY_US


def test_where_all_are_idle_the_latest_event_of_all_counts() -> None:
    assert watermark([At(5, 0), At(9, 0), At(None, None)], NOW, HOUR) == 9


def test_nothing_landed_is_no_event_time() -> None:
    assert watermark([], NOW, HOUR) is None
    assert watermark([At(None, NOW)], NOW, HOUR) is None


def test_a_partition_of_which_nothing_ever_landed_holds_nothing_open() -> None:
    assert watermark([At(7, NOW), At(None, None)], NOW, HOUR) == 7


def test_events_of_the_future_close_nothing() -> None:
    assert watermark([At(NOW + 900 * DAY_US, NOW)], NOW, HOUR) == NOW


def test_a_clock_that_was_set_back_wakes_partitions_and_takes_nothing_back() -> None:
    places = [At(NOW - DAY_US, NOW), At(NOW - 3 * DAY_US, NOW - 2 * HOUR)]
    assert watermark(places, NOW, HOUR) == NOW - DAY_US
    earlier = watermark(places, NOW - DAY_US, HOUR)
    assert earlier == NOW - 3 * DAY_US
    done = windows_due(day_of(NOW - 9 * DAY_US), 2, NOW - DAY_US, 0)
    assert windows_due(day_of(NOW - 9 * DAY_US), 2, earlier, 0, done) == []


def test_a_window_is_over_once_event_time_is_past_its_end_by_the_lateness() -> None:
    end = _us("2013-03-04")
    assert windows_due("2013-02-25", 7, end + HOUR - 1, HOUR) == []
    assert windows_due("2013-02-25", 7, end + HOUR, HOUR) == [Window("2013-02-25", "2013-03-04")]


def test_windows_go_on_where_the_last_one_ended() -> None:
    done = [Window("2013-02-25", "2013-03-04")]
    found = windows_due("2013-02-25", 7, _us("2013-03-20"), 0, done)
    assert found == [Window("2013-03-04", "2013-03-11"), Window("2013-03-11", "2013-03-18")]


@given(
    days=st.integers(1, 9),
    marks=st.lists(st.integers(0, 60 * DAY_US), min_size=1, max_size=8),
    lateness=st.integers(0, 3 * DAY_US),
)
def test_however_often_it_is_asked_each_day_is_in_one_window(days: int, marks: list[int], lateness: int) -> None:
    base, done = _us("2013-01-01"), []  # type: int, list[Window]
    for mark in marks:
        done += windows_due("2013-01-01", days, base + mark, lateness, done)
    assert done == windows_due("2013-01-01", days, base + max(marks), lateness)
    assert all(one.until == other.first for one, other in pairwise(done))


@pytest.mark.parametrize(("rows", "first"), [({}, None), ({"2013-01-02": 0}, None), ({"2013-01-01": 5}, None),
                                             ({"2013-01-05": 1, "2013-01-03": 2}, "2013-01-03")])  # fmt: skip
def test_a_series_begins_with_the_first_day_of_which_rows_landed(rows: dict[str, int], first: str | None) -> None:
    assert first_day_with_rows(rows, "2013-01-02") == first


def _us(day: str) -> int:
    from datetime import date

    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY_US


def test_the_last_days_that_there_are_have_a_window() -> None:
    assert window_from("9999-12-31", 7) == Window("9999-12-31", "9999-12-31")
    assert windows_due("9999-12-31", 7, 0, 0) == []
