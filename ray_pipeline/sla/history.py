"""Whether a number fits the numbers before it, with a false-alarm rate that is kept and not hoped for.

A conformal rank test. The new number and the earlier ones are put together, each is scored by how far it lies from
the median of all, and the new one's rank among the scores is its p-value. Where the days are exchangeable (any of
them could as well have come last), the p-value is at most *a* on at most a share *a* of the days, whatever their
distribution is. Because the median is that of all of them, the new one included, this holds exactly, and for few days
too; the price is that *n* days can show no p-value below 1/(n+1), and fewer than that is "not enough history".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

HistoryPoint = tuple[str, float]
"""A day and its number."""


@dataclass(frozen=True, slots=True)
class RankTest:
    """What the earlier numbers say of a new one."""

    p: float | None
    """How many of all numbers lie as far out, as a share; None where there are too few."""
    usual: float | None
    """The median of the earlier numbers."""
    days: int
    """How many there were."""
    needed: int

    @property
    def enough(self) -> bool:
        return self.p is not None

    def alarms(self, budget: float) -> bool:
        """Whether the number lies so far out that this happens on at most a share ``budget`` of ordinary days."""
        return self.p is not None and self.p <= budget


def needed_days(budget: float) -> int:
    """How many earlier days an alarm needs.

    >>> needed_days(0.05), needed_days(0.02), needed_days(0.5)
    (19, 49, 1)
    """
    return math.ceil(round(1 / budget, 9)) - 1


def rank_test(value: float, earlier: Sequence[float], budget: float) -> RankTest:
    """Compare a number with those before it.

    >>> rank_test(141, [890 + i for i in range(30)], 0.05).alarms(0.05)
    True
    >>> rank_test(141, [890, 900, 910], 0.05).enough
    False
    """
    needed = needed_days(budget)
    usual = float(median(earlier)) if earlier else None
    if len(earlier) < needed:
        return RankTest(None, usual, len(earlier), needed)
    centre = median([*earlier, value])
    score = abs(value - centre)
    as_far = sum(abs(one - centre) >= score for one in earlier)
    return RankTest((1 + as_far) / (len(earlier) + 1), usual, len(earlier), needed)


def comparable(
    history: Sequence[HistoryPoint], day: str, *, same_weekday: bool = False, days: int | None = None
) -> list[float]:
    """The numbers of the days before ``day`` that it is compared with: the newest ``days``, of its weekday if asked."""
    weekday = date.fromisoformat(day).weekday()
    fitting = [
        value
        for earlier, value in sorted(history)
        if earlier < day and (not same_weekday or date.fromisoformat(earlier).weekday() == weekday)
    ]
    return fitting if days is None else fitting[-days:]
