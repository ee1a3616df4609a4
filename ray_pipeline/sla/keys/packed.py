"""Integers that lie close together, stored as what they are above the lowest: a fraction of the bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ray_pipeline.sla.measure import Array

_WIDTHS = tuple(np.dtype(name) for name in ("|u1", "<u2", "<u4"))
TYPES = frozenset((*_WIDTHS, np.dtype("<i8")))


@dataclass(frozen=True, slots=True)
class Packed:
    """``base + above[i]``, as int64."""

    base: int
    above: Array

    def take(self, rows: Array | slice) -> Array:
        """Return the numbers of some rows, int64."""
        return self.above[rows].astype(np.int64) + np.int64(self.base)

    def __len__(self) -> int:
        return len(self.above)


def pack(numbers: Array) -> Packed:
    """Return int64 numbers in the narrowest type that holds them.

    >>> pack(np.array([1_000_000, 1_000_200]))
    Packed(base=1000000, above=array([  0, 200], dtype=uint8))
    """
    if len(numbers) == 0:
        return Packed(0, np.empty(0, "|u1"))
    base, top = int(numbers.min()), int(numbers.max())
    for width in _WIDTHS:
        if top - base <= np.iinfo(width).max:
            return Packed(base, (numbers - np.int64(base)).astype(width))
    return Packed(0, numbers.astype("<i8"))
