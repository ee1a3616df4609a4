"""Which new rows have a key that came before: exact, in bounded memory, whatever the order of the files.

All hashes there are fall into ranges, few enough that the *new* keys of one fit in memory. In each range the new keys
are sorted together (runs are sorted already, so that is a merge), and the old runs are looked through one at a time,
of which only the pages around the new keys are touched. Only rows whose hash comes twice are candidates; their keys
are then read and compared, so that no row is ever called a duplicate for its hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import KeyFinding
from ray_pipeline.sla.keys.candidates import Candidates
from ray_pipeline.sla.keys.key_files import (
    RANGE_KEYS,
    Findings,
    KeyFile,
    ReadKeys,
    cut,
    in_order,
    matches,
    once,
    ranges,
)
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
    for day in sorted({file.day if scope == "day" else None for file in news}, key=str):
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
    hashes, twice = [], []
    for file in new:
        part = cut(file, first, last)
        findings.saw(file, len(part))
        twice.append(_repeated(part.hi))
        hashes.append(once(part.hi))
    known = _ascending(hashes)
    twice.append(_repeated(known))
    known = once(known)
    candidates = Candidates(old, new, key, read_keys, findings)
    for file in old:
        part = cut(file, first, last)
        places = matches(part.hi, known)
        candidates.add(file, part, places)
        twice.append(once(part.hi[places]))
    wanted = once(_ascending(twice))
    if len(wanted):
        for file in new:
            part = cut(file, first, last)
            candidates.add(file, part, matches(part.hi, wanted))
        candidates.settle(finally_=True)


def _repeated(ascending: Array) -> Array:
    return once(ascending[1:][ascending[1:] == ascending[:-1]])


def _ascending(runs: Sequence[Array]) -> Array:
    joined = np.concatenate(runs)
    joined.sort(kind="stable")  # it finds the runs in it, and merges them
    return joined
