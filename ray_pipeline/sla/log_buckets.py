"""How often numbers of which size came: a histogram whose bucket is a share of the number, for quantiles.

The bounds are those of DDSketch (a quantile is off by at most a given share of its value, histograms add up), but the
bucket of a number is read off its bits (exponent and the first six binary digits after it) and not off a logarithm,
which rounds differently from one machine to the next: what is stored can be proved by computing it again elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from . import stored
from .measure import Array, State

_SHIFT = 52 - 6
_SMALLEST = 1 << 6
"""The bucket of 2.2e-308, the smallest number with all its digits; what is nearer to zero counts as zero."""
_LARGEST = (0x7FF << 6) - 1
ERROR_BOUND = "at most 0.8 % of the value off"
"""A bucket is 1/64 of an octave wide: from its middle to its ends it is 1/129 of the middle."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and how far it can be off."""

    value: float
    error_bound: str | None = None
    """None: it is exact."""


@dataclass(frozen=True, slots=True, eq=False)
class LogBuckets:
    """Counts by bucket, sparse; of both signs and zero. Adding up is exact, so the order never matters."""

    keys: Array = field(default_factory=lambda: np.empty(0, np.int32))
    """Ascending as the numbers do."""
    counts: Array = field(default_factory=lambda: np.empty(0, np.int64))
    """None of them zero."""

    @classmethod
    def of(cls, numbers: Array) -> LogBuckets:
        """Count finite numbers (float64).

        >>> LogBuckets.of(np.array([1.0, 1.001, 0.0, -5.0])).counts.tolist()
        [1, 1, 2]
        """
        if not len(numbers):
            return cls()
        keys = _keys(numbers)
        low = int(keys.min())
        counts = np.bincount(keys - low)
        occupied = np.flatnonzero(counts)
        return cls((occupied + low).astype(np.int32), counts[occupied].astype(np.int64))

    def merge(self, other: LogBuckets) -> LogBuckets:
        if not len(other.keys):
            return self
        if not len(self.keys):
            return other
        keys, counts = add_up(self.keys, self.counts, other.keys, other.counts)
        return LogBuckets(keys, counts)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def quantile(self, p: float) -> float | None:
        """Return about the number of rank ``ceil(p * total)`` (at least 1), counted from the smallest; None of none."""
        if not len(self.keys):
            return None
        rank = max(1, math.ceil(p * self.total))
        index = min(int(np.searchsorted(np.cumsum(self.counts), rank)), len(self.keys) - 1)
        return middle(int(self.keys[index]))

    def at_most(self, limit: float) -> tuple[int, int]:
        """Return how many numbers are certainly, and how many at most can be, no higher than ``limit``."""
        key = int(_keys(np.array([limit], np.float64))[0])
        below = int(self.counts[: int(np.searchsorted(self.keys, key))].sum())
        upto = int(self.counts[: int(np.searchsorted(self.keys, key, "right"))].sum())
        return (upto, upto) if limit == edges(key)[1] else (below, upto)

    def state(self) -> State:
        return State({}, {"keys": self.keys.astype("<i4"), "counts": self.counts.astype("<i8")})

    @classmethod
    def load(cls, state: State, total: int) -> LogBuckets:
        """Return what was stored; the counts must add up to ``total``."""
        keys = stored.ascending(stored.numbers(state, "keys", "<i4"), "keys")
        counts = stored.numbers(state, "counts", "<i8", len(keys))
        size = np.abs(keys.astype(np.int64))
        if bool(np.any((size > _LARGEST) | ((size > 0) & (size < _SMALLEST)))):
            raise ValueError("a bucket that no number has")
        stored.adds_up(counts, total, "counts")
        return cls(keys, counts)


def middle(key: int) -> float:
    """Return the number that is off by the same share at both ends of a bucket."""
    low, high = edges(key)
    return 0.0 if key == 0 else math.copysign(1 / (0.5 / abs(low) + 0.5 / abs(high)), key)


def edges(key: int) -> tuple[float, float]:
    """Return the smallest and the largest number of a bucket."""
    if key == 0:
        return (0.0, 0.0)
    bits = np.array([abs(key) << _SHIFT, ((abs(key) + 1) << _SHIFT) - 1], np.int64)
    small, large = bits.view(np.float64).tolist()
    return (small, large) if key > 0 else (-large, -small)


def add_up(keys: Array, counts: Array, other_keys: Array, other_counts: Array) -> tuple[Array, Array]:
    """Merge two sparse histograms with ascending keys."""
    if len(keys) == len(other_keys) and np.array_equal(keys, other_keys):
        return keys, counts + other_counts
    merged, place = np.unique(np.concatenate([keys, other_keys]), return_inverse=True)
    total = np.zeros(len(merged), np.int64)
    total[place[: len(keys)]] = counts
    total[place[len(keys) :]] += other_counts
    return merged, total


def _keys(numbers: Array) -> Array:
    bits = np.ascontiguousarray(numbers, np.float64).view(np.int64)
    size = (bits & 0x7FFF_FFFF_FFFF_FFFF) >> _SHIFT
    size[size < _SMALLEST] = 0
    return np.where(bits < 0, -size, size)
