"""Which of two versions is better on the same rows, and whether that is sure enough. Pure.

Rows of one day share its weather, so days are drawn, not rows (:mod:`ray_pipeline.model.metrics`). A judgement rests on
few days, and percentiles of so few are too narrow: the bound is the expanded percentile of T. Hesterberg, "What
Teachers Should Know About the Bootstrap" (The American Statistician 69, 2015), section 5.3. Where that lies among the
last few draws there is nothing to read it from; there Student's bound over days counts, if it is the wider one.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_pipeline.text import count

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NAMES = ("the first version", "the second version")
MIN_DAYS = 5
"""Fewer days say nothing about others."""
_TAIL = 10
"""Draws beyond a percentile, at least, for it to be read from them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The second version against the first."""

    rows: int
    days: int
    enough: bool
    """Whether there are rows and days enough to judge by."""
    win: bool
    """Whether the second one's log loss is lower by the confidence that was asked for."""
    bound: float | None
    """The one-sided upper bound of its log loss minus the first one's."""
    level: float
    resamples: int
    seed: int
    first: dict[str, float | None]
    """AUC, log loss and Brier score of the first …"""
    second: dict[str, float | None]
    difference: dict[str, Any]
    """… and the second one's minus the first one's, with intervals."""
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the judgement as evidence."""
        return asdict(self)


def judge(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    days: ArrayLike,
    *,
    level: float,
    resamples: int,
    min_rows: int,
    min_days: int = MIN_DAYS,
    seed: int = 0,
    names: tuple[str, str] = NAMES,
) -> Judgement:
    """Judge the second version's probabilities against the first one's, on the same rows; ``names`` are for the reason.

    Raises ``ValueError`` where a probability is no number between 0 and 1.
    """
    from ray_pipeline.model.metrics import measure, paired

    block = np.asarray(days)
    rows, blocks = len(block), len(np.unique(block))
    enough = rows >= min_rows and blocks >= min_days
    compared = paired(labels, first, second, block, resamples, seed)
    both = [measure(labels, one, block, resamples=1, seed=seed) for one in (first, second)]
    plain = [{name: getattr(one, name).value for name in ("auc", "log_loss", "brier")} for one in both]
    bound = upper_bound(losses(labels, second) - losses(labels, first), block, level, resamples, seed)
    win = enough and bound is not None and bound < 0
    differences = compared.to_json()
    enough_for = _Enough(rows, blocks, min_rows, min_days)
    return Judgement(
        rows=rows,
        days=blocks,
        enough=enough,
        win=win,
        bound=bound,
        level=level,
        resamples=resamples,
        seed=seed,
        first=plain[0],
        second=plain[1],
        difference={name: differences[name] for name in ("auc", "log_loss", "brier", "better")},
        reason=_reason(names, enough_for, bound, level, (plain[0]["log_loss"], plain[1]["log_loss"])),
    )


def nothing_to_judge(
    level: float, min_rows: int, min_days: int = MIN_DAYS, names: tuple[str, str] = NAMES
) -> Judgement:
    """Return the judgement of no rows at all."""
    reason = _reason(names, _Enough(0, 0, min_rows, min_days), None, level, (None, None))
    return Judgement(0, 0, False, False, None, level, 0, 0, {}, {}, {}, reason)


def upper_bound(
    differences: NDArray[np.float64], days: ArrayLike, level: float, resamples: int, seed: int
) -> float | None:
    """Return the one-sided upper bound of the mean difference over rows, days drawn; None with fewer than two days."""
    from scipy import stats  # type: ignore[import-untyped]

    names, inverse = np.unique(np.asarray(days), return_inverse=True)
    blocks = len(names)
    if blocks < 2:
        return None
    sums = np.bincount(inverse.reshape(-1), differences, blocks)
    rows = np.bincount(inverse.reshape(-1), minlength=blocks).astype(np.float64)
    drawn = np.random.default_rng(seed).multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    means = (drawn @ sums) / (drawn @ rows)
    wide = stats.norm.cdf(math.sqrt(blocks / (blocks - 1)) * stats.t.ppf(level, blocks - 1))
    read = float(np.quantile(means, min(1.0, float(wide)), method="higher"))
    if (1 - wide) * resamples >= _TAIL:
        return read
    mean = float(sums.sum() / rows.sum())
    error = math.sqrt(float(((sums - mean * rows) ** 2).sum()) * blocks / (blocks - 1)) / float(rows.sum())
    return max(read, mean + float(stats.t.ppf(level, blocks - 1)) * error)


def losses(labels: ArrayLike, probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the log loss of each row, cut as scikit-learn cuts it."""
    true, said = np.asarray(labels, dtype=np.bool_), np.asarray(probabilities, dtype=np.float64)
    right = np.clip(np.where(true, said, 1 - said), float(np.finfo(np.float64).eps), 1.0)
    found: NDArray[np.float64] = -np.log(right)
    return found


@dataclass(frozen=True, slots=True)
class _Enough:
    """Rows and days that there are, and those that a judgement needs."""

    rows: int
    days: int
    min_rows: int
    min_days: int

    def __bool__(self) -> bool:
        return self.rows >= self.min_rows and self.days >= self.min_days


def _reason(
    names: tuple[str, str],
    enough: _Enough,
    bound: float | None,
    level: float,
    loss: tuple[float | None, float | None],
) -> str:
    first, second = names
    there = f"{count(enough.rows, 'row')} of {count(enough.days, 'day')}"
    if bound is None or not enough:
        asked = f"{count(enough.min_rows, 'row')} of {count(enough.min_days, 'day')} are needed"
        return f"too little to judge {second} against {first} by: {there}, and {asked}"
    told = " against ".join("none" if one is None else f"{one:.4f}" for one in reversed(loss))
    on = f"log loss {told} on {there}"
    if bound < 0:
        return f"{second} is better than {first}: {on}, lower by {-bound:.4f} or more with {level:.1%} confidence"
    sure = f"with {level:.1%} confidence it may still be {bound:.4f} higher"
    return f"{second} is not shown to be better than {first}: {on}, and {sure}"
