"""A bound holds or not, may still hold or not, and says itself in words."""

from __future__ import annotations

import doctest
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.contracts import durations, odcs_columns, odcs_references, odcs_targets
from ray_pipeline.contracts.expectations import Target
from ray_pipeline.sla import history, targets
from ray_pipeline.sla.checks import promise
from ray_pipeline.sla.result import Verdict
from ray_pipeline.sla.targets import Moves, all_hold, judge, sentence

BRUTE: dict[str, Callable[..., bool]] = {
    "mustBe": operator.eq,
    "mustNotBe": operator.ne,
    "mustBeGreaterThan": operator.gt,
    "mustBeGreaterOrEqualTo": operator.ge,
    "mustBeLessThan": operator.lt,
    "mustBeLessOrEqualTo": operator.le,
    "mustBeBetween": lambda value, low, high: low <= value <= high,
    "mustNotBeBetween": lambda value, low, high: value < low or value > high,
}


def target(name: Any, low: float, high: float) -> Target:
    return Target(name, (low, high) if "Between" in name else (low,))


@pytest.mark.parametrize("module", [durations, odcs_columns, odcs_references, odcs_targets, targets, history, promise])
def test_the_examples_in_the_docstrings_run(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", BRUTE)
def test_both_ends_of_every_bound_are_judged_as_the_standard_says(name: str) -> None:
    for value in (3, 4, 4.5, 5, 6):
        one = target(name, 4, 5)
        assert all_hold([one], value) is BRUTE[name](value, *one.values)


bounds = st.builds(target, st.sampled_from(sorted(BRUTE)), st.integers(-6, 6), st.integers(0, 4)).map(
    lambda one: Target(one.operator, (one.values[0], one.values[0] + one.values[-1])) if len(one.values) > 1 else one
)


@given(st.lists(bounds, min_size=1, max_size=3).map(tuple), st.integers(-8, 8), st.sampled_from(list(Moves)))
def test_pending_is_said_exactly_where_rows_that_come_could_heal_a_breach(
    given_targets: tuple[Target, ...], value: int, moves: Moves
) -> None:
    later = [step / 4 for step in range(-80, 81)]
    reachable = [one for one in later if moves is Moves.BOTH or (one >= value if moves is Moves.UP else one <= value)]
    expected = Verdict.FAILED
    if all_hold(given_targets, value):
        expected = Verdict.PASSED
    elif any(all_hold(given_targets, one) for one in reachable):
        expected = Verdict.PENDING
    assert judge(given_targets, value, complete=False, moves=moves) is expected
    final = Verdict.PASSED if expected is Verdict.PASSED else Verdict.FAILED
    assert judge(given_targets, value, complete=True, moves=moves) is final


def test_a_bound_says_whether_its_ends_belong_to_it() -> None:
    assert sentence([Target("mustBeBetween", (1, 2))], "rows") == "between 1 and 2 rows (both included)"
    assert sentence([Target("mustNotBeBetween", (1, 2))], "percent") == "below 1 or above 2 % (neither included)"
    assert sentence([Target("mustBeGreaterThan", (1,)), Target("mustBeLessThan", (2.5,))]) == (
        "more than 1 and less than 2.5"
    )
