"""Of the rows with one key the first stays; the others are named, by day and file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.keys import key_runs
from ray_pipeline.sla.keys.duplicates import find_duplicates
from ray_pipeline.sla.keys.hashing import hash_rows
from ray_pipeline.sla.measure import RowRef

from .files import KEY, Shelf, landed

DAY, NEXT = "2013-02-08", "2013-02-09"


def _positions(findings, day=DAY):
    return {name: some.tolist() for name, some in findings[day].positions.items()}


def test_the_first_published_stays_whatever_file_it_is_in():
    shelf = Shelf()
    late = shelf.put("a", landed(["x", "y"], [10, 11], [500, 501]))
    early = shelf.put("b", landed(["x", "z", "x"], [90, 91, 92], [400, 401, 402], partition=1))
    found = find_duplicates([late, early], [], KEY, shelf.read_keys)
    assert _positions(found) == {"a": [0], "b": [2]}
    assert (found[DAY].rows, found[DAY].flagged, found[DAY].pending, found[DAY].problem) == (5, 2, 0, None)
    assert found[DAY].examples == (RowRef("topic", 0, 10), RowRef("topic", 1, 92))


def test_at_one_time_the_lower_partition_and_then_the_lower_offset_stays():
    shelf = Shelf()
    one = shelf.put("z", landed(["x"], [9], [1], partition=0))
    two = shelf.put("a", landed(["x", "x"], [3, 2], [1, 1], partition=1))
    assert _positions(find_duplicates([one, two], [], KEY, shelf.read_keys)) == {"a": [0, 1]}
    assert _positions(find_duplicates([two], [], KEY, shelf.read_keys)) == {"a": [0]}


def test_what_is_old_wins_over_what_is_new_even_if_published_later():
    shelf = Shelf()
    old = shelf.put("old", landed(["x"], [900], [900]), NEXT)
    new = shelf.put("new", landed(["x", "y"], [1, 2]))
    found = find_duplicates([new], [old], KEY, shelf.read_keys)
    assert _positions(found) == {"new": [0]}
    assert list(found) == [DAY]


def test_duplicates_among_the_old_are_nobodys_business():
    shelf = Shelf()
    old = shelf.put("old", landed(["x", "x"], [1, 2]))
    new = shelf.put("new", landed(["y"], [3]))
    assert find_duplicates([new], [old], KEY, shelf.read_keys)[DAY].flagged == 0
    assert shelf.read == []


def test_with_scope_day_a_key_may_come_again_on_another_day():
    shelf = Shelf()
    files = [shelf.put("a", landed(["x", "x"], [1, 2])), shelf.put("b", landed(["x", "y"], [3, 4]), NEXT)]
    old = [shelf.put("old", landed(["y"], [0]), NEXT)]
    found = find_duplicates(files, old, KEY, shelf.read_keys, scope="day")
    assert (_positions(found), _positions(found, NEXT)) == ({"a": [1]}, {"b": [1]})
    found = find_duplicates(files, old, KEY, shelf.read_keys)
    assert (_positions(found), _positions(found, NEXT)) == ({"a": [1]}, {"b": [0, 1]})


def test_rows_of_files_that_have_no_offsets_stay_by_file_and_row():
    shelf = Shelf()
    files = [shelf.put(name, pa.table({"id": ids})) for name, ids in (("b", ["x", "y"]), ("a", ["z", "x", "z"]))]
    found = find_duplicates(files, [], KEY, shelf.read_keys)
    assert _positions(found) == {"a": [2], "b": [0]}
    assert found[DAY].examples == (RowRef("topic", -1, 0), RowRef("topic", -1, 2))


def test_a_null_in_the_key_is_no_key():
    shelf = Shelf()
    found = find_duplicates([shelf.put("a", landed([None, None, "x"], [1, 2, 3]))], [], KEY, shelf.read_keys)
    assert (found[DAY].rows, found[DAY].flagged) == (1, 0)


def test_nothing_is_a_duplicate_of_a_row_that_was_quarantined():
    shelf = Shelf()
    old = shelf.put("old", landed(["x", "y"], [1, 2]), excluded=[0])
    new = shelf.put("new", landed(["x", "y", "q", "q"], [3, 4, 5, 6]), excluded=[2])
    found = find_duplicates([new], [old], KEY, shelf.read_keys)
    assert _positions(found) == {"new": [1]}
    assert found[DAY].rows == 3


def test_equal_hashes_of_different_keys_flag_no_row(monkeypatch):
    def four_bits(batch, columns):
        hi, lo, null = hash_rows(batch, columns)
        return hi & np.uint64(15), lo * np.uint64(0), null

    monkeypatch.setattr(key_runs, "hash_rows", four_bits)
    shelf = Shelf()
    ids = [f"k{i}" for i in range(300)]
    new = shelf.put("new", landed([*ids, "k7", "k250", "o3"], list(range(303))))
    old = shelf.put("old", landed([f"o{i}" for i in range(100)], list(range(100))))
    found = find_duplicates([new], [old], KEY, shelf.read_keys)
    assert _positions(found) == {"new": [300, 301, 302]}


def test_only_rows_whose_hash_comes_twice_are_read_each_file_once():
    shelf = Shelf()
    new = shelf.put("new", landed([f"k{i}" for i in range(1000)] + ["k5", "k6"], list(range(1002))))
    old = shelf.put("old", landed([f"o{i}" for i in range(1000)] + ["k7"], list(range(1001))))
    assert find_duplicates([new], [old], KEY, shelf.read_keys)[DAY].flagged == 3
    assert shelf.read == [("new", [5, 6, 7, 1000, 1001]), ("old", [1000])]


def test_keys_of_other_arrow_types_are_the_same_keys():
    shelf = Shelf()
    old = shelf.put("old", landed(pa.array([1, 2], pa.int64()), [1, 2]))
    new = shelf.put("new", landed(pa.array([2, 3], pa.int32()), [3, 4]))
    vendor = shelf.put("vendor", pa.table({"id": pa.array([3.0, 2.5])}))
    assert _positions(find_duplicates([new, vendor], [old], KEY, shelf.read_keys)) == {"new": [0, 1]}


def test_ranges_of_hashes_change_nothing_and_load_each_file_twice_at_most():
    shelf = Shelf()
    ids = [f"k{i % 40}" for i in range(100)]
    new = [shelf.put(f"n{j}", landed(ids[j::4], list(range(j, 100, 4)), partition=j)) for j in range(4)]
    old = [shelf.put("old", landed(["k3", "k4"], [1, 2]))]
    expected = _positions(find_duplicates(new, old, KEY, shelf.read_keys))
    assert sum(map(len, expected.values())) == 60 + 2
    shelf.loads = 0
    assert _positions(find_duplicates(new[::-1], old, KEY, shelf.read_keys, range_keys=10)) == expected
    assert shelf.loads <= 10 * (4 + 4 + 1)


def test_a_file_that_is_both_new_and_old_is_a_mistake():
    shelf = Shelf()
    file = shelf.put("a", landed(["x"], [1]))
    with pytest.raises(ValueError, match="a is given twice for 2013-02-08"):
        find_duplicates([file], [file], KEY, shelf.read_keys)


def test_a_reader_that_gives_other_rows_than_it_was_asked_for_is_a_mistake():
    shelf = Shelf()
    file = shelf.put("a", landed(["x", "x"], [1, 2]))
    with pytest.raises(ValueError, match="a gave 0 keys for 2 rows"):
        find_duplicates([file], [], KEY, lambda *_: pa.table({"id": pa.array([], pa.string())}))


def test_nothing_new_finds_nothing():
    shelf = Shelf()
    assert find_duplicates([], [shelf.put("a", landed(["x"], [1]))], KEY, shelf.read_keys) == {}
    empty = shelf.put("empty", landed(pa.array([], pa.string()), []))
    assert find_duplicates([empty], [], KEY, shelf.read_keys)[DAY].rows == 0
