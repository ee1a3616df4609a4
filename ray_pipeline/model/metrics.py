"""How good probabilities are, and how sure that is: metrics with intervals by a bootstrap over days.

Flights of one day share its weather, so rows are not drawn one by one: a resample draws whole days. Where a metric is
not defined, as the AUC of one class, it is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_pipeline.model.ranking import Ranking

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Of the intervals."""
BINS = 10
_DAY = 86_400_000_000
_EPS = float(np.finfo(np.float64).eps)
_NAMES = ("auc", "log_loss", "brier", "base_rate", "ece")


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's value and its interval; there is none with fewer than two days."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """One piece of the calibration curve: as many rows as in the others, ties apart."""

    rows: int
    said: float
    """The mean probability."""
    true: float
    """The share of true labels."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """What is known of some rows' probabilities."""

    rows: int
    positives: int
    days: int
    """Blocks that the bootstrap draws from."""
    resamples: int
    auc: Measure
    log_loss: Measure
    brier: Measure
    base_rate: Measure
    ece: Measure
    """Expected calibration error: the bins' mean distance between what was said and what came true."""
    curve: tuple[Bin, ...] = ()
    calibrated_on: bool = False
    """The calibrator was fitted to these very rows: its part of the metrics flatters."""

    def to_json(self) -> dict[str, Any]:
        """Return the metrics as :meth:`from_json` reads them."""
        return asdict(self) | {"curve": [asdict(one) for one in self.curve], "level": LEVEL}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Metrics:
        """Read metrics; ``ValueError`` where these are none."""
        try:
            values = {name: Measure(**found[name]) for name in _NAMES}
            counts = {name: found[name] for name in ("rows", "positives", "days", "resamples", "calibrated_on")}
            read: dict[str, Any] = counts | values | {"curve": tuple(Bin(**one) for one in found["curve"])}
            return cls(**read)
        except (KeyError, TypeError) as error:
            raise ValueError(f"are no metrics ({type(error).__name__}: {error})") from None


@dataclass(frozen=True, slots=True)
class Paired:
    """The second model's metrics minus the first one's, on the same rows."""

    rows: int
    days: int
    resamples: int
    auc: Measure
    log_loss: Measure
    brier: Measure
    better: float | None
    """The share of resamples in which the second one's log loss is lower."""

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as a mapping."""
        return asdict(self) | {"level": LEVEL}


def days_of(asked_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the UTC day of each moment, counted from 1970."""
    found: NDArray[np.int64] = asked_us // _DAY
    return found


def measure(
    labels: ArrayLike, probabilities: ArrayLike, days: ArrayLike, resamples: int = 200, seed: int = 0
) -> Metrics:
    """Return the metrics of probabilities of a true label. ``days`` names each row's block, in whatever values."""
    true, said, block, blocks = _arrays(labels, probabilities, days)
    bins = _bins(said)
    ranking = Ranking(true, said, block)
    sums = _sums(true, said, block, blocks, bins)
    once = np.ones(blocks)
    point = _values(once, sums) | {"auc": ranking.auc()}
    drawn: dict[str, list[float | None]] = {name: [] for name in _NAMES}
    for weights in _draws(blocks, resamples, seed):
        for name, value in (_values(weights, sums) | {"auc": ranking.auc(weights)}).items():
            drawn[name].append(value)
    measures: dict[str, Any] = {name: _with_interval(point[name], drawn[name]) for name in _NAMES}
    return Metrics(
        rows=len(true),
        positives=int(true.sum()),
        days=blocks,
        resamples=resamples if blocks > 1 else 0,
        **measures,
        curve=_curve(sums),
    )


