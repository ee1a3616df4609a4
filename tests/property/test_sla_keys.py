"""Duplicates and orphans are those that a dictionary finds, however the rows lie in files, batches and ranges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.sla.keys import candidates, key_runs
from ray_pipeline.sla.keys.duplicates import find_duplicates
from ray_pipeline.sla.keys.hashing import hash_rows
from ray_pipeline.sla.keys.key_files import KeyFile
from ray_pipeline.sla.keys.key_runs import KeyRuns
from ray_pipeline.sla.keys.orphans import find_orphans
from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.state_codec import decode, encode

KEY = (("k",), ("n",))
DAYS = ("2013-02-08", "2013-02-09")
KEYS = st.tuples(st.sampled_from(["a", "b", "ab", "", None]), st.sampled_from([0, 1, 10**18, None]))
ROWS = st.lists(st.tuples(KEYS, st.integers(0, 3)), max_size=12)  # key, published or time
FILES = st.lists(st.tuples(ROWS, st.sampled_from(DAYS), st.booleans()), max_size=6)  # rows, day, vendor's
BITS = st.sampled_from([0, 1, 4, 64])


def _weak(bits: int) -> Callable[..., Any]:
    def weak(batch: pa.Table, columns: Any) -> Any:
        hi, lo, null = hash_rows(batch, columns)
        kept = 64 - bits
        return (hi >> np.uint64(kept) << np.uint64(kept) if bits else hi * np.uint64(0)), lo & np.uint64(1), null

    return hash_rows if bits == 64 else weak


class _World:
    """Files as tables; each cut into batches, merged in some order and stored before it is used."""

    def __init__(self, data: st.DataObject, name: str, time: bool) -> None:
        self.data, self.name, self.measure = data, name, KeyRuns(KEY, ("t",) if time else None)
        self.tables: dict[tuple[str, str], pa.Table] = {}

    def file(self, number: int, rows: Any, day: str, vendor: bool) -> KeyFile:
        name = f"{self.name}{number}"
        columns = {
            "k": pa.array(
                [key[0] for key, _ in rows], self.data.draw(st.sampled_from([pa.string(), pa.large_binary()]))
            ),
            "n": pa.array([key[1] for key, _ in rows], self.data.draw(st.sampled_from([pa.int64(), pa.uint64()]))),
            "t": pa.array([moment for _, moment in rows], pa.timestamp("us")),
        }
        if not vendor:
            columns["_partition"] = pa.array([number] * len(rows), pa.int32())
            columns["_offset"] = pa.array(range(100, 100 + len(rows)), pa.int64())
            columns["_timestamp"] = pa.array([moment for _, moment in rows], pa.timestamp("ms"))
        table = self.tables[name, day] = pa.table(columns)
        edges = sorted(self.data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
        cuts = list(zip([0, *edges], [*edges, len(rows)], strict=True))
        run = self.measure.zero()
        for a, b in self.data.draw(st.permutations(cuts)):
            run = run.merge(self.measure.of(table.slice(a, b - a), Where("topic", a)))
        stored = self.measure.load(decode(encode({"x": run.state()}))["x"])
        return KeyFile(name, day, "topic", stored.keys, lambda: stored)

    def read_keys(self, file: str, day: str, positions: Any) -> pa.Table:
        return self.tables[file, day].select(["k", "n"]).take(pa.array(positions))


@settings(max_examples=150, deadline=None)
@given(
    new=FILES, old=FILES, bits=BITS, scope=st.sampled_from(["day", "dataset"]), size=st.integers(1, 20), data=st.data()
)
def test_duplicates_are_those_that_a_dictionary_finds(new, old, bits, scope, size, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_runs, "hash_rows", _weak(bits))
        patch.setattr(candidates, "LIMIT", data.draw(st.sampled_from([1, 3, 500_000])))
        world = _World(data, "f", time=False)
        news = [world.file(i, *one) for i, one in enumerate(new)]
        olds = [world.file(i + 50, *one) for i, one in enumerate(old)]
        found = find_duplicates(
            data.draw(st.permutations(news)),
            data.draw(st.permutations(olds)),
            KEY,
            world.read_keys,
            scope=scope,
            range_keys=size,
        )
    seen = {(key, day if scope == "day" else "") for rows, day, _ in old for key, _ in rows}
    rows = sorted(
        ((0, -1, 0, f"f{i}", row) if vendor else (1 + moment, i, row, f"f{i}", row), key, day)
        for i, (some, day, vendor) in enumerate(new)
        for row, (key, moment) in enumerate(some)
        if None not in key
    )
    expected: dict[str, dict[str, list[int]]] = {day: {} for _, day, _ in new}
    for (*_, name, row), key, day in rows:
        unit = (key, day if scope == "day" else "")
        if unit in seen:
            expected[day].setdefault(name, []).append(row)
        seen.add(unit)
    assert {day: {name: some.tolist() for name, some in one.positions.items()} for day, one in found.items()} == {
        day: {name: sorted(some) for name, some in by_file.items()} for day, by_file in expected.items()
    }
    for day, one in found.items():
        assert one.rows == sum(d == day for _, _, d in rows)
        assert one.flagged == sum(map(len, expected[day].values()))
        assert len(one.examples) == min(5, one.flagged)


@settings(max_examples=150, deadline=None)
@given(
    children=FILES,
    parents=FILES.filter(len),
    until=st.one_of(st.none(), st.integers(-1, 3)),
    weak=st.booleans(),
    size=st.integers(1, 20),
    data=st.data(),
)
def test_orphans_are_those_that_a_set_does_not_have(children, parents, until, weak, size, data):
    def few_halves(batch: pa.Table, columns: Any) -> Any:
        hi, lo, null = hash_rows(batch, columns)
        return hi & np.uint64(1), lo, null

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_runs, "hash_rows", few_halves if weak else hash_rows)
        mine, theirs = _World(data, "c", time=True), _World(data, "p", time=False)
        found = find_orphans(
            data.draw(st.permutations([mine.file(i, *one) for i, one in enumerate(children)])),
            data.draw(st.permutations([theirs.file(i, *one) for i, one in enumerate(parents)])),
            parent="parent",
            judged_until=until,
            range_keys=size,
        )
    there = {key for rows, _, _ in parents for key, _ in rows}
    lost = [
        (day, f"c{i}", row, moment)
        for i, (rows, day, _) in enumerate(children)
        for row, (key, moment) in enumerate(rows)
        if None not in key and key not in there
    ]
    assert found.keys() == {day for _, day, _ in children}
    for day, one in found.items():
        judged = {(name, row) for d, name, row, moment in lost if d == day and until is not None and moment <= until}
        assert {(name, row) for name, some in one.positions.items() for row in some.tolist()} == judged
        assert one.pending == sum(d == day for d, *_ in lost) - len(judged)
        assert one.rows == sum(d == day and None not in key for rows, d, _ in children for key, _ in rows)
