"""A run of keys: sorted, the same however its file was read, and what is stored is what is read back."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.keys.hashing import hash_rows
from ray_pipeline.sla.keys.key_runs import NEVER, KeyRuns, sort_order
from ray_pipeline.sla.measure import State, Where
from ray_pipeline.sla.state_codec import decode, encode

from .files import landed

IDS = KeyRuns((("id",),))
NOWHERE = Where("topic", 0)


def test_a_run_is_sorted_and_knows_its_rows():
    rows = landed([f"k{i % 70}" for i in range(100)], [1000 + 3 * i for i in range(100)], partition=7)
    run = IDS.of(rows, NOWHERE).run
    hi, lo, _ = hash_rows(rows, IDS.key)
    row = run.numbers["row"].take(slice(None))
    found = list(zip(run.hi.tolist(), run.lo.tolist(), row.tolist(), strict=True))
    assert found == sorted(zip(hi.tolist(), lo.tolist(), range(100), strict=True))
    assert (run.numbers["offset"].take(slice(None)) == 1000 + 3 * row).all()
    assert (run.numbers["published"].take(slice(None)) == 1000 + 3 * row).all()
    assert (run.numbers["partition"].take(slice(None)) == 7).all()


def test_any_cut_of_a_file_makes_the_same_bytes():
    rows = landed([f"k{i % 50}" if i % 9 else None for i in range(300)], list(range(300)))
    whole = IDS.of(rows, NOWHERE)
    expected = encode({"x": whole.state()})
    for edges in ([0, 300], [0, 1, 299, 300], [0, 100, 100, 200, 300], [*range(0, 301, 7), 300]):
        parts = [IDS.of(rows.slice(a, b - a), replace(NOWHERE, first_row=a)) for a, b in pairwise(edges)]
        np.random.default_rng(1).shuffle(parts)
        merged = IDS.zero()
        for part in parts:
            merged = part.merge(merged)
        assert encode({"x": merged.state()}) == expected
        assert merged == whole
        assert merged.merge(IDS.zero()) == whole


def test_what_is_stored_is_what_is_read_back():
    measure = KeyRuns((("id",),), ("at",))
    rows = landed(["a", None, "c"], [5, 6, 2**40], at=pa.array([1, 2, None], pa.timestamp("us", "UTC")))
    run = measure.of(rows, NOWHERE)
    assert (run.rows, run.nulls, run.keys) == (3, 1, 2)
    stored = decode(encode({measure.id: run.state()}))[measure.id]
    again = measure.load(stored)
    assert again == run
    assert sorted(again.run.numbers["time"].take(slice(None)).tolist()) == [NEVER, 1]
    assert measure.load(measure.zero().state()) == measure.zero()


def test_close_numbers_take_few_bytes():
    rows = landed([f"k{i}" for i in range(1000)], list(range(10**12, 10**12 + 1000)))
    arrays = IDS.of(rows, NOWHERE).state().arrays
    assert sum(array.nbytes for array in arrays.values()) == 1000 * (8 + 8 + 2 + 1 + 2 + 2)


def test_a_file_that_our_ingest_did_not_write_goes_by_row_number():
    run = IDS.of(pa.table({"id": ["b", "a"]}), Where("vendor.parquet", 40)).run
    assert set(run.numbers) == {"row"}
    assert sorted(run.numbers["row"].take(slice(None)).tolist()) == [40, 41]


def test_the_times_of_a_run_are_microseconds_whatever_their_unit():
    measure = KeyRuns((("id",),), ("d",))
    rows = pa.table({"id": ["a", "b"], "d": pa.array([1, None], pa.date32())})
    assert sorted(measure.of(rows, NOWHERE).run.numbers["time"].take(slice(None)).tolist()) == [NEVER, 86_400_000_000]


def test_it_names_what_must_be_read_and_itself():
    measure = KeyRuns((("carrier", "code"), ("carrier", "name"), ("id",)), ("at",))
    assert measure.columns == ("carrier", "id", "at", "_partition", "_offset", "_timestamp")
    assert measure.id == 'key_runs{"key":[["carrier","code"],["carrier","name"],["id"]],"time":["at"]}'
    assert len({measure.id, KeyRuns(measure.key).id, KeyRuns(measure.key[::-1]).id}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 4}, {"nulls": -1}, {"rows": "3"}, {"bases": None}, {"bases": {}}, {"bases": {"row": 0.5}},
        {"bases": {"row": 0, "name": 0}}, {"bases": {"row": 0, "time": 0}},
    ],
)  # fmt: skip
def test_a_state_of_something_else_is_refused(change):
    good = IDS.of(pa.table({"id": ["a", "b", "c"]}), NOWHERE).state()
    IDS.load(good)
    with pytest.raises(ValueError, match=r"."):
        IDS.load(State({**good.values, **change}, good.arrays))


def test_arrays_of_something_else_are_refused():
    good = IDS.of(pa.table({"id": ["a", "b", "c"]}), NOWHERE).state()
    for name, array in (("hi", good.arrays["hi"][:2]), ("lo", good.arrays["lo"].astype("<i8")), ("row", np.zeros(3))):
        with pytest.raises(ValueError, match="a run of keys of another"):
            IDS.load(State(good.values, {**good.arrays, name: array}))
    with pytest.raises(ValueError, match="other numbers"):
        IDS.load(State(good.values, {**good.arrays, "more": good.arrays["row"]}))


def test_the_order_is_exact_where_the_highest_bits_are_equal():
    rng = np.random.default_rng(2)
    for _ in range(20):
        hi = rng.integers(0, 3, 500, np.uint64) << np.uint64(32) | rng.integers(0, 4, 500, np.uint64)
        lo = rng.integers(0, 2, 500, np.uint64)
        row = rng.permutation(500)
        assert sort_order(hi, lo, row).tolist() == np.lexsort((row, lo, hi)).tolist()
