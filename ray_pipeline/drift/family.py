"""Many columns at once: without a correction, fifty columns that did not move raise an alarm in nine of ten windows."""

from __future__ import annotations

import numpy as np

from .values import Floats


def benjamini_hochberg(p: Floats) -> Floats:
    """Return adjusted p-values: those up to alpha are drift, and of these a share of alpha at most is expected wrong.

    Where no column moved, any alarm at all has a probability of alpha. NaN is no test, and stays NaN. (Benjamini and
    Hochberg 1995, "Controlling the false discovery rate", J. R. Statist. Soc. B 57.)

    >>> benjamini_hochberg(np.array([0.01, 0.04, np.nan, 0.03])).round(4).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    if not len(tested):
        return adjusted
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
