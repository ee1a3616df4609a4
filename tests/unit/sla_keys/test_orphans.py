"""A row without its parent is named once the parent can no longer come; before that it is pending."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ray_pipeline.sla.keys import key_runs
from ray_pipeline.sla.keys.hashing import hash_rows
from ray_pipeline.sla.keys.orphans import find_orphans
from ray_pipeline.sla.measure import RowRef

from .files import Shelf, landed

DAY, NEXT = "2013-02-08", "2013-02-09"
END = 2**62


def _children(shelf, ids, times=None, **more):
    return shelf.put(
        "child", landed(ids, range(len(ids)), at=pa.array(times or [0] * len(ids), pa.timestamp("us"))), **more
    )


def _shelves():
    return Shelf(time=("at",)), Shelf()


def test_a_row_without_a_parent_is_named():
    mine, theirs = _shelves()
    child = _children(mine, ["a", "b", "c", "b"])
    parents = [theirs.put("p1", landed(["a"], [1])), theirs.put("p2", pa.table({"id": ["c", "x"]}), NEXT)]
    found = find_orphans([child], parents, parent="weather", judged_until=END)
    assert found[DAY].positions["child"].tolist() == [1, 3]
    assert (found[DAY].rows, found[DAY].flagged, found[DAY].pending) == (4, 2, 0)
    assert found[DAY].examples == (RowRef("topic", 0, 1), RowRef("topic", 0, 3))


def test_a_row_whose_parent_may_still_come_is_pending():
    mine, theirs = _shelves()
    child = _children(mine, ["a", "b", "c", "d"], [100, 100, 101, 101])
    parents = [theirs.put("p", landed(["a", "c"], [1, 2]))]
    found = find_orphans([child], parents, parent="weather", judged_until=100)[DAY]
    assert (found.positions["child"].tolist(), found.pending, found.flagged) == ([1], 1, 1)
    unknown = find_orphans([child], parents, parent="weather", judged_until=None)[DAY]
    assert (dict(unknown.positions), unknown.pending, unknown.flagged) == ({}, 2, 0)


def test_a_row_without_a_time_is_judged_at_once():
    mine, theirs = _shelves()
    child = mine.put("child", landed(["b"], [0], at=pa.array([None], pa.timestamp("us"))))
    found = find_orphans([child], [theirs.put("p", landed(["a"], [1]))], parent="weather", judged_until=0)[DAY]
    assert (found.flagged, found.pending) == (1, 0)


def test_a_parent_of_which_nothing_is_there_cannot_be_looked_up_in():
    mine, _ = _shelves()
    child = _children(mine, ["a", None, "b"])
    for nothing in (None, []):
        found = find_orphans([child], nothing, parent="weather", judged_until=END)[DAY]
        assert found.problem == "nothing of weather is there to look rows up in"
        assert (found.rows, found.flagged, found.pending) == (2, 0, 0)


def test_a_null_in_the_reference_refers_to_nothing():
    shelf, theirs = Shelf((("x",), ("y",)), ("at",)), Shelf((("x",), ("y",)))
    at = pa.array([0, 0, 0], pa.timestamp("us"))
    child = shelf.put("child", pa.table({"x": ["a", None, "a"], "y": [1, 1, None], "at": at}))
    parent = theirs.put("p", pa.table({"x": ["b", None], "y": [1, 1]}))
    found = find_orphans([child], [parent], parent="weather", judged_until=END)[DAY]
    assert (found.rows, found.flagged) == (1, 1)


def test_a_quarantined_parent_is_none():
    mine, theirs = _shelves()
    parent = theirs.put("p", landed(["a", "b"], [1, 2]), excluded=[0])
    found = find_orphans([_children(mine, ["a", "b"])], [parent], parent="weather", judged_until=END)[DAY]
    assert found.positions["child"].tolist() == [0]


def test_a_parents_column_of_another_arrow_type_is_found():
    mine, theirs = _shelves()
    child = _children(mine, pa.array([1, 2, 3], pa.int32()))
    parent = theirs.put("p", pa.table({"id": pa.array([3.0, 1.0])}))
    found = find_orphans([child], [parent], parent="weather", judged_until=END)[DAY]
    assert found.positions["child"].tolist() == [1]


def test_halves_that_are_equal_are_not_the_whole_hash(monkeypatch):
    def two_values(batch, columns):
        hi, lo, null = hash_rows(batch, columns)
        return hi & np.uint64(1), lo, null

    monkeypatch.setattr(key_runs, "hash_rows", two_values)
    mine, theirs = _shelves()
    child = _children(mine, [f"k{i % 60}" for i in range(200)])
    for count in (5, 50, 500):  # fewer and more than the children
        parent = theirs.put("p", pa.table({"id": [f"k{i}" for i in range(0, 2 * count, 2)]}))
        found = find_orphans([child], [parent], parent="weather", judged_until=END)[DAY]
        present = {f"k{i}" for i in range(0, 2 * count, 2)}
        assert found.positions["child"].tolist() == [i for i in range(200) if f"k{i % 60}" not in present]
