"""What a model's errors were on rows that it was not fitted to: the frozen baseline of every sequential detector.

An error is any number that is worse when it is greater: 0/1 of a wrong class, the log loss of a probability, the
distance from a measured value. Two things make a baseline less sure than its number of rows looks. It is itself a
sample, so its mean has a standard error; and rows of one day depend on each other, which ``design`` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .values import Floats, as_floats

POINTS = 512
"""Of the distribution of errors that are not 0/1; the first and the last are its 0.1 % and 99.9 %."""


@dataclass(frozen=True, slots=True)
class ErrorReference:
    """The mean and the spread of errors before any drift; :meth:`of` takes them from the errors themselves.

    Errors of 0 and 1 are known by their variance. For others :meth:`of` keeps points of their distribution; without
    them an exponential distribution stands in, moved to their mean and variance: its tail is longer than most errors'.
    """

    mean: float
    variance: float
    rows: int
    design: float = 1.0
    """How many rows weigh as much as one independent row: the variance of the days' sums, by that of their rows."""
    values: tuple[float, ...] = ()
    """Equally likely values, ascending; errors beyond the first and the last one are taken for these."""

    def __post_init__(self) -> None:
        wrong = ""
        if not np.isfinite([self.mean, self.variance, self.design, *self.values]).all():
            wrong = "all its numbers must be finite"
        elif self.rows < 1:
            wrong = f"it needs rows, and has {self.rows}"
        elif self.variance < 0:
            wrong = f"no variance is {self.variance:g}"
        elif self.design < 1:
            wrong = f"a row cannot weigh more than one row, as a design effect of {self.design:g} says"
        elif self.values and not (list(self.values) == sorted(self.values) and self.values[0] < self.values[-1]):
            wrong = "its values do not ascend"
        elif not self.binary and self.variance <= 1e-18 * max(1.0, self.mean**2):
            wrong = f"all errors are {self.mean:g}: nothing is known of how they vary"
        if wrong:
            raise ValueError(f"the reference of the errors is of no use: {wrong}")

    @classmethod
    def of(cls, errors: Any, *, days: Any = None) -> ErrorReference:
        """Describe errors in the order in which they came; ``days`` names each row's day and gives the design effect.

        Errors that are not 0/1 are cut at their 0.1 % and 99.9 %, so that one absurd value moves nothing.

        >>> ErrorReference.of([0, 1, 0, 0]).mean
        0.25
        """
        found = checked_errors(errors)
        if not len(found):
            raise ValueError("the reference of the errors is of no use: it needs rows, and has 0")
        values: tuple[float, ...] = ()
        if not np.isin(found, (0.0, 1.0)).all():
            points = np.quantile(found, (np.arange(POINTS) + 0.5) / POINTS)
            found = np.clip(found, points[0], points[-1])
            values = tuple(points.tolist())
        mean, variance = float(found.mean()), float(found.var())
        design = 1.0 if days is None else design_effect(found, days)
        return cls(mean, variance, len(found), design, values)

    @property
    def binary(self) -> bool:
        """Whether the errors are 0 and 1: no other errors between 0 and 1 vary so much."""
        if self.values or not 0 <= self.mean <= 1:
            return False
        most = self.mean * (1 - self.mean)
        return abs(self.variance - most) <= 1e-9 + most * 1.5 / self.rows  # divided by rows, or by rows minus one

    @property
    def effective_rows(self) -> float:
        """How many independent rows know the mean as well."""
        return self.rows / self.design

    def support(self) -> tuple[Floats, Floats]:
        """Return the distribution as values and their probabilities.

        A share of 0/1 errors is drawn towards a half as Jeffreys' prior does: no errors in 100 rows are not no errors.
        """
        if self.binary:
            rate = (self.mean * self.effective_rows + 0.5) / (self.effective_rows + 1)
            return np.array([0.0, 1.0]), np.array([1 - rate, rate])
        values = np.array(self.values) if self.values else _exponential_points()
        moved = self.mean + (values - values.mean()) * (np.sqrt(self.variance) / values.std())
        return moved, np.full(len(moved), 1 / len(moved))


def checked_errors(errors: Any) -> Floats:
    """Return errors as an array; ``ValueError`` names the first that is no number."""
    found = np.atleast_1d(as_floats(errors))
    if found.ndim != 1:
        raise ValueError(f"errors are one number a row, and these have {found.ndim} dimensions")
    missing = np.isnan(found)
    if missing.any():
        at = int(missing.argmax())
        raise ValueError(f"errors[{at}] is not a number; leave out rows whose label or score is missing")
    return found


def design_effect(errors: Floats, days: Any) -> float:
    """Return how much more the days' sums vary than those of as many independent rows would; at least 1.

    Days that follow each other depend on each other too: storms last. So the variance is the long-run one of Newey and
    West (1987), with Bartlett's weights and as many lags as they advise.
    """
    names, place = np.unique(np.asarray(days), return_inverse=True)
    if len(place) != len(errors):
        raise ValueError(f"each error has a day: there are {len(errors)} errors and {len(place)} days")
    if len(names) < 2:
        raise ValueError("errors of one day do not say how days differ; leave `days` out, or take more of them")
    variance = float(errors.var())
    if variance == 0:
        return 1.0
    sums = np.bincount(place, weights=errors - errors.mean(), minlength=len(names))
    lags = min(int(4 * (len(names) / 100) ** (2 / 9)), len(names) - 1)
    long_run = float(sums @ sums)
    for lag in range(1, lags + 1):
        long_run += 2 * (1 - lag / (lags + 1)) * float(sums[lag:] @ sums[:-lag])
    return max(1.0, long_run / (variance * len(errors)) * len(names) / (len(names) - 1))


@lru_cache(maxsize=1)
def _exponential_points() -> Floats:
    """Return the shape that stands in for an unknown one."""
    points: Floats = -np.log1p(-(np.arange(POINTS) + 0.5) / POINTS)
    return points
