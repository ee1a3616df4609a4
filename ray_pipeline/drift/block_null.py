"""How far every window of a circle of days is from all other days, for one column, so that columns compare.

A statistic of Pearson's or Kolmogorov's kind has its own size in each column, and days that differ by themselves make
it many times larger than independent rows would. So each window's is measured by those of the windows that do not
overlap it: on a logarithmic scale, how many of their standard deviations it is beyond their mean. That is the design
effect of the column, taken from its days (Rao and Scott 1981, "The analysis of categorical data from complex sample
surveys", J. Am. Stat. Assoc. 76), and the window in question is measured in no other way than all others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from .circle import Circle
from .distance import statistics
from .student import student_tail
from .values import Floats, Ints
from .weekdays import SameWeekdays

Measure = Literal["ks", "chi2", "missing"]

_KOLMOGOROV = math.pi**2 / 12
"""The mean of Kolmogorov's statistic, squared, where rows are independent; Pearson's is its degrees of freedom."""
_OFFSET, _LEAST = 0.5, 0.25
"""Parts of what independent rows would give: added before the logarithm, and the least standard deviation after it.

A column whose windows all were alike is not infinitely far away when one row of it changes.
"""
_SAME = 1e-9


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """One question of every window: are this column's values, or its missing share, as on all other days?"""

    column: str
    far: Floats
    """Standard deviations beyond the usual; NaN where a window has nothing to be compared with."""
    statistic: float | None
    """Of the window in question, as the test has it."""
    apart: float | None
    """Its Jensen-Shannon distance …"""
    beyond: Floats
    """… and every window's, less what is usual: the root of its square minus the windows' median square.

    Few rows in many bins are apart without any drift; their squares add up to that of a true difference.
    """

    def p(self, place: int) -> float:
        """Return which share of all windows is as far away as one; 1 where it has nothing to be compared with."""
        there = self.far[~np.isnan(self.far)]
        return float((there >= self.far[place] - _SAME).mean()) if not np.isnan(self.far[place]) else 1.0

    def extrapolated(self, circle: Circle) -> float:
        """Return a p-value that is not bound to the number of windows: beyond a tenth of them, by Student's tail.

        Where the windows' own tail is heavier than Student's, it is taken up from there.
        """
        far, freedom = float(self.far[circle.place]), max(1, circle.disjoint - 1)
        if math.isnan(far):
            return 1.0
        known = np.sort(self.far[~np.isnan(self.far)])
        tenth = max(1, len(known) // 10)
        anchor = float(known[-tenth])
        if far <= anchor:
            return max(self.p(circle.place), student_tail(far, freedom))
        tail = student_tail(far, freedom)
        return max(tail, tail * tenth / len(known) / student_tail(anchor, freedom))


def member(name: str, measure: Measure, circle: Circle, counts: Ints, same: SameWeekdays | None = None) -> Member:
    """Return one column's question; ``counts`` have a row for each day of the circle, and bin 0 is not looked at."""
    windows = circle.sums(counts)
    references = counts.sum(axis=0) - windows if same is None else same.references(counts)
    n, m = windows[:, 1:].sum(axis=1).astype(np.float64), references[:, 1:].sum(axis=1).astype(np.float64)
    there = (n > 0) & (m > 0)
    if same is not None:
        there &= same.there
    squares = np.where(there, _divergences(windows, references), 0.0)
    raw = statistics("ks" if measure == "ks" else "chi2", cast("Ints", references), windows)
    # With more rows than usual a difference between days is no larger, and with fewer the chance of rows is.
    rows = np.minimum(n, np.median(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = rows * m / (rows + m)
        if measure == "ks":
            sized = weight * raw**2
        elif measure == "chi2":
            sized = weight * raw * (n + m) / (n * m)
        else:  # as a likelihood ratio: one missing row where there never was one is no wonder of Pearson's
            sized = weight * 8 * math.log(2) * squares
    bins = int(np.count_nonzero(counts[:, 1:].any(axis=0)))
    free = _KOLMOGOROV if measure == "ks" else max(1.0, bins - 1.0)
    place = circle.place
    told = bool(there[place])
    return Member(
        name,
        _standardised(circle, np.where(there, sized, 0.0), free, valid=None if same is None else same.there),
        float(raw[place]) if told else None,
        math.sqrt(squares[place]) if told else None,
        np.sqrt(np.maximum(0.0, squares - np.median(squares))),
    )


def _standardised(circle: Circle, sized: Floats, free: float, valid: npt.NDArray[np.bool_] | None) -> Floats:
    """Return how far each window is beyond those that do not overlap it; a window without a value is no distance."""
    logs = np.log(sized + _OFFSET * free)
    if valid is not None:
        logs = np.where(valid, logs, np.nan)
    mean, spread = circle.others(logs)
    times = max(2, circle.disjoint)  # windows that overlap each other say little more than those that do not
    spread = np.maximum(spread * math.sqrt(times / (times - 1)), _LEAST / math.sqrt(free))
    far: Floats = (logs - mean) / (spread * math.sqrt(1 + 1 / times))
    return far


def _divergences(windows: Ints, references: npt.NDArray[np.int64] | Floats) -> Floats:
    """Return the square of the Jensen-Shannon distance (base 2) of each window; bin 0 left out."""
    after, before = (one[:, 1:].astype(np.float64) for one in (windows, references))
    p, q = (one / np.maximum(one.sum(axis=1, keepdims=True), 1.0) for one in (after, before))
    middle = (p + q) / 2
    bits = np.zeros(len(p))
    for share in (p, q):
        there = share > 0
        ratio = np.divide(share, middle, out=np.ones_like(share), where=there)
        bits += (share * np.log2(ratio)).sum(axis=1)
    found: Floats = np.clip(bits / 2, 0.0, 1.0)
    return found