def paired(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    days: ArrayLike,
    resamples: int = 200,
    seed: int = 0,
) -> Paired:
    """Compare two models on the same rows: each resample draws the same days for both."""
    true, said, block, blocks = _arrays(labels, first, days)
    _, other, _, _ = _arrays(labels, second, days)
    rankings = (Ranking(true, said, block), Ranking(true, other, block))
    sums = tuple(_sums(true, one, block, blocks, np.zeros(len(true), dtype=np.intp)) for one in (said, other))
    names = ("auc", "log_loss", "brier")

    def differences(weights: NDArray[np.float64] | None) -> dict[str, float | None]:
        over = np.ones(blocks) if weights is None else weights
        both = [_values(over, sums[i]) | {"auc": rankings[i].auc(weights)} for i in (0, 1)]
        return {name: _minus(both[1][name], both[0][name]) for name in names}

    point = differences(None)
    drawn = [differences(weights) for weights in _draws(blocks, resamples, seed)]
    lower = [one["log_loss"] < 0 for one in drawn if one["log_loss"] is not None]
    return Paired(
        rows=len(true),
        days=blocks,
        resamples=len(drawn),
        **{name: _with_interval(point[name], [one[name] for one in drawn]) for name in names},
        better=sum(lower) / len(lower) if lower else None,
    )


@dataclass(frozen=True, slots=True)
class _Sums:
    """What each block adds to the metrics that are sums over rows: one row a block."""

    plain: NDArray[np.float64]
    """Rows, true labels, log loss, squared error."""
    bins: NDArray[np.float64]
    """Block × bin × (rows, probability, true labels)."""


def _arrays(
    labels: ArrayLike, probabilities: ArrayLike, days: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.intp], int]:
    true, said = np.asarray(labels, dtype=np.bool_), np.asarray(probabilities, dtype=np.float64)
    block = np.asarray(days)
    if not len(true) == len(said) == len(block):
        raise ValueError(
            f"{len(true)} labels, {len(said)} probabilities and {len(block)} days are not of the same rows"
        )
    if not ((said >= 0) & (said <= 1)).all():
        raise ValueError("probabilities must lie between 0 and 1")
    names, inverse = np.unique(block, return_inverse=True)
    return true, said, inverse.reshape(-1), len(names)


def _bins(said: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return each row's bin: equal probabilities share one."""
    if not len(said):
        return np.zeros(0, dtype=np.intp)
    edges = np.unique(np.quantile(said, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, said, side="left")


def _sums(
    true: NDArray[np.bool_], said: NDArray[np.float64], block: NDArray[np.intp], blocks: int, bins: NDArray[np.intp]
) -> _Sums:
    ones, hits = np.ones(len(true)), true.astype(np.float64)
    right = np.clip(np.where(true, said, 1 - said), _EPS, 1.0)  # as scikit-learn cuts it
    plain = [np.bincount(block, over, blocks) for over in (ones, hits, -np.log(right), (hits - said) ** 2)]
    cell = block * BINS + bins
    by_bin = [np.bincount(cell, over, blocks * BINS).reshape(blocks, BINS) for over in (ones, said, hits)]
    return _Sums(np.stack(plain, axis=1), np.stack(by_bin, axis=2))


def _values(weights: NDArray[np.float64], sums: _Sums) -> dict[str, float | None]:
    rows, hits, loss, squares = (float(one) for one in weights @ sums.plain)
    if not rows:
        return dict.fromkeys(_NAMES[1:])
    said, true = np.tensordot(weights, sums.bins, axes=1)[:, 1:].T
    ece = float(np.abs(said - true).sum()) / rows
    return {"log_loss": loss / rows, "brier": squares / rows, "base_rate": hits / rows, "ece": ece}


def _curve(sums: _Sums) -> tuple[Bin, ...]:
    totals = sums.bins.sum(axis=0)
    return tuple(Bin(int(rows), float(said / rows), float(true / rows)) for rows, said, true in totals if rows)


def _draws(blocks: int, resamples: int, seed: int) -> list[NDArray[np.float64]]:
    """Return how often each block is drawn, by resample."""
    if blocks < 2:
        return []
    random = np.random.default_rng(seed)
    return [
        np.bincount(random.integers(0, blocks, blocks), minlength=blocks).astype(np.float64) for _ in range(resamples)
    ]


def _with_interval(value: float | None, drawn: list[float | None]) -> Measure:
    """Take the percentiles of the resamples in which the metric is defined, if those are most of them."""
    known = [one for one in drawn if one is not None]
    if value is None or not known or 2 * len(known) < len(drawn):
        return Measure(value)
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measure(value, float(low), float(high))


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
