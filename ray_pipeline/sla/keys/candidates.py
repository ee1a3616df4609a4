"""Rows of equal hash, gathered until they are many; then their keys are read, and all but the first of each named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.keys.confirm import same_keys
from ray_pipeline.sla.keys.key_files import Findings, KeyFile, ReadKeys, Slice
from ray_pipeline.sla.keys.key_runs import NEVER
from ray_pipeline.sla.measure import Array

LIMIT = 500_000
"""Rows that are gathered before they are looked at: some 150 MB."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Candidates as columns. ``file`` counts the new files first, then the old ones."""

    file: Array
    row: Array
    hi: Array
    lo: Array
    new: Array
    published: Array
    partition: Array
    offset: Array

    def take(self, places: Array) -> _Rows:
        return _Rows(*(getattr(self, field.name)[places] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.row)


class Candidates:
    """Which of the rows of equal hash stay.

    The first row of each key seen so far is kept and meets those that come later, old before new and then in their
    order: so the result is that of all rows at once, and a key that comes twenty million times takes no more memory
    than one that comes twice.
    """

    def __init__(
        self,
        old: Sequence[KeyFile],
        new: Sequence[KeyFile],
        key: tuple[Column, ...],
        read_keys: ReadKeys,
        findings: Findings,
    ) -> None:
        self._files = [*new, *old]
        self._number = {(file.file, file.day): number for number, file in enumerate(self._files)}
        self._new = len(new)
        self._source = self._files, key, read_keys
        self._findings = findings
        self._parts: list[_Rows] = []
        self._size = self._settled = 0

    def add(self, file: KeyFile, part: Slice, places: Array) -> None:
        """Take the rows at these places of a slice of a file."""
        number = self._number[file.file, file.day]
        for start in range(0, len(places), LIMIT):
            some = places[start : start + LIMIT]
            rows = _Rows(
                np.full(len(some), number, np.int32),
                part.take(some, "row", 0),
                part.hi[some],
                part.lo[some],
                np.full(len(some), number < self._new),
                part.take(some, "published", NEVER),
                part.take(some, "partition", -1),
                part.take(some, "offset", 0),
            )
            self._parts.append(rows)
            self._size += len(some)
            if self._size >= max(LIMIT, 2 * self._settled):
                self.settle()

    def settle(self, *, finally_: bool = False) -> None:
        """Name the rows whose key came before, and keep one of each; ``finally_`` where no more will come."""
        if not self._parts:
            return
        rows = _Rows(*(np.concatenate([getattr(part, field.name) for part in self._parts]) for field in fields(_Rows)))
        self._parts.clear()
        rows = rows.take(_by_hash(rows))
        same = (rows.hi[1:] == rows.hi[:-1]) & (rows.lo[1:] == rows.lo[:-1])
        group = np.concatenate([[0], np.cumsum(~same)])
        several = np.zeros(int(group[-1]) + 1, bool)
        several[group[1:][same]] = True
        if finally_:  # what is old alone is nobody's business
            any_new = np.zeros(len(several), bool)
            any_new[group[rows.new]] = True
            several &= any_new
        asked = np.flatnonzero(several[group])
        kept = np.ones(len(rows), bool)
        if len(asked):
            some = rows.take(asked)
            kept[asked] = _firsts(some, same_keys(group[asked], some.file, some.row, *self._source))
        self._name(rows.take(np.flatnonzero(~kept & rows.new)))
        rows = rows.take(np.flatnonzero(kept))
        self._parts.append(rows)
        self._size = self._settled = len(rows)

    def _name(self, rows: _Rows) -> None:
        rows = rows.take(np.argsort(rows.file, kind="stable"))
        edges = np.searchsorted(rows.file, np.arange(self._new + 1))
        for number in range(self._new):
            some = slice(int(edges[number]), int(edges[number + 1]))
            self._findings.flag(self._files[number], rows.row[some], rows.partition[some], rows.offset[some])


def _by_hash(rows: _Rows) -> Array:
    """Return an order by (hi, lo). The parts ascend, so a stable sort by the one half only merges them."""
    order = np.argsort(rows.hi, kind="stable")
    hi, lo = rows.hi[order], rows.lo[order]
    if ((hi[1:] == hi[:-1]) & (lo[1:] < lo[:-1])).any():
        order = np.lexsort((rows.lo, rows.hi))
    return order


def _firsts(rows: _Rows, keys: Array) -> Array:
    """Return, for each row, whether it is the first of its key: what is old, then by time, place and file (bool)."""
    order = np.argsort(keys, kind="stable")
    numbers = keys[order]
    starts = np.concatenate([[0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1])
    sizes = np.diff(np.append(starts, len(numbers)))
    first = np.ones(len(order), bool)
    for name in ("new", "published", "partition", "offset", "file", "row"):
        values = getattr(rows, name)[order].astype(np.int64)
        values[~first] = np.iinfo(np.int64).max
        first &= values == np.repeat(np.minimum.reduceat(values, starts), sizes)
    found = np.empty(len(order), bool)
    found[order] = first
    return found
