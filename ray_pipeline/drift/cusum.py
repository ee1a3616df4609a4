"""Our detector: likelihood ratios of several sizes of drift against the frozen baseline, summed from where they rose.

Page's CUSUM (1954) asks, label by label, how much likelier the errors since some moment are under a drift than under
the reference. It is the quickest detector for its rate of false alarms where the drift's size is known (Moustakides
1986); as it is not, several sizes are followed at once (Lorden 1971), each with a threshold of its own. Against a
baseline that stays, a slow drift cannot hide in it, as it can in a window that moves along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .error_reference import ErrorReference, checked_errors
from .run_length import ONE, excursion, tune
from .values import Floats

_LEAST, _MOST = 256, 8192


@dataclass(frozen=True, slots=True)
class Alarm:
    """A moment at which errors are too many."""

    index: int
    """Of the label in the batch."""
    since: int | None = None
    """The label from which on errors have been more, by estimate; negative in an earlier batch. None: not known."""
    mean: float | None = None
    """The mean error that fits best since, of those that were looked for."""


@dataclass(frozen=True, slots=True)
class CusumState:
    """What a detector knows between two batches, to go on from in another process."""

    levels: tuple[int, ...]
    ages: tuple[int, ...]


class Cusum:
    """Alarm when errors are higher than the reference's; after an alarm it starts again.

    ``run_length`` labels pass between two alarms without drift, on average, the uncertainty of the reference included.
    ``margin`` is added to the thresholds (a log likelihood ratio: one more makes alarms some 2.7 times rarer).

    >>> import numpy as np
    >>> detector = Cusum(ErrorReference(0.2, 0.16, rows=20_000), run_length=10_000)
    >>> errors = np.random.default_rng(3).random(4000) < np.repeat([0.2, 0.4], 2000)
    >>> 2000 < detector.update(errors) < 2100
    True
    """

    def __init__(
        self, reference: ErrorReference, *, run_length: float, seed: int = 0, both: bool = False, margin: float = 0.0
    ) -> None:
        self._tuning = tune(reference, run_length, seed, both)
        self._reference = reference
        self._thresholds = self._tuning.thresholds + round(margin * ONE)
        self.reset()

    def reset(self) -> None:
        """Forget all errors; the reference stays."""
        self._levels = [0] * len(self._thresholds)
        self._ages = [0] * len(self._thresholds)

    def snapshot(self) -> CusumState:
        """Return what :meth:`resume` needs."""
        return CusumState(tuple(self._levels), tuple(self._ages))

    def resume(self, state: CusumState) -> None:
        """Go on where another detector of the same reference stopped."""
        if len(state.levels) != len(self._thresholds) or len(state.ages) != len(self._thresholds):
            raise ValueError(f"this state is of another detector: it has {len(state.levels)} sizes of drift")
        self._levels, self._ages = list(state.levels), list(state.ages)

    def update(self, errors: Any) -> int | None:
        """Take the next errors; return the index of the first alarm among them."""
        found = self.alarms(errors)
        return found[0].index if found else None

    def alarms(self, errors: Any) -> tuple[Alarm, ...]:
        """Take the next errors; return every alarm among them. How they are split into batches changes nothing."""
        checked = checked_errors(errors)
        if self._reference.binary:
            _refuse_outside(checked)
        found: list[Alarm] = []
        start, length = 0, _MOST
        while start < len(checked):
            piece = checked[start : start + length]
            alarm = self._take(piece)
            if alarm is None:
                start += len(piece)
                length = min(2 * length, _MOST)
                continue
            found.append(_moved(alarm, start))
            start += alarm.index + 1
            length = _LEAST  # one alarm seldom comes alone, and what was added up behind it was in vain
            self.reset()
        return tuple(found)

    def _take(self, errors: Floats) -> Alarm | None:
        """Add up a piece until the first alarm."""
        tuning = self._tuning
        cut = np.clip(errors, tuning.low, tuning.high)
        paths, first = [], len(errors)
        for size, threshold in enumerate(self._thresholds):
            ratio = (tuning.slopes[size] * cut - tuning.offsets[size]) * (ONE / self._reference.design)
            path = excursion(self._levels[size], np.rint(ratio).astype(np.int64))
            paths.append(path)
            over = path[:first] >= threshold
            if over.any():
                first = int(over.argmax())
        if first < len(errors):
            return self._alarm(paths, first)
        for size, path in enumerate(paths):
            self._levels[size] = int(path[-1])
            self._ages[size] = _age(path, self._ages[size])
        return None

    def _alarm(self, paths: list[Any], first: int) -> Alarm:
        excess = [int(path[first]) - int(threshold) for path, threshold in zip(paths, self._thresholds, strict=True)]
        size = int(np.argmax(excess))
        age = _age(paths[size][: first + 1], self._ages[size])
        return Alarm(first, first - age + 1, float(self._tuning.means[size]))


def _age(path: Any, before: int) -> int:
    """Return how many labels there are since the path was last zero."""
    zeros = np.flatnonzero(path == 0)
    return len(path) - 1 - int(zeros[-1]) if len(zeros) else before + len(path)


def _moved(alarm: Alarm, start: int) -> Alarm:
    since = None if alarm.since is None else alarm.since + start
    return Alarm(alarm.index + start, since, alarm.mean)


def _refuse_outside(errors: Floats) -> None:
    outside = (errors < 0) | (errors > 1)
    if outside.any():
        raise ValueError(f"errors[{int(outside.argmax())}] is not between 0 and 1, as the reference's errors are")
