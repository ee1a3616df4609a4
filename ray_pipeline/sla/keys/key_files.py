"""The keys of one file as a merge takes them, and the hash ranges that keep a merge within bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from ray_pipeline.sla.check import KeyFinding
from ray_pipeline.sla.flagged import EXAMPLES
from ray_pipeline.sla.keys.key_runs import KeyRun, Run
from ray_pipeline.sla.measure import Array, RowRef

RANGE_KEYS = 2_000_000
"""About how many keys a merge holds at a time."""

ReadKeys = Callable[[str, str, Array], pa.Table]
"""``read_keys(file, day, positions)``: the key's columns of these rows (ascending), in this order."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One file's keys of one event day."""

    file: str
    """The file's key in the store."""
    day: str
    source: str
    """What a row's name begins with: the topic, or the name of a file that our ingest did not write."""
    keys: int
    """How many keys the run holds (``KeyRun.keys``): what the ranges are made from, without a load."""
    load: Callable[[], KeyRun]
    """Called once or twice per range, so it should be cheap to repeat: arrays mapped from a file, or kept somewhere."""
    excluded: Array | None = None
    """Row numbers, ascending, that do not count: they were quarantined, so nothing is a duplicate of them."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one file holds of one range of hashes, ascending by (hi, lo, row), without what was excluded."""

    hi: Array
    lo: Array
    run: Run
    at: Array | slice
    """Where in the run it lies."""

    def take(self, places: Array, name: str, absent: int) -> Array:
        """Return a number that belongs to the rows at these places of the slice; ``absent`` where the file has none."""
        if name not in self.run.numbers:
            return np.full(len(places), absent)
        return self.run.numbers[name].take(places + self.at.start if isinstance(self.at, slice) else self.at[places])

    def __len__(self) -> int:
        return len(self.hi)


def ranges(files: Iterable[KeyFile], range_keys: int) -> Iterator[tuple[int, int]]:
    """Yield ``(first, last)`` of ``hi``, equal parts of all there are, so that each holds about so many of these keys.

    >>> [hex(last) for first, last in ranges([], 10)]
    ['0xffffffffffffffff']
    """
    if range_keys < 1:
        raise ValueError("a range holds at least one key")
    count = max(1, -(-sum(file.keys for file in files) // range_keys))
    for i in range(count):
        yield (i << 64) // count, ((i + 1 << 64) // count) - 1


def cut(file: KeyFile, first: int, last: int) -> Slice:
    """Return what the file holds from ``first`` to ``last``, both included."""
    run = file.load().run
    start = int(np.searchsorted(run.hi, np.uint64(first), "left"))
    stop = int(np.searchsorted(run.hi, np.uint64(last), "right"))
    at: Array | slice = slice(start, stop)
    if file.excluded is not None and len(file.excluded):
        at = np.flatnonzero(~_among(run.numbers["row"].take(at), file.excluded)) + start if stop > start else at
    return Slice(run.hi[at], run.lo[at], run, at)


def _among(rows: Array, ascending: Array) -> Array:
    at = np.searchsorted(ascending, rows)
    at[at == len(ascending)] = 0
    among: Array = ascending[at] == rows
    return among


def matches(hay: Array, needles: Array) -> Array:
    """Return where ``hay`` has a value of ``needles``; both ascend, and no needle comes twice."""
    if len(hay) == 0 or len(needles) == 0:
        return np.empty(0, np.int64)
    if len(needles) >= len(hay):
        at = np.searchsorted(needles, hay)
        at[at == len(needles)] = 0
        return np.flatnonzero(needles[at] == hay)
    left = np.searchsorted(hay, needles)
    inside = left < len(hay)
    left, needles = left[inside], needles[inside]
    hit = hay[left] == needles
    left = left[hit]
    counts = np.searchsorted(hay, needles[hit], "right") - left
    return np.repeat(left - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))


def once(ascending: Array) -> Array:
    """Return each value once. ``np.unique`` takes ten times as long, and does not see that they ascend."""
    return np.concatenate([ascending[:1], ascending[1:][ascending[1:] != ascending[:-1]]])


def in_order(files: Iterable[KeyFile]) -> list[KeyFile]:
    """Return the files by name and day: what is found depends on no other order. None may come twice."""
    ordered = sorted(files, key=lambda file: (file.file, file.day))
    for one, other in pairwise(ordered):
        if (one.file, one.day) == (other.file, other.day):
            raise ValueError(f"{one.file} is given twice for {one.day}")
    return ordered


class Findings:
    """What was found so far, by day and file."""

    def __init__(self, files: Iterable[KeyFile]) -> None:
        self._rows: dict[str, int] = {file.day: 0 for file in files}
        self._pending = dict.fromkeys(self._rows, 0)
        self._examples: dict[str, list[RowRef]] = {day: [] for day in self._rows}
        self._positions: dict[str, dict[str, list[Array]]] = {day: {} for day in self._rows}

    def saw(self, file: KeyFile, rows: int) -> None:
        """Count rows that were looked at."""
        self._rows[file.day] += rows

    def flag(self, file: KeyFile, rows: Array, partitions: Array, offsets: Array) -> None:
        """Note these rows as breaking the rule; a row that came from no partition (-1) is named by its number."""
        if len(rows) == 0:
            return
        self._positions[file.day].setdefault(file.file, []).append(rows)
        numbers = np.where(partitions < 0, rows, offsets)
        lowest = np.lexsort((numbers, partitions))[:EXAMPLES]
        named = [RowRef(file.source, int(partitions[i]), int(numbers[i])) for i in lowest]
        self._examples[file.day] = sorted(self._examples[file.day] + named)[:EXAMPLES]

    def wait(self, file: KeyFile, rows: int) -> None:
        """Count rows that cannot be judged yet."""
        self._pending[file.day] += rows

    def by_day(self, problem: str | None = None) -> dict[str, KeyFinding]:
        """Return all of it."""
        found = {}
        for day in sorted(self._rows):
            positions = {name: np.sort(np.concatenate(some)) for name, some in sorted(self._positions[day].items())}
            flagged = sum(len(some) for some in positions.values())
            examples = tuple(self._examples[day])
            found[day] = KeyFinding(self._rows[day], flagged, self._pending[day], examples, positions, problem)
        return found
