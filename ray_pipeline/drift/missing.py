"""The missing share of a column, as a column of its own: a value is there, or it is not."""

from __future__ import annotations

import numpy as np

from .values import Floats, Ints


def as_missing(counts: Ints) -> Ints:
    """Return counts of three bins (none, missing, there) from counts whose bin 0 is for what is missing.

    >>> as_missing(np.array([3, 10, 7])).tolist()
    [0, 3, 17]
    """
    missing, there = counts[..., 0], counts[..., 1:].sum(axis=-1)
    return np.stack([np.zeros_like(missing), missing, there], axis=-1)


def missing_share(total: Ints | Floats) -> float | None:
    """Return which share of the rows has no value; None without rows."""
    rows = float(total.sum())
    return float(total[0]) / rows if rows else None
