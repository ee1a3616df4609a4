"""What a test of one column says, whatever it was based on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .values import Floats, Ints


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question of a column: are its values, or is its missing share, as usual?"""

    p: float
    p_adjusted: float
    statistic: float | None
    apart: float | None
    """Jensen-Shannon distance."""
    beyond: float
    """The distance less what is usual: what the least effect is held against."""

    def fires(self, alpha: float, min_effect: float) -> bool:
        """Return whether that is a difference."""
        return self.p_adjusted <= alpha * (1 + 1e-9) and self.beyond >= min_effect


SAME_FOR_CERTAIN = Answer(1.0, 1.0, 0.0, 0.0, 0.0)
"""One bin has all rows, on both sides."""


@dataclass(frozen=True, slots=True)
class Answers:
    """All answers of a window."""

    values: Mapping[str, Answer]
    """By column; without one that has no value on a side."""
    missing: Mapping[str, Answer]
    """By column; without one that never misses a value."""
    references: Mapping[str, Ints | Floats]
    """By column: the counts that the window was compared with."""
    unsaid: Mapping[str, str]
    """Column → why nothing can be said of it."""
    days: int
    """How many days of the baseline the window was compared with."""
    notices: tuple[str, ...] = ()
