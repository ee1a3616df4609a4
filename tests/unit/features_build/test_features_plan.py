"""Which days a build computes, and from which files."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.connectors.iceberg.table import CuratedFile
from ray_pipeline.features.hops import MINUTE, hop_of, visible_from, visible_through
from ray_pipeline.features.shape import Feed, ViewShape
from ray_pipeline.runtime.jobs.features_plan import DAY, ViewDays, look_back_days, plan_units, plan_view, reach

HOUR = 60 * MINUTE


def shape(window: int | None, name: str = "v") -> ViewShape:
    hop = 1 if window is None else hop_of(window)
    return ViewShape(name, "d", "orders", (), (), window, hop, None, HOUR, Feed.STREAM)


def file(day: int | None, number: int = 0, size: int = 100) -> CuratedFile:
    return CuratedFile(f"/lake/{day}-{number}.parquet", day, 10, size)


windows = st.none() | st.integers(1, 10 * 24 * 60).map(lambda minutes: minutes * MINUTE)
days_of_files = st.lists(st.integers(-3, 40), min_size=1, max_size=12)


@given(windows.filter(bool), st.integers(0, DAY - 1), st.integers(-HOUR, HOUR), st.integers(-2, 2))
def test_no_change_of_an_event_lies_outside_the_days_that_its_file_touches(
    window: int, within: int, late: int, day: int
) -> None:
    view = shape(window)
    event = day * DAY + within
    first, last = visible_from(event, event + late, view.hop), visible_through(event, view.hop, window) + 1
    if first < last:
        assert day <= first // DAY <= last // DAY <= day + reach(view)


@given(windows, st.integers(0, DAY - 1), st.integers(0, 40))
def test_every_event_that_a_day_needs_is_within_the_days_that_it_looks_back_on(
    window: int | None, within: int, day: int
) -> None:
    view = shape(window)
    oldest = day * DAY - (window or 0)
    assert oldest // DAY >= day - look_back_days(view)


def test_nothing_new_is_no_work() -> None:
    files = [file(1), file(2)]
    assert plan_view(shape(DAY), files, files, {1, 2, 3}) == ViewDays(())


def test_a_file_that_came_or_went_touches_its_day_and_those_that_its_window_reaches() -> None:
    before, now = [file(1), file(5)], [file(1), file(9)]
    assert plan_view(shape(2 * HOUR), now, before, {1, 5, 9}).days == (5, 6, 9, 10)
    assert plan_view(shape(None), now, before, {1, 5, 9}).days == (5, 9)
    assert plan_view(shape(7 * DAY), now, before, set()).days == (*range(5, 17),)


def test_a_view_that_rests_on_nothing_is_built_wholly_and_so_is_one_whose_definition_changed() -> None:
    files = [file(1), file(4)]
    assert plan_view(shape(None), files, (), {7}).days == (1, 4)
    assert plan_view(shape(None), files, files, {7}, why="its definition changed").days == (1, 4, 7)
    assert plan_view(shape(None), files, None, {7}).days == (1, 4, 7)


def test_forced_days_are_computed_where_there_can_be_rows() -> None:
    files = [file(1), file(4)]
    assert plan_view(shape(None), files, files, {2}, forced=(2, 9)).days == (2, 4)


def test_a_file_without_a_day_is_read_once_and_no_day_needs_it() -> None:
    new = file(None)
    days = plan_view(shape(None), [file(1), new], [file(1)], {1})
    assert days.days == ()
    (unit,) = plan_units("orders", [file(1), new], [shape(None)], {"v": days})
    assert (unit.files, unit.days) == ((new,), {"v": ()})


@given(
    st.lists(windows, min_size=1, max_size=3),
    days_of_files,
    st.integers(50, 2000),
    st.data(),
)
def test_each_day_of_each_view_is_computed_once_with_every_file_that_it_needs(
    of_views: list[int | None], days: list[int], unit_bytes: int, data: Any
) -> None:
    shapes = [shape(window, f"v{i}") for i, window in enumerate(of_views)]
    files = [file(day, i) for i, day in enumerate(days)]
    old = data.draw(st.lists(st.sampled_from(files), unique=True))
    wanted = {one.name: plan_view(one, files, old, set()) for one in shapes}
    done: dict[tuple[str, int, int], int] = {}
    for unit in plan_units("orders", files, shapes, wanted, unit_bytes):
        assert unit.bytes <= unit_bytes * unit.buckets
        for name, mine in unit.days.items():
            back = look_back_days(shapes[int(name[1:])])
            for day in mine:
                key = (name, day, unit.bucket)
                done[key] = done.get(key, 0) + 1
                needed = {one for one in files if one.day is not None and day - back <= one.day <= day}
                assert needed <= set(unit.files)
    assert set(done.values()) <= {1}
    possible = {
        one.name: {d for f in files for d in range(f.day or 0, (f.day or 0) + reach(one) + 1)} for one in shapes
    }
    assert {(name, day) for name, day, _ in done} == {
        (name, day) for name, plan in wanted.items() for day in plan.days if day in possible[name]
    }


def test_short_days_are_done_together_and_a_day_that_is_too_large_is_dealt_out_by_entity() -> None:
    small = [file(day) for day in range(10)]
    wanted = {"v": plan_view(shape(None), small, (), set())}
    assert [len(unit.files) for unit in plan_units("orders", small, [shape(None)], wanted, 500)] == [5, 5]
    large = [file(1, size=1000)]
    wanted = {"v": plan_view(shape(None), large, (), set())}
    units = plan_units("orders", large, [shape(None)], wanted, 400)
    assert [(unit.bucket, unit.buckets) for unit in units] == [(0, 3), (1, 3), (2, 3)]
