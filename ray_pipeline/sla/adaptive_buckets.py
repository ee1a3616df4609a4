"""Where numbers lie, for people: a histogram of bounded size that is as fine as the numbers together allow.

A bucket is all integers that are equal without their last ``shift`` bits, and ``shift`` is the smallest for which no
more than 256 buckets are occupied. Parts never need a larger shift than the whole, so whatever the order of merging,
the result is that of counting everything at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from . import stored
from .log_buckets import add_up
from .measure import Array, State

MOST = 256
_WIDEST = 63


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveBuckets:
    """Counts of int64 numbers by bucket, sparse."""

    shift: int = 0
    keys: Array = field(default_factory=lambda: np.empty(0, np.int64))
    """The numbers shifted right, ascending."""
    counts: Array = field(default_factory=lambda: np.empty(0, np.int64))

    @classmethod
    def of(cls, numbers: Array) -> AdaptiveBuckets:
        """Count numbers.

        >>> AdaptiveBuckets.of(np.array([3, 3, 7])).keys.tolist()
        [3, 7]
        """
        keys, counts = np.unique(numbers.astype(np.int64, copy=False), return_counts=True)
        return _coarse_enough(0, keys, counts.astype(np.int64))

    def merge(self, other: AdaptiveBuckets) -> AdaptiveBuckets:
        shift = max(self.shift, other.shift)
        one, two = (_coarser(part.keys, part.counts, shift - part.shift) for part in (self, other))
        return _coarse_enough(shift, *add_up(*one, *two))

    def edges(self) -> tuple[list[int], list[int]]:
        """Return the lowest number of each bucket, and the first above it."""
        lows = [key << self.shift for key in self.keys.tolist()]
        return lows, [low + (1 << self.shift) for low in lows]

    def state(self) -> State:
        return State({"shift": self.shift}, {"keys": self.keys.astype("<i8"), "counts": self.counts.astype("<i8")})

    @classmethod
    def load(cls, state: State, total: int) -> AdaptiveBuckets:
        """Return what was stored; the counts must add up to ``total``."""
        shift = stored.whole(state, "shift")
        keys = stored.ascending(stored.numbers(state, "keys", "<i8"), "keys")
        counts = stored.numbers(state, "counts", "<i8", len(keys))
        stored.adds_up(counts, total, "counts")
        if shift > _WIDEST or len(keys) > MOST:
            raise ValueError("buckets that no numbers have")
        if len(keys) and not (int(keys[0]) << shift >= -(2**63) and int(keys[-1]) << shift < 2**63):
            raise ValueError("buckets that no numbers have")
        return cls(shift, keys, counts)


def _coarse_enough(shift: int, keys: Array, counts: Array) -> AdaptiveBuckets:
    if len(keys) <= MOST:
        return AdaptiveBuckets(shift, keys, counts)
    apart = (keys[1:] ^ keys[:-1]).view(np.uint64)  # two numbers share a bucket where no higher bit is different
    low, high = 1, _WIDEST
    while low < high:
        middle = (low + high) // 2
        if np.count_nonzero(apart >> np.uint64(middle)) < MOST:
            high = middle
        else:
            low = middle + 1
    return AdaptiveBuckets(shift + low, *_coarser(keys, counts, low))


def _coarser(keys: Array, counts: Array, by: int) -> tuple[Array, Array]:
    if not by or not len(keys):
        return keys, counts
    shifted = keys >> by
    starts = np.flatnonzero(np.concatenate([[True], shifted[1:] != shifted[:-1]]))
    return shifted[starts], np.add.reduceat(counts, starts)
