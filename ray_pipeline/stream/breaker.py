"""Stop before a topic full of dead letters is committed because of one wrong contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

MIN_RECORDS = 1_000

Array = np.ndarray[Any, np.dtype[Any]]


class Breaker:
    """Trips when more than ``max_bad_share`` of some ``min_records`` consecutive records are bad.

    The same records trip it at the same one, however they are batched. After a person resumed the partition it is
    ``overridden``: it trips again only once that many consecutive records were healthy, and only after the commit
    that holds them, so that each ``resume`` gets at least one commit further.

    >>> breaker = Breaker(0.5, min_records=4)
    >>> breaker.observe(3, [(0, "type"), (1, "type"), (2, "type")])  # too few records to say
    >>> breaker.observe(1, [])
    >>> breaker.tripped
    '3 of 4 consecutive records are bad (by rule: type 3)'
    """

    def __init__(self, max_bad_share: float, *, min_records: int = MIN_RECORDS, overridden: bool = False) -> None:
        self._allowed = max_bad_share * min_records
        self._size = min_records
        self._off = max_bad_share >= 1
        self.overridden = overridden
        self._healed = False
        self.tripped: str | None = None
        """Why the partition must pause; no payload in it."""
        self._seen = 0
        self._bad: list[tuple[int, str]] = []  # those of the last window, by position since the start or the re-arming

    def observe(self, records: int, refused: Sequence[tuple[int, str]]) -> None:
        """Take ``records`` more records, of which those at the given indices are bad, each by a rule."""
        if self._off or self.tripped is not None:
            return
        begin, end = self._seen, self._seen + records
        self._bad.extend((begin + index, rule) for index, rule in refused)
        self._seen = end
        if self.overridden:
            self._look_for_health(begin)
        else:
            self._look_for_trouble(begin)
        self._bad = [(position, rule) for position, rule in self._bad if position > self._seen - self._size]

    @property
    def stays_overridden(self) -> bool:
        """Whether the next commit leaves it overridden."""
        return self.overridden and not self._healed

    def committed(self) -> None:
        """Take note of a commit: after a healthy window it is armed again, for what comes now."""
        if self._healed:
            self.overridden = self._healed = False
            self._seen, self._bad = 0, []

    def _look_for_trouble(self, begin: int) -> None:
        if len(self._bad) <= self._allowed:
            return
        positions = self._positions()
        # The worst windows end at a bad record, or are the very first full one.
        lasts = np.unique(np.maximum(positions, self._size - 1))
        lasts = lasts[(lasts >= begin) & (lasts < self._seen)]
        counts = self._counts(positions, lasts)
        over = np.flatnonzero(counts > self._allowed)
        if len(over):
            last, count = int(lasts[over[0]]), int(counts[over[0]])
            rules = Counter(rule for position, rule in self._bad if last - self._size < position <= last)
            named = ", ".join(f"{rule} {n}" for rule, n in rules.most_common(5))
            self.tripped = f"{count} of {self._size} consecutive records are bad (by rule: {named})"

    def _look_for_health(self, begin: int) -> None:
        positions = self._positions()
        first = max(begin, self._size - 1)
        # From one record to the next a window gets better only when a bad record leaves it.
        lasts = np.append(positions + self._size, first)
        lasts = lasts[(lasts >= first) & (lasts < self._seen)]
        self._healed = self._healed or bool((self._counts(positions, lasts) <= self._allowed).any())

    def _positions(self) -> Array:
        return np.fromiter((position for position, _ in self._bad), np.int64, len(self._bad))

    def _counts(self, positions: Array, lasts: Array) -> Array:
        """Count the bad records of each window that ends at one of ``lasts``."""
        return np.searchsorted(positions, lasts, "right") - np.searchsorted(positions, lasts - self._size, "right")
