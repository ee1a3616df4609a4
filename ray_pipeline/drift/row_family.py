"""All columns of a window against the baseline's rows, where the contract says that rows are independent."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ray_pipeline.config.drift import DriftConfig, Same

from .distance import jensen_shannon, kind_of, statistics
from .family import benjamini_hochberg
from .missing import as_missing
from .permutation import Rows, Trial, family_p
from .sides import Side
from .tested import SAME_FOR_CERTAIN, Answer, Answers
from .values import Floats, Ints
from .weekdays import weekdays_of

_MISSING = "missing"


def by_rows(sides: Sequence[Side], policy: DriftConfig, seed: int) -> Answers:
    """Return every column's answers by permuting the pooled rows, and Benjamini and Hochberg's correction for all."""
    values: dict[str, Answer] = {}
    unsaid: dict[str, str] = {}
    references: dict[str, Ints | Floats] = {}
    trials: list[Trial] = []
    days = 0
    for side in sides:
        if side.rows < policy.min_rows:
            reason = f"the window has {side.rows:,} rows, and {policy.min_rows:,} are needed (drift.min_rows)"
        elif not (kept := _kept(side, policy)).any():
            reason = "the baseline has no other day of the window's weekdays (drift.same)"
        else:
            reason, days = "", days or int(kept.sum())
        for one in side.columns:
            if reason:
                unsaid[one.name] = reason
                continue
            before, window = one.before[kept].sum(axis=0), one.window.sum(axis=0)
            references[one.name] = before
            asked = []
            if before[1:].any() and window[1:].any():
                asked.append(Trial(one.name, kind_of(one.column), Rows(before, window)))
            if window.any() and (before + window)[0] and (before + window)[1:].any():
                asked.append(Trial(one.name, "chi2", Rows(as_missing(before), as_missing(window)), _MISSING))
            live = [trial for trial in asked if np.count_nonzero((trial.null.reference + trial.null.window)[1:]) > 1]
            if len(live) < len(asked):
                values[one.name] = SAME_FOR_CERTAIN
            trials += live
    p = family_p(trials, alpha=policy.alpha, seed=seed)
    adjusted = benjamini_hochberg(p)
    missing: dict[str, Answer] = {}
    for trial, own, whole in zip(trials, p.tolist(), adjusted.tolist(), strict=True):
        (missing if trial.what else values)[trial.name] = _tested(trial, own, whole)
    notices = ("rows count as independent, as the contract says.",) if references else ()
    return Answers(values, missing, references, unsaid, days, notices)


def _kept(side: Side, policy: DriftConfig) -> npt.NDArray[np.bool_]:
    """Return which days of the baseline the window is compared with."""
    if policy.same is Same.ALL:
        return np.ones(len(side.days_before), np.bool_)
    return np.isin(weekdays_of(side.days_before), weekdays_of(side.days))


def _tested(trial: Trial, p: float, adjusted: float) -> Answer:
    before, window = trial.null.reference, trial.null.window
    apart = jensen_shannon(before, window)
    bins = int(np.count_nonzero((before + window)[1:]))
    # What chance alone puts between two samples of so many rows, to the first order of the logarithm.
    usual = (bins - 1) * (1 / int(before[1:].sum()) + 1 / int(window[1:].sum())) / (8 * math.log(2))
    beyond = math.sqrt(max(0.0, apart**2 - usual))
    return Answer(p, adjusted, float(statistics(trial.kind, before, window)), apart, beyond)
