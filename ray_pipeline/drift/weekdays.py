"""Compared with the same weekdays: each window with days of its own weekdays, in the same shares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from .circle import Circle
from .values import Floats, Ints

WEEK = 7


def weekdays_of(days: Sequence[str]) -> Ints:
    """Return each day's weekday; Monday is 0.

    >>> weekdays_of(["2013-02-04", "2013-02-10"]).tolist()
    [0, 6]
    """
    return np.array([date.fromisoformat(day).weekday() for day in days], np.int64)


class SameWeekdays:
    """What each window of a circle is compared with: all other days of its weekdays, each weekday as often as in it.

    All windows of the circle stay in the null, each against its own weekdays: that Saturdays are not like Mondays is
    no difference any more, and there are seven times as many windows as there are Saturdays. So the budget holds for
    the days of a week together; a weekday that differs more from week to week has more than its share of it.
    """

    def __init__(self, circle: Circle) -> None:
        self._circle = circle
        self._marks = np.eye(WEEK, dtype=np.int64)[weekdays_of(circle.days)]
        within = circle.sums(self._marks)
        rest = self._marks.sum(axis=0) - within
        self.there = ~((within > 0) & (rest == 0)).any(axis=1)
        """Which windows have a day to be compared with for each of theirs."""
        usable = np.where((within > 0) & (rest > 0), rest, 1)
        share = np.where(within > 0, within, 0) / usable
        days = np.where(within > 0, rest, 0).sum(axis=1)
        self.days = days
        """How many days each window is compared with."""
        self._weights = share * (days / circle.size)[:, None]

    def references(self, counts: Ints) -> Floats:
        """Return, of counts with a row for each day, what each window is compared with."""
        found = np.zeros((len(counts), counts.shape[1]), np.float64)
        for weekday in range(WEEK):
            own = counts * self._marks[:, weekday, None]
            rest = own.sum(axis=0) - self._circle.sums(own)
            found += self._weights[:, weekday, None] * rest
        return found
