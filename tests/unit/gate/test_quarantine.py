from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.gate.entries import OffsetSpan, Selection
from ray_pipeline.gate.plan import Drop
from ray_pipeline.gate.quarantine import count_rows, find_rows, read_quarantine, show_rows, with_reasons
from ray_pipeline.testing.store import MemoryStore
from tests.unit.gate.worlds import DAYS, Verdicts, World


def at(*rows: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(rows, np.int64)


@pytest.fixture
def world() -> World:
    """Offsets 0 to 11 of partition 0 and 0 to 5 of partition 1; quantity is offset + 1."""
    made = World()
    made.land(12)
    made.land(6, 1)
    made.gate("nightly", Verdicts(rows={"even": 2, "third": 3}))
    return made


def offsets(world: World, selection: Selection) -> list[tuple[int, int]]:
    found = find_rows(world.store, world.ledger().state(), selection)
    rows = [row for one in found for row in one.rows.to_pylist()]
    return sorted((row["_partition"], row["_offset"]) for row in rows)


def test_each_row_has_its_own_reasons_in_order() -> None:
    rows = pa.table({"a": [10, 20, 30]})
    drops = [Drop("x", "validity", "m1", at(2, 5)), Drop("y", None, "m2", at(5, 9)), Drop("z", None, "m3", at(1))]
    marked = with_reasons(rows, at(2, 5, 9), drops, "run")
    reasons = [[reason["check"] for reason in row] for row in marked["_reasons"].to_pylist()]
    assert reasons == [["x"], ["x", "y"], ["y"]]
    assert marked["_reasons"].to_pylist()[0] == [{"check": "x", "dimension": "validity", "message": "m1"}]


def test_a_column_with_our_name_is_not_overwritten() -> None:
    with pytest.raises(UsageError, match="rename it in the contract"):
        with_reasons(pa.table({"_reasons": [1]}), at(0), [Drop("x", None, "m", at(0))], "run")


@pytest.mark.parametrize("seed", range(20))
def test_reasons_are_those_of_a_slow_and_obvious_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drops = [
        Drop(f"c{i}", None, "m", np.sort(rng.choice(50, rng.integers(0, 30), replace=False)).astype(np.int64))
        for i in range(4)
    ]
    positions = np.unique(np.concatenate([drop.positions for drop in drops]))[5:20]
    marked = with_reasons(pa.table({"p": positions}), positions, drops, "run")
    expected = [[drop.check for drop in drops if p in drop.positions] for p in positions]
    assert [[reason["check"] for reason in row] for row in marked["_reasons"].to_pylist()] == expected


def test_rows_are_found_by_day_check_and_offsets(world: World) -> None:
    everything = offsets(world, Selection())
    every = [(p, o) for p, end in ((0, 12), (1, 6)) for o in range(end)]
    assert everything == [(p, o) for p, o in every if (o + 1) % 2 == 0 or (o + 1) % 3 == 0]
    assert offsets(world, Selection(check="third")) == [(p, o) for p, o in everything if (o + 1) % 3 == 0]
    assert offsets(world, Selection(day=DAYS[1])) == [(p, o) for p, o in everything if o % 3 == 0]
    assert offsets(world, Selection(offsets=(OffsetSpan(0, 2, 4), OffsetSpan(1, 5, 100)))) == [(0, 2), (0, 3), (1, 5)]
    assert offsets(world, Selection(day=DAYS[1], check="even", offsets=(OffsetSpan(1, 0, 6),))) == [(1, 3)]
    assert offsets(world, Selection(day="2000-01-01")) == []
    assert offsets(world, Selection(check="none")) == []


def test_rows_are_counted_by_day_and_check(world: World) -> None:
    counts = {(one.day, one.check): one.rows for one in count_rows(world.store, world.ledger().state())}
    assert counts == {(DAYS[0], "even"): 6, (DAYS[0], "third"): 6, (DAYS[1], "even"): 3}


def test_rows_are_shown_with_what_landed_and_why(world: World) -> None:
    shown = show_rows(world.store, world.ledger().state(), Selection(check="even"), limit=3)
    assert {(row.day, row.partition) for row in shown} == {(DAYS[0], 0)}
    assert [row.offset for row in shown] == [1, 5, 7]
    assert [reason.check for reason in shown[1].reasons] == ["even", "third"]
    assert shown[0].row["id"] == "o-1"
    assert shown[0].run_id == "nightly"
    assert "_reasons" not in shown[0].row


def test_only_files_that_can_hold_the_offsets_are_read(world: World) -> None:
    read: list[str] = []

    class Watched(MemoryStore):
        def get(self, key: str) -> bytes | None:
            read.append(key)
            return super().get(key)

    watched = Watched()
    watched.objects = world.store.objects
    state = world.ledger().state()
    list(find_rows(watched, state, Selection(offsets=(OffsetSpan(1, 0, 6),))))
    every = sum("/quarantine/" in key for key in world.store.objects)
    assert sum("/quarantine/" in key for key in read) < every


def test_a_file_that_is_no_quarantine_file_is_refused(world: World) -> None:
    landed = next(found.fate.file for found in find_rows(world.store, world.ledger().state(), Selection()))
    with pytest.raises(FileCorruptError, match="no quarantine file"):
        list(read_quarantine(world.store, landed))
