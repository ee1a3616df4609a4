"""The bounds of a quality rule: ODCS' operators, and whether any value could keep them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, get_args

from .document import Path
from .expectations import Operator, Target
from .odcs_options import Compiling
from .schema_errors import shown

OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)
_PAIRS: Final = ("mustBeBetween", "mustNotBeBetween")


def read_targets(
    compiling: Compiling, holder: Mapping[str, Any], path: Path, *, within: tuple[float, float], what: str
) -> tuple[Target, ...]:
    """The operators of ``holder``; refuses what is no bound, and bounds that no value ``within`` the metric's keeps.

    ``what`` names the metric in words: ``a share is never …``.
    """
    targets: list[Target] = []
    refused = False
    for operator in OPERATORS:
        if operator in holder:
            values = _numbers(holder[operator], pair=operator in _PAIRS)
            if values is None:
                words = "two numbers, the smaller first" if operator in _PAIRS else "a number"
                compiling.refuse((*path, operator), f"must be {words}, got {shown(holder[operator])}")
            elif len(values) > 1 and values[0] > values[1]:
                low, high = values
                compiling.refuse(
                    (*path, operator), f"nothing lies between {low:g} and {high:g}; write [{high:g}, {low:g}]"
                )
                values = None
            if values is None:
                refused = True
            else:
                targets.append(Target(operator, values))
    if not targets and not refused:
        compiling.refuse(path, f"has no bound; add one of {', '.join(OPERATORS)}")
    elif targets and not refused and not can_hold(targets, *within):
        _refuse_impossible(compiling, path, targets, within, what)
    return tuple(targets)


def _refuse_impossible(
    compiling: Compiling, path: Path, targets: list[Target], within: tuple[float, float], what: str
) -> None:
    operator = targets[-1].operator
    if len(targets) > 1 and all(can_hold([target], *within) for target in targets):
        names = " and ".join(target.operator for target in targets)
        compiling.refuse((*path, operator), f"no value satisfies {names} together; correct one of them")
        return
    low, high = within
    ends = f"below {low:g}" if math.isinf(high) else f"below {low:g} or above {high:g}"
    compiling.refuse((*path, operator), f"can never hold: {what} is never {ends}; correct the bound")


def _numbers(value: object, *, pair: bool) -> tuple[float, ...] | None:
    if not pair:
        return (float(value),) if _is_number(value) else None  # type: ignore[arg-type]
    if isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)):
        return (float(value[0]), float(value[1]))
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def can_hold(targets: Iterable[Target], least: float, most: float) -> bool:
    """Whether one number from ``least`` to ``most`` keeps all bounds.

    It is enough to try their ends, and points between and around them.
    """
    listed = list(targets)
    ends = sorted({value for target in listed for value in target.values} | {x for x in (least, most) if _finite(x)})
    if not ends:
        return True
    tries = [ends[0] - 1, *ends, ends[-1] + 1, *((a + b) / 2 for a, b in pairwise(ends))]
    return any(least <= value <= most and all(holds(target, value) for target in listed) for value in tries)


def _finite(value: float) -> bool:
    return math.isfinite(value)


def holds(target: Target, value: float) -> bool:
    """Whether a value keeps the bound; both ends of a pair belong to it.

    >>> holds(Target("mustBeBetween", (1, 2)), 2), holds(Target("mustNotBeBetween", (1, 2)), 2)
    (True, False)
    """
    from_, to = target.values[0], target.values[-1]
    return {
        "mustBe": value == from_,
        "mustNotBe": value != from_,
        "mustBeGreaterThan": value > from_,
        "mustBeGreaterOrEqualTo": value >= from_,
        "mustBeLessThan": value < from_,
        "mustBeLessOrEqualTo": value <= from_,
        "mustBeBetween": from_ <= value <= to,
        "mustNotBeBetween": not from_ <= value <= to,
    }[target.operator]
