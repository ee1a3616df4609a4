"""All windows of a baseline's days and the window in question, taken alike: what a rank among them says is exact.

The days lie on a circle: the baseline's and the window's in order, the last one followed by the first. Every run of as
many days as the window has is a window of it, each is compared with all other days, and the window in question is one
of them. If the days before and in the window follow one law, no turn of the circle is more likely than another, so the
window is among the farthest 5 % with a probability of 5 %, however much the rows of a day, or days that follow one
another, depend on each other. Windows that overlap the one in question are counted too; without them a storm of a week
would be several alarms, each of which looks unique. (Chernozhukov, Wüthrich and Zhu 2021, "An exact and robust
conformal inference method for counterfactual and synthetic controls", J. Am. Stat. Assoc. 116: their moving blocks;
Romano and Tirlea 2022, "Permutation testing for dependence in time series", J. Time Ser. Anal. 43, on its limits.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .values import Floats

_Number = TypeVar("_Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Circle:
    """Days, and the windows of them; window i begins with day i."""

    days: tuple[str, ...]
    """The baseline's and the window's, in order."""
    place: int
    """Where the window in question begins: its number too."""
    size: int
    """How many days a window has."""

    @classmethod
    def of(cls, before: tuple[str, ...], window: tuple[str, ...]) -> Circle:
        """Return the circle of a baseline's days and a window's, of which none is among the baseline's.

        >>> Circle.of(("2013-01-01", "2013-01-04"), ("2013-01-02", "2013-01-03")).place
        1
        """
        days = tuple(sorted((*before, *window)))
        return cls(days, days.index(window[0]), len(window))

    @property
    def baseline_days(self) -> int:
        """How many days are the baseline's."""
        return len(self.days) - self.size

    @property
    def disjoint(self) -> int:
        """How many windows without a common day the baseline has."""
        return self.baseline_days // self.size

    def sums(self, counts: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """Return, of counts with a row for each day, the sum of each window.

        >>> Circle(("2013-01-01", "2013-01-02", "2013-01-03"), 0, 2).sums(np.array([[1], [10], [100]])).tolist()
        [[11], [110], [101]]
        """
        return _runs(counts, self.size)

    def others(self, values: Floats) -> tuple[Floats, Floats]:
        """Return, of a value for each window, mean and standard deviation of the windows that do not overlap it.

        A value that is NaN is left out; without any other there is NaN.
        """
        there = ~np.isnan(values)
        filled = np.where(there, values, 0.0)
        filled -= filled.mean()  # the differences of sums below lose fewer digits
        filled *= there
        number = self._apart(there.astype(np.float64))
        number[number == 0] = np.nan  # a sum of none is but rounding, and rounding divided by nothing is no NaN
        mean = self._apart(filled) / number
        spread = np.sqrt(np.maximum(0.0, self._apart(filled**2) / number - mean**2))
        offset = np.where(there, values, 0.0).mean()
        return mean + offset, spread

    def _apart(self, values: Floats) -> Floats:
        """Return, for each window, the sum over those that share no day with it."""
        reach = self.size - 1
        near = np.roll(_runs(values, 2 * reach + 1), reach)
        apart: Floats = values.sum() - near
        return apart


def _runs(values: npt.NDArray[_Number], length: int) -> npt.NDArray[_Number]:
    """Return the sum of each run of so many rows, around the circle."""
    around = np.concatenate(
        [np.zeros_like(values[:1]), np.cumsum(np.concatenate([values, values[: length - 1]]), axis=0)]
    )
    found: npt.NDArray[_Number] = around[length:] - around[:-length]
    return found
