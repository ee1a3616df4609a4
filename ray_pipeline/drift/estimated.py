"""How good calibrated probabilities probably are, before any label has come; and how wrong that was, once they have.

If of the rows that are given 0.3 three in ten come true, the scores alone say what to expect: each row is true with its
own probability, and a metric's expected value follows. NannyML calls it confidence-based performance estimation
(CBPE); the AUC is that of each row counted as true with its probability and as false with the rest. It sees a change of
the rows, never a change of what they mean: after a drift of the concept the scores are as sure of themselves as before.

The standard errors say how far the labels' luck moves the metric if the scores are right. So an estimate that is off by
many of them says that the scores are not calibrated any more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .values import Floats, as_floats

METRICS = ("auc", "log_loss", "brier", "base_rate")
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric's expected value, and the standard error of what labels will say."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class Estimated:
    """What scores say of themselves. None: not defined, as the AUC where no row can be true."""

    rows: int
    auc: Estimate | None
    log_loss: Estimate | None
    brier: Estimate | None
    base_rate: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Return the estimates as a mapping."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Miss:
    """How wrong the estimate of a metric was."""

    estimated: float
    realised: float
    standard_error: float

    @property
    def error(self) -> float:
        """What came minus what was expected."""
        return self.realised - self.estimated

    @property
    def sigmas(self) -> float | None:
        """The same in standard errors; None where there was no doubt."""
        return self.error / self.standard_error if self.standard_error > 0 else None


@dataclass(frozen=True, slots=True)
class Misses:
    """How wrong the estimates of some rows were. None: not defined, or the labels are all the same."""

    rows: int
    auc: Miss | None
    log_loss: Miss | None
    brier: Miss | None
    base_rate: Miss | None

    def to_json(self) -> dict[str, Any]:
        """Return all as a mapping, with each one's ``error`` and ``sigmas``."""
        found: dict[str, Any] = {"rows": self.rows}
        for name in METRICS:
            miss: Miss | None = getattr(self, name)
            found[name] = None if miss is None else asdict(miss) | {"error": miss.error, "sigmas": miss.sigmas}
        return found


def estimate(scores: Any, *, design: float = 1.0) -> Estimated:
    """Estimate the metrics of calibrated probabilities from nothing but themselves.

    ``design`` is the labels' design effect: flights of one day are late together, and then their luck does not cancel
    out as that of independent rows.

    >>> round(estimate([0.1, 0.1, 0.4]).base_rate.value, 3)
    0.2
    """
    said = _scores(scores)
    if not len(said):
        return Estimated(0, None, None, None, None)
    luck = said * (1 - said)
    inner = np.clip(said, _EPS, 1 - _EPS)
    odds = np.log(inner) - np.log1p(-inner)
    rows, wide = len(said), np.sqrt(design)

    def of(value: float, effect: Floats) -> Estimate:
        """``effect`` is what a row's label changes in the metric."""
        return Estimate(value, float(wide * np.sqrt(luck @ effect**2)))

    values = _values(said, said)
    area, effect = _area(said, said, 1 - said)
    return Estimated(
        rows,
        None if area is None else of(area, effect),
        of(values["log_loss"], odds / rows),
        of(values["brier"], (1 - 2 * said) / rows),
        of(values["base_rate"], np.ones(rows) / rows),
    )


def how_wrong(scores: Any, labels: Any, *, design: float = 1.0) -> Misses:
    """Compare what scores said of themselves with what their labels, 0 or 1, say: both on the rows that are given."""
    said, true = _scores(scores), as_floats(labels)
    if len(said) != len(true):
        raise ValueError(f"each score has a label: there are {len(said)} scores and {len(true)} labels")
    if not np.isin(true, (0.0, 1.0)).all():
        at = int((~np.isin(true, (0.0, 1.0))).argmax())
        raise ValueError(f"labels[{at}] is not 0 or 1; leave out rows without a label")
    expected = estimate(said, design=design)
    realised: dict[str, float | None] = {"auc": _area(said, true, 1 - true)[0]}
    if len(said):
        realised |= _values(said, true)
    found: dict[str, Miss | None] = {}
    for name in METRICS:
        before: Estimate | None = getattr(expected, name)
        after = realised[name] if before is not None else None
        if before is None or after is None:
            found[name] = None
        else:
            found[name] = Miss(before.value, after, before.standard_error)
    return Misses(len(said), **found)


def _scores(scores: Any) -> Floats:
    said = np.atleast_1d(as_floats(scores))
    outside = ~((said >= 0) & (said <= 1))
    if outside.any():
        at = int(outside.argmax())
        raise ValueError(f"scores[{at}] is {'missing' if np.isnan(said[at]) else 'no probability'}")
    return said


def _values(said: Floats, true: Floats) -> dict[str, float]:
    """Return the metrics that are means over rows; ``true`` may be a probability of being true."""
    right = np.log(np.clip(said, _EPS, 1.0)) * true + np.log(np.clip(1 - said, _EPS, 1.0)) * (1 - true)
    squared = (1 - said) ** 2 * true + said**2 * (1 - true)
    return {"log_loss": -float(right.mean()), "brier": float(squared.mean()), "base_rate": float(true.mean())}


def _area(said: Floats, true: Floats, false: Floats) -> tuple[float | None, Floats]:
    """Return the AUC of rows that are true and false in parts, and what a row's being true instead changes in it.

    The share of pairs of different rows, one true and one false, in which the true one has the higher score; ties
    count half. Its derivative by a row's label is the row's part of the variance (the delta method).
    """
    none = np.zeros(len(said))
    _, place = np.unique(said, return_inverse=True)
    if not len(said):
        return None, none
    trues, falses = np.bincount(place, weights=true), np.bincount(place, weights=false)
    below = (np.cumsum(falses) - falses / 2)[place] - false / 2
    above = float(true.sum()) - (np.cumsum(trues) - trues / 2)[place] - true / 2
    positives, negatives = float(true.sum()), float(false.sum())
    pairs = positives * negatives - float(true @ false)  # a row is no pair with itself
    if pairs <= 1e-12:
        return None, none
    area = float(true @ below) / pairs
    effect = (below - above - area * ((negatives - false) - (positives - true))) / pairs
    return area, effect
