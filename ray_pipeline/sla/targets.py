"""Bounds on a value: whether they hold, whether they still can, and how they are said."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import Enum
from typing import Final

from ray_pipeline.contracts.expectations import Target
from ray_pipeline.contracts.odcs_targets import can_hold, holds

from .result import Verdict

_WORDS: Final = {
    "mustBe": "{}",
    "mustNotBe": "not {}",
    "mustBeGreaterThan": "more than {}",
    "mustBeGreaterOrEqualTo": "at least {}",
    "mustBeLessThan": "less than {}",
    "mustBeLessOrEqualTo": "at most {}",
}
_PAIRS: Final = {
    "mustBeBetween": "between {} and {} (both included)",
    "mustNotBeBetween": "below {} or above {} (neither included)",
}


class Moves(Enum):
    """Where a value can still go while rows come."""

    UP = "up"
    """A count."""
    DOWN = "down"
    """The lowest of a column."""
    BOTH = "both"
    """A share, a mean."""


def all_hold(targets: Iterable[Target], value: float) -> bool:
    """Whether a value keeps all bounds.

    >>> all_hold([Target("mustBeBetween", (500, 1200))], 1200)
    True
    """
    return all(holds(target, value) for target in targets)


def judge(targets: tuple[Target, ...], value: float, *, complete: bool, moves: Moves) -> Verdict:
    """Say whether the bounds hold; while rows may come, a breach that they could heal is *pending*.

    What holds now has passed: it is judged again with the rows that come.

    >>> at_least = (Target("mustBeGreaterOrEqualTo", (500,)),)
    >>> judge(at_least, 499, complete=False, moves=Moves.UP), judge(at_least, 499, complete=True, moves=Moves.UP)
    (<Verdict.PENDING: 'pending'>, <Verdict.FAILED: 'failed'>)
    """
    if all_hold(targets, value):
        return Verdict.PASSED
    least = value if moves is Moves.UP else -math.inf
    most = value if moves is Moves.DOWN else math.inf
    return Verdict.PENDING if not complete and can_hold(targets, least, most) else Verdict.FAILED


def sentence(targets: Iterable[Target], unit: str = "") -> str:
    """Say the bounds for people; whether the ends belong to them is said too.

    >>> sentence([Target("mustBeBetween", (500, 1200))], "rows")
    'between 500 and 1,200 rows (both included)'
    >>> sentence([Target("mustBeLessOrEqualTo", (5,))], "percent")
    'at most 5 %'
    """
    said = []
    for target in targets:
        numbers = [number(value) for value in target.values]
        if target.operator in _PAIRS:
            words, ends = _PAIRS[target.operator].format(*numbers).split(" (")
            said.append(f"{_with_unit(words, unit)} ({ends}")
        else:
            said.append(_with_unit(_WORDS[target.operator].format(*numbers), unit))
    return " and ".join(said)


def number(value: float) -> str:
    """Write a number for people: whole ones whole, others with four digits that mean something.

    >>> number(1200.0), number(0.07312), number(99.9951)
    ('1,200', '0.07312', '99.9951')
    """
    if math.isfinite(value) and value == int(value):
        return f"{int(value):,}"
    digits = max(4, math.floor(math.log10(abs(value))) + 5) if math.isfinite(value) and value else 4
    return f"{value:,.{digits}g}"


def _with_unit(words: str, unit: str) -> str:
    word = {"percent": "%", "": ""}.get(unit, unit)
    return f"{words} {word}".rstrip()
