"""What moved, in a few words: the bin whose share changed most, and by how much."""

from __future__ import annotations

import numpy as np

from ray_pipeline.text import visible

from .edges import Column
from .values import Floats, Ints

_LONGEST = 60
_TOLD_SHIFT = 0.05


def moved_values(column: Column, before: Ints | Floats, window: Ints | Floats, shift: float | None = None) -> str:
    """Return which bin gained or lost most; ``shift`` is that of a number's mean, in standard deviations.

    >>> from ray_pipeline.drift.edges import CategoryColumn
    >>> moved_values(CategoryColumn("carrier", ("AA", "UA")), np.array([0, 83, 17, 0]), np.array([9, 30, 10, 0]))
    'share of UA 0.17 → 0.25'
    """
    earlier, later = (one[1:] / max(1, one[1:].sum()) for one in (before, window))
    gained = later - earlier
    # What one bin gained another lost: of two that moved as far, the one that grew is told.
    place = int(np.argmax(np.where(gained >= np.abs(gained).max() - 1e-12, 2.0, np.abs(gained))))
    label = visible(column.labels()[place + 1])
    label = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    told = f"share of {label} {change(float(earlier[place]), float(later[place]))}"
    if shift is None or abs(shift) < _TOLD_SHIFT:
        return told
    return f"mean {abs(shift):.2g} sd {'higher' if shift > 0 else 'lower'}; {told}"


def moved_missing(before: float, window: float) -> str:
    """Return how the missing share changed.

    >>> moved_missing(0.002, 0.3)
    'missing 0.002 → 0.3'
    """
    return f"missing {change(before, window)}"


def change(before: float, after: float) -> str:
    """Return two shares with as many digits as tell them apart.

    >>> change(0.1704, 0.1709), change(0.0, 1.0)
    ('0.17 → 0.171', '0 → 1')
    """
    for digits in (2, 3, 4):
        told = f"{before:.{digits}g}", f"{after:.{digits}g}"
        if told[0] != told[1]:
            break
    return f"{told[0]} → {told[1]}"
