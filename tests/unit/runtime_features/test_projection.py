"""The online projection of one partition: it lags, says why, and catches up; it never makes a commit wait."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.connectors.online.settings import Kind as StoreKind
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.reading import Status
from ray_pipeline.features.state import read_states
from ray_pipeline.lake.entries import Gap
from ray_pipeline.runtime.features import projection as module
from ray_pipeline.testing.online import MemoryOnlineStore
from tests.feature_oracle import BASE, HOUR, MINUTE, OracleEvent, feature_shape, value_at, view_shape
from tests.feature_world import FeatureWorld, compiled

EWR, JFK = '["EWR"]', '["JFK"]'
SHAPE = view_shape([feature_shape("n", Kind.COUNT, ""), feature_shape("total", Kind.SUM, "int")], window=2 * HOUR)


def event(offset: int, minutes: int = 0, entity: str = EWR, value: int = 1, late: int = 0) -> OracleEvent:
    at = BASE + minutes * MINUTE
    return OracleEvent(entity, at, at + late, 0, offset, (None, value))


def reading(online: MemoryOnlineStore, at: int, entity: str = EWR, shape: Any = SHAPE) -> Any:
    rows = online.read_states(shape.name, shape.definition, [entity])[0]
    return read_states(shape, [row.state for row in rows], at)


@pytest.fixture
def world() -> FeatureWorld:
    return FeatureWorld(compiled(SHAPE))


def test_a_commit_is_folded_from_memory_and_its_mark_comes_with_it(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    projection = world.projection(online)
    entry, table = world.land(0, [event(0), event(1, 5)])
    projection.committed(entry, [table])
    for file in entry.files:
        world.lake.delete(file.key)  # nobody asks for it
    projection.catch_up()
    assert projection.is_done
    assert projection.backlog == 0
    found = reading(online, BASE + HOUR)
    assert found == value_at(SHAPE, [event(0), event(1, 5)], BASE + HOUR)
    (mark,) = online.marks()
    assert (mark.view, mark.source, mark.offset, mark.published_us) == ("view", "data/t1/0", 2, BASE + 5 * MINUTE)


def test_what_memory_cannot_hold_is_read_from_the_log_again(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    projection = world.projection(online, waiting_bytes=1)
    for offset in range(5):
        entry, table = world.land(0, [event(offset, offset)])
        projection.committed(entry, [table])
    projection.catch_up()
    assert projection.is_done
    assert reading(online, BASE + HOUR).values == (5, 5)


def test_a_store_that_is_down_is_asked_ever_more_seldom_and_catches_up(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    online.is_down = True
    projection = world.projection(online)
    for offset in range(4):
        entry, table = world.land(0, [event(offset, offset)])
        projection.committed(entry, [table])
        projection.catch_up()
    assert len(online.asked) == 1, "it was asked before its time"
    assert projection.backlog == 4
    assert "it was told to be down" in projection.trouble
    (report,) = projection.reports()
    assert (report.through, report.lag) == (0, 4)
    assert "told to be down" in report.trouble
    online.is_down = False
    world.clock.advance(60.0)
    projection.catch_up()
    assert (projection.backlog, projection.trouble) == (0, "")
    assert reading(online, BASE + HOUR).values == (4, 4)


def test_a_run_that_ends_gives_up_on_a_store_that_stays_down(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    online.is_down = True
    world.land(0, [event(0)])
    projection = world.projection(online)
    projection.catch_up_until(float("inf"))
    assert len(online.asked) == module.FINAL_ATTEMPTS
    assert projection.backlog == 1


def test_committing_waits_for_nothing_while_the_store_hangs(world: FeatureWorld) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    class Hanging(MemoryOnlineStore):
        def write_states(self, rows: Any, marks: Any) -> Any:
            hangs.set()
            assert goes_on.wait(20)
            return super().write_states(rows, marks)

    online = Hanging()
    projection = world.projection(online)
    first, table = world.land(0, [event(0)])
    projection.committed(first, [table])
    thread = threading.Thread(target=projection.catch_up)
    thread.start()
    assert hangs.wait(20)
    second, table = world.land(0, [event(1, 1)])
    projection.committed(second, [table])  # returns, or this test never ends
    assert projection.backlog == 2
    goes_on.set()
    thread.join(20)
    projection.catch_up()
    assert reading(online, BASE + HOUR).values == (2, 2)


def test_a_view_that_cannot_be_computed_stops_and_the_other_goes_on(world: FeatureWorld) -> None:
    bad = compiled(SHAPE, "bad")
    bad = replace(bad, values=(None, pl.col("v1").filter(pl.col("v1") < 7)))  # one value less, from some entry on
    online = MemoryOnlineStore()
    projection = world.projection(online, views=[world.view, bad])
    for offset in range(4):
        entry, table = world.land(0, [event(offset, offset, value=7 if offset == 2 else 1)])
        projection.committed(entry, [table])
        projection.catch_up()
    good, stopped = projection.reports()
    assert (good.lag, good.trouble) == (0, "")
    assert (stopped.through, stopped.lag) == (2, 2)
    assert "bad" in stopped.trouble
    assert stopped.trouble in projection.troubles
    assert projection.is_done, "there is nothing to try again"
    assert not projection.is_due
    assert reading(online, BASE + HOUR).values == (4, 10)
    assert reading(online, BASE + HOUR, shape=replace(SHAPE, name="bad")).values == (2, 2), "what came before holds"


def test_rows_that_are_no_events_are_counted_once(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    projection = world.projection(online)
    rows = [event(0), event(1, entity=""), event(2, late=2 * HOUR), event(3, late=-2 * HOUR)]
    entry, table = world.land(0, rows)
    projection.committed(entry, [table])
    projection.catch_up()
    (report,) = projection.reports()
    assert report.set_aside == {"no key": 1, "too late": 1, "ahead": 1}
    online.drop("view")
    entry, table = world.land(0, [event(4)])
    projection.committed(entry, [table])
    projection.catch_up()
    (report,) = projection.reports()
    assert report.set_aside == {"no key": 1, "too late": 1, "ahead": 1}
    assert reading(online, BASE + HOUR).values == (2, 2)


def test_a_store_that_lost_what_it_had_is_filled_from_the_log(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    projection = world.projection(online)
    for offset, entity in enumerate([EWR, JFK]):
        entry, table = world.land(0, [event(offset, offset, entity)])
        projection.committed(entry, [table])
        projection.catch_up()
    online.states.clear()
    online.marked.clear()
    entry, table = world.land(0, [event(2, 2, JFK)])
    projection.committed(entry, [table])
    projection.catch_up()
    assert reading(online, BASE + HOUR).values == (1, 1)
    assert reading(online, BASE + HOUR, JFK).values == (2, 2)


def test_a_view_that_is_new_or_defined_anew_is_computed_from_the_logs_beginning(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    world.land(0, [event(0)])
    world.projection(online).catch_up()
    other = replace(world.view, shape=replace(SHAPE, definition="e" * 64))
    world.land(0, [event(1, 1)])
    world.projection(online, views=[world.view, other]).catch_up()
    for shape in (SHAPE, other.shape):
        assert reading(online, BASE + HOUR, shape=shape).values == (2, 2)


def test_idle_entities_leave_memory_and_come_back_from_the_store(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    projection = world.projection(online, state_bytes=1)
    for offset, entity in enumerate([EWR, JFK, EWR, JFK]):
        entry, table = world.land(0, [event(offset, offset, entity)])
        projection.committed(entry, [table])
        projection.catch_up()
        assert not projection._views[0]._states
    assert reading(online, BASE + HOUR).values == (2, 2)


def test_an_owner_that_is_behind_a_newer_one_changes_nothing(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    zombie = world.projection(online)
    for offset in range(3):
        entry, table = world.land(0, [event(offset, offset)])
        if offset < 2:
            zombie.committed(entry, [table])
    world.projection(online).catch_up()
    states, marks = dict(online.states), dict(online.marked)
    zombie.catch_up()
    assert zombie.is_done
    assert (online.states, online.marked) == (states, marks)


def test_gaps_and_commits_without_rows_move_the_mark(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    log = world.log()
    world.land(0, [event(0)])
    world.land(0, [], records=3)
    log.append_if_next(Gap(log.nonce(), 4, 9, "offsets-expired", "ann", log.written_at()))
    projection = world.projection(online)
    projection.catch_up()
    assert projection.is_done
    assert [mark.offset for mark in online.marks()] == [9]


def test_a_long_log_is_walked_from_the_mark_not_from_its_beginning(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    for offset in range(230):
        world.land(0, [event(offset, offset)])
        if offset == 215:
            world.projection(online, retain_us=0).catch_up()
    for key in list(world.lake.objects):
        if key.startswith("p/data/") and int(key.rsplit("/", 1)[1][:20]) < 215:
            world.lake.delete(key)
    last = world.projection(online, retain_us=0)
    last.catch_up()
    assert last.is_done
    assert reading(online, BASE + 229 * MINUTE).values == (120, 120)


def test_a_file_that_is_gone_is_a_trouble_and_no_end(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    entry, _ = world.land(0, [event(0)])
    data = world.lake.objects.pop(entry.files[0].key)
    projection = world.projection(online)
    projection.catch_up()
    assert "is missing" in projection.trouble
    world.lake.put(entry.files[0].key, data)
    world.clock.advance(60.0)
    projection.catch_up()
    assert projection.is_done


def test_a_state_that_cannot_be_read_stops_the_view_and_says_the_way_on(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    world.land(0, [event(0)])
    world.projection(online).catch_up()
    ((key, row),) = online.states.items()
    online.states[key] = replace(row, state=b"nonsense")
    world.land(0, [event(1)])
    projection = world.projection(online)
    projection.catch_up()
    (report,) = projection.reports()
    assert "features backfill --online" in report.trouble
    assert report.lag == 1
    assert online.states[key].state == b"nonsense"


def test_a_closed_projection_does_nothing_more(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    world.land(0, [event(0)])
    projection = world.projection(online)
    projection.close()
    projection.catch_up()
    projection.catch_up_until(float("inf"))
    assert not online.asked
    assert reading(online, BASE + HOUR).status is Status.NOT_FOUND


def test_sqlite_holds_the_same(world: FeatureWorld, tmp_path: Path) -> None:
    memory, sqlite = MemoryOnlineStore(), open_online(OnlineSettings(StoreKind.SQLITE, "test", tmp_path / "online.db"))
    for offset in range(6):
        world.land(0, [event(offset, offset, EWR if offset % 2 else JFK)])
        for online in (memory, sqlite):
            world.projection(online).catch_up()
    assert sqlite.marks() == memory.marks()
    found = [store.read_states("view", SHAPE.definition, [EWR, JFK]) for store in (sqlite, memory)]
    assert found[0] == found[1]
    sqlite.close()


@pytest.mark.parametrize("window", [2 * HOUR, None])
def test_a_producer_whose_clock_is_far_ahead_moves_neither_the_horizon_nor_the_clock(window: int | None) -> None:
    ttl = None if window else HOUR
    shape = view_shape([feature_shape("last", Kind.LAST if window else None, "int")], window=window, ttl=ttl)
    events = [OracleEvent(EWR, BASE + i * MINUTE, BASE + i * MINUTE, 0, i, (i,)) for i in (0, 1, 3)]
    far = 100 * 365 * 24 * HOUR
    skewed = OracleEvent(EWR, BASE + far, BASE + far, 0, 2, (99,))
    world, online = FeatureWorld(compiled(shape)), MemoryOnlineStore()
    world.land(0, [*events[:2], skewed])
    world.projection(online).catch_up()
    assert [mark.published_us for mark in online.marks()] == [BASE + MINUTE]
    world.land(0, [events[2]])
    world.projection(online).catch_up()
    assert [mark.published_us for mark in online.marks()] == [BASE + 3 * MINUTE]
    for at in (BASE + 2 * MINUTE, BASE + 5 * MINUTE, BASE + far + MINUTE):
        assert reading(online, at, shape=shape) == value_at(shape, [*events, skewed], at)


def test_a_commit_of_nothing_but_publications_to_come_moves_no_mark_in_time(world: FeatureWorld) -> None:
    online = MemoryOnlineStore()
    world.land(0, [event(0)])
    world.projection(online).catch_up()
    far = 100 * 365 * 24 * 60
    world.land(0, [event(1, far)])
    world.projection(online).catch_up()
    (mark,) = online.marks()
    assert (mark.offset, mark.published_us) == (2, BASE)
    assert reading(online, BASE + HOUR) == value_at(SHAPE, [event(0)], BASE + HOUR)
