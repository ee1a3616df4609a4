"""Which new rows have a key that came before: exact, in bounded memory, whatever the order of the files.

All hashes there are fall into ranges, few enough that the *new* keys of one fit in memory. In each range the new keys
are sorted together (runs are sorted already, so that is a merge), and the old runs are looked through one at a time,
of which only the pages around the new keys are touched. Only rows whose whole hash comes twice are candidates; their
keys are then read and compared, so that no row is ever called a duplicate for its hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import KeyFinding
from ray_pipeline.sla.keys.confirm import repeats
from ray_pipeline.sla.keys.key_files import (
    RANGE_KEYS,
    Findings,
    KeyFile,
    ReadKeys,
    Slice,
    cut,
    in_order,
    matches,
    ranges,
)
from ray_pipeline.sla.keys.key_runs import NEVER
from ray_pipeline.sla.measure import Array


def find_duplicates(
    new: Iterable[KeyFile],
    old: Iterable[KeyFile],
    key: tuple[Column, ...],
    read_keys: ReadKeys,
    *,
    scope: Literal["dataset", "day"] = "dataset",
    range_keys: int = RANGE_KEYS,
) -> dict[str, KeyFinding]:
    """Return, for each day of the new files, which of *their* rows repeat a key.

    What is old wins over what is new; among the new the first by (published, partition, offset) wins, and in files
    that have none of these the first by (file, row). With scope ``day`` a key may come again on another day. A row with
    a null in its key is not looked at. A file is either new or old.
    """
    news, olds = in_order(new), in_order(old)
    in_order([*news, *olds])
    findings = Findings(news)
    for day in sorted({file.day for file in news}) if scope == "day" else [None]:
        now = [file for file in news if day in (None, file.day)]
        before = [file for file in olds if day in (None, file.day)]
        for first, last in ranges(now, range_keys):
            _look(now, before, first, last, key, read_keys, findings)
    return findings.by_day()


def _look(
    new: Sequence[KeyFile],
    old: Sequence[KeyFile],
    first: int,
    last: int,
    key: tuple[Column, ...],
    read_keys: ReadKeys,
    findings: Findings,
) -> None:
    parts = [cut(file, first, last).copy() for file in new]
    for file, part in zip(new, parts, strict=True):
        findings.saw(file, len(part))
    hashes = np.concatenate([part.hi for part in parts])
    hashes.sort(kind="stable")  # it finds the runs in it, and merges them
    again = hashes[1:] == hashes[:-1]
    twice = [hashes[1:][again]]
    hashes = np.concatenate([hashes[:1], hashes[1:][~again]])
    candidates = _Candidates()
    for number, file in enumerate(old, start=len(new)):
        part = cut(file, first, last)
        places = matches(part.hi, hashes)
        if len(places):
            candidates.add(number, part, places, old=True)
            twice.append(part.hi[places])
    wanted = np.unique(np.concatenate(twice))
    for number, part in enumerate(parts):
        candidates.add(number, part, matches(part.hi, wanted), old=False)
    for number, places in candidates.repeated([*new, *old], len(new), key, read_keys):
        findings.flag(new[number], parts[number], places)


@dataclass(frozen=True, slots=True)
class _Some:
    """Rows of one file whose ``hi`` comes more than once."""

    file: Array
    place: Array
    hi: Array
    lo: Array
    new: Array
    published: Array
    partition: Array
    offset: Array
    row: Array


class _Candidates:
    """Rows that may be duplicates, and what may come before them."""

    def __init__(self) -> None:
        self._parts: list[_Some] = []

    def add(self, file: int, part: Slice, places: Array, *, old: bool) -> None:
        """Take the rows at these places of a slice of a file."""
        if len(places) == 0:
            return
        numbers = (
            part.take(places, "published", NEVER),
            part.take(places, "partition", -1),
            part.take(places, "offset", 0),
            part.take(places, "row", 0),
        )
        new = np.full(len(places), not old)
        self._parts.append(
            _Some(np.full(len(places), file, np.int32), places, part.hi[places], part.lo[places], new, *numbers)
        )

    def repeated(
        self, files: Sequence[KeyFile], new: int, key: tuple[Column, ...], read_keys: ReadKeys
    ) -> list[tuple[int, Array]]:
        """Return, for each new file that has some, the places of the rows whose key comes earlier."""
        if not self._parts:
            return []
        file, place, hi, lo, is_new, published, partition, offset, row = (
            np.concatenate([getattr(part, name) for part in self._parts]) for name in _Some.__slots__
        )
        order = np.lexsort((row, file, offset, partition, published, is_new, lo, hi))
        same = (hi[order[1:]] == hi[order[:-1]]) & (lo[order[1:]] == lo[order[:-1]])
        group = np.concatenate([[0], np.cumsum(~same)])
        open_groups = np.zeros(int(group[-1]) + 1, bool)  # where a new row follows another one
        open_groups[group[1:][same & is_new[order[1:]]]] = True
        kept = open_groups[group]
        order, group = order[kept], group[kept]
        if len(order) == 0:
            return []
        flagged = order[repeats(group, file[order], row[order], files, key, read_keys) & is_new[order]]
        by_file = flagged[np.argsort(file[flagged], kind="stable")]
        edges = np.searchsorted(file[by_file], np.arange(new + 1))
        return [(number, place[by_file[edges[number] : edges[number + 1]]]) for number in range(new)]
