"""Many columns and one budget: how often any column of any window is as far away as this one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .values import Floats

_SAME = 1e-9
"""Distances that differ by less differ by rounding."""


def step_down(far: Floats, counts: npt.NDArray[np.bool_] | None, place: int) -> Floats:
    """Return each row's p-value for the whole family; a row for each question, a column for each window.

    ``far`` has how far each window is away, in units that all questions share, and NaN where it cannot be said. The
    farthest question is held against the maximum of all of them in every window, the next one against the maximum of
    all but that, and so on (Westfall and Young 1993, "Resampling-Based Multiple Testing", algorithm 4.1: dependence
    between questions costs nothing). ``counts`` is true where a window is far enough to be called different at all:
    what nobody would be told of does not stand in the way of what somebody is.

    >>> far = np.array([[9.0, 1.0, 0.0, 2.0], [3.0, 0.0, 5.0, 1.0]])
    >>> step_down(far, None, 0).tolist()
    [0.25, 0.5]
    """
    adjusted = np.full(len(far), np.nan)
    there = ~np.isnan(far).all(axis=0)
    total = int(there.sum())
    asked = np.flatnonzero(~np.isnan(far[:, place]))
    order = asked[np.argsort(-far[asked, place], kind="stable")]
    seen = np.where(np.isnan(far) if counts is None else np.isnan(far) | ~counts, -np.inf, far)
    beyond = np.full(far.shape[1], -np.inf)
    others = np.arange(far.shape[1]) != place
    for row in order[::-1]:
        beyond = np.maximum(beyond, seen[row])
        as_far = int((beyond[others & there] >= far[row, place] - _SAME).sum())
        adjusted[row] = (1 + as_far) / total
    adjusted[order] = np.maximum.accumulate(adjusted[order])
    return adjusted


def budget_shares(windows: Sequence[int], alpha: float) -> list[float]:
    """Return which part of the budget each of some families has, by the number of windows that each can be ranked in.

    A rank among few windows is a coarse p-value, so such a family needs more of the budget to say anything; the parts
    are equal where all can speak with that. A family that cannot has none: the one with the fewest windows first.
    (Weights on p-values, fixed before they are seen: Genovese, Roeder and Wasserman 2006, Biometrika 93.)

    >>> budget_shares([97, 97], 0.05), budget_shares([97, 10], 0.05), budget_shares([97, 28], 0.05)[1] > 0.5
    ([0.5, 0.5], [1.0, 0.0], True)
    """
    heard = sorted(range(len(windows)), key=lambda one: -windows[one])
    while heard and sum(1 / windows[one] for one in heard) > alpha * (1 + 1e-12):
        heard.pop()
    shares = [0.0] * len(windows)
    least = sum(1 / windows[one] for one in heard)
    equal = bool(heard) and len(heard) / windows[heard[-1]] <= alpha
    for one in heard:
        shares[one] = 1 / len(heard) if equal else 1 / windows[one] / least
    return shares
