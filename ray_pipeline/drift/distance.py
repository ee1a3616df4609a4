"""How far two count vectors of one column are from each other; the missing (bin 0) are left out.

All of them are functions of counts alone, so a window that was counted by many actors is as far away as one that was
counted by one.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from .edges import CategoryColumn, Column, NumericColumn
from .values import Floats, Ints

Kind = Literal["ks", "chi2"]


def kind_of(column: Column) -> Kind:
    """Return the test that a column gets: numbers have an order, categories have none."""
    return "ks" if isinstance(column, NumericColumn) else "chi2"


def ks(reference: Ints, window: Ints) -> float:
    """Return the greatest difference of the two cumulative shares (Kolmogorov and Smirnov), on the bins' edges.

    NaN where a side has no value.

    >>> ks(np.array([9, 1, 1, 2]), np.array([0, 2, 1, 1]))
    0.25
    """
    return float(statistics("ks", reference, window))


def chi2(reference: Ints, window: Ints) -> float:
    """Return Pearson's statistic of homogeneity: both sides are samples, neither is the truth.

    NaN where a side has no value. A bin that neither side has adds nothing.

    >>> chi2(np.array([0, 10, 10]), np.array([0, 10, 10])), chi2(np.array([0, 10, 0]), np.array([0, 0, 10]))
    (0.0, 20.0)
    """
    return float(statistics("chi2", reference, window))


def statistics(kind: Kind, reference: Ints, window: Ints) -> Floats:
    """Return one statistic for each pair of count vectors; the last axis is that of the bins.

    >>> pooled, windows = np.array([0, 3, 3]), np.array([[0, 0, 3], [0, 1, 2]])
    >>> statistics("ks", pooled - windows, windows).round(3).tolist()
    [1.0, 0.333]
    """
    before, after = reference[..., 1:], window[..., 1:]
    n, m = before.sum(axis=-1, dtype=np.float64), after.sum(axis=-1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "ks":
            apart = after.cumsum(axis=-1) / m[..., None] - before.cumsum(axis=-1) / n[..., None]
            found: Floats = np.abs(apart).max(axis=-1, initial=0.0)
            found = np.where((n > 0) & (m > 0), found, np.nan)
        else:
            pooled = (before + after).astype(np.float64)
            apart = after * np.sqrt(n / m)[..., None] - before * np.sqrt(m / n)[..., None]
            found = np.where(pooled > 0, apart**2 / np.where(pooled > 0, pooled, 1.0), 0.0).sum(axis=-1)
            found = np.where((n > 0) & (m > 0), found, np.nan)
    return found


def jensen_shannon(reference: Ints, window: Ints) -> float:
    """Return the Jensen-Shannon distance (base 2): 0 for equal shares, 1 where no value is common to both.

    It is a distance of the samples as they are: few rows in many bins are far from each other without any drift, which
    is why it is a floor under a test and never the test. NaN where a side has no value.

    >>> before = np.array([5, 10, 0])
    >>> jensen_shannon(before, np.array([0, 0, 3])), jensen_shannon(before, np.array([0, 2, 0]))
    (1.0, 0.0)
    """
    before, after = reference[1:].astype(np.float64), window[1:].astype(np.float64)
    if not before.sum() or not after.sum():
        return math.nan
    p, q = before / before.sum(), after / after.sum()
    middle = (p + q) / 2
    bits = (_bits(p, middle) + _bits(q, middle)) / 2
    return math.sqrt(min(1.0, max(0.0, bits)))


def mean_shift(column: Column, reference: Ints, window: Ints) -> float | None:
    """Return how far a number's mean moved, in the reference's standard deviations, from the bins' middles.

    The open ends count as their edge, so a value far outside moves it less than it would the mean itself. None for a
    category, for a side without values, and where the reference has no spread, or one that no number holds.

    >>> column = NumericColumn("stops", (0.0, 1.0, 2.0), few=True)
    >>> mean_shift(column, np.array([0, 0, 5, 0, 5]), np.array([0, 0, 0, 0, 8]))
    1.0
    """
    if isinstance(column, CategoryColumn) or not column.edges:
        return None
    before, after = reference[1:], window[1:]
    if not before.sum() or not after.sum():
        return None
    middles = _middles(column)
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the greatest there are, no mean can be said
        mean = float(np.average(middles, weights=before))
        spread = math.sqrt(float(np.average((middles - mean) ** 2, weights=before)))
        shift = (float(np.average(middles, weights=after)) - mean) / spread if spread > 0 else math.nan
    return shift if math.isfinite(shift) and math.isfinite(spread) else None


def _middles(column: NumericColumn) -> Floats:
    """Return one value for each bin but the first; halves are added, for the sum of two edges may be infinite."""
    edges = np.asarray(column.edges)
    inner = edges[:-1] if column.few else edges[:-1] / 2 + edges[1:] / 2
    return np.concatenate([edges[:1], inner, edges[-1:]])


def _bits(p: Floats, middle: Floats) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / middle[there])))
