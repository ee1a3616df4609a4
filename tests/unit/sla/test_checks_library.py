"""Every metric of the standard's library, with every operator and unit, says what a look at each row says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from ray_pipeline.sla.check import KeyFinding
from ray_pipeline.sla.result import CheckResult, Verdict

from .contract_text import orders
from .test_targets import BRUTE
from .views import judged, plan_of

AMOUNTS = [1.0, None, 2.0, 0.0, None, 7.0, 1.0, -1.0, 0.0, 5.0]
ROWS = pa.table(
    {
        "_partition": pa.array([0] * 10, pa.int32()),
        "_offset": pa.array(range(10), pa.int64()),
        "amount": pa.array(AMOUNTS, pa.float64()),
    }
)
METRICS: dict[str, tuple[dict[str, Any], Callable[[], int]]] = {
    "rowCount": ({}, lambda: len(AMOUNTS)),
    "nullValues": ({}, lambda: sum(x is None for x in AMOUNTS)),
    "missingValues": ({"missingValues": [None, 0]}, lambda: sum(x is None or x == 0 for x in AMOUNTS)),
    "invalidValues": ({"minimum": 0, "maximum": 5}, lambda: sum(x is not None and not 0 <= x <= 5 for x in AMOUNTS)),
    "duplicateValues": (
        {},
        lambda: sum(x is not None and x in AMOUNTS[:i] for i, x in enumerate(AMOUNTS)),
    ),
}
KINDS = [
    (metric, unit) for metric in METRICS for unit in ("rows", "percent") if (metric, unit) != ("rowCount", "percent")
]
"""A count of rows in percent of itself is refused by lint."""
BOUNDS = {"rows": (2, 4), "percent": (20, 40)}


def result_of(metric: str, operator: str, unit: str, values: Any, *, complete: bool = True, **more: Any) -> CheckResult:
    arguments = METRICS[metric][0]
    rule = {"id": "it", "metric": metric, operator: values, "unit": unit, "arguments": arguments} | more
    text = f"quality: [{json.dumps(rule)}]"
    contract = orders(object_=text) if metric == "rowCount" else orders(amount=text)
    (check,) = [check for check in plan_of(contract).day_checks if check.id == "it"]
    duplicates = METRICS["duplicateValues"][1]()
    with_key = sum(x is not None for x in AMOUNTS)
    keys = {"it": KeyFinding(with_key, duplicates)} if metric == "duplicateValues" else {}
    return judged(check, ROWS, complete=complete, keys=keys)


@pytest.mark.parametrize(("metric", "unit"), KINDS)
@pytest.mark.parametrize("operator", BRUTE)
def test_a_rule_says_what_a_look_at_each_row_says(metric: str, operator: str, unit: str) -> None:
    count = METRICS[metric][1]()
    of = sum(x is not None for x in AMOUNTS) if metric == "duplicateValues" else len(AMOUNTS)
    value = 100 * count / of if unit == "percent" else count
    around = {value, value + 1, max(0, value - 1), *BOUNDS[unit]}
    for low in sorted(one for one in around if unit == "rows" or one <= 100):
        values = [low, low + 3] if "Between" in operator else low
        if operator == "mustBeLessThan" and low == 0:
            continue  # can never hold, refused by lint
        result = result_of(metric, operator, unit, values)
        holds = BRUTE[operator](value, *(values if isinstance(values, list) else [values]))
        assert result.value == pytest.approx(value)
        assert result.verdict is (Verdict.PASSED if holds else Verdict.FAILED), (low, result)
        assert result.unit == unit


def test_too_few_rows_wait_for_the_day_and_too_many_do_not() -> None:
    assert result_of("rowCount", "mustBeGreaterThan", "rows", 10, complete=False).verdict is Verdict.PENDING
    assert result_of("rowCount", "mustBeLessThan", "rows", 10, complete=False).verdict is Verdict.FAILED
    assert result_of("rowCount", "mustBeBetween", "rows", [20, 30], complete=False).verdict is Verdict.PENDING
    assert result_of("rowCount", "mustBeBetween", "rows", [2, 3], complete=False).verdict is Verdict.FAILED
    assert result_of("rowCount", "mustNotBeBetween", "rows", [2, 30], complete=False).verdict is Verdict.PENDING


def test_a_count_of_bad_rows_is_final_and_a_share_is_not() -> None:
    assert result_of("nullValues", "mustBe", "rows", 0, complete=False).verdict is Verdict.FAILED
    assert result_of("nullValues", "mustBeLessThan", "percent", 5, complete=False).verdict is Verdict.PENDING
    assert result_of("nullValues", "mustBeLessThan", "percent", 5, complete=True).verdict is Verdict.FAILED


def test_a_breach_names_its_rows_and_says_what_follows() -> None:
    result = result_of("nullValues", "mustBe", "rows", 0)
    assert (result.scope, result.breach, result.rows) == ("row", "quarantine", 2)
    assert [ref.offset for ref in result.examples] == [1, 4]
    assert "2 of 10 rows have no amount" in result.detail
    assert "set aside" in result.detail
    held = result_of("nullValues", "mustBe", "rows", 0, customProperties=[{"property": "breach", "value": "hold"}])
    assert "The day is held" in held.detail
    warned = result_of("nullValues", "mustBe", "rows", 0, severity="warning")
    assert not re.search("set aside|held", warned.detail)
    assert not warned.broken


def test_positions_are_kept_only_where_rows_may_be_set_aside() -> None:
    for more, kept in (({}, True), ({"severity": "warning"}, False)):
        rule = json.dumps({"id": "it", "metric": "nullValues", "mustBe": 0} | more)
        (check,) = [c for c in plan_of(orders(amount=f"quality: [{rule}]")).day_checks if c.id == "it"]
        assert getattr(check.measures[0], "keep_positions") is kept  # noqa: B009


def test_a_bound_that_wants_such_rows_blames_the_day_and_not_the_rows() -> None:
    result = result_of("nullValues", "mustBeGreaterThan", "rows", 5)
    assert (result.verdict, result.scope, result.breach) == (Verdict.FAILED, "day", "hold")


def test_a_missing_state_is_not_a_pass() -> None:
    from ray_pipeline.sla.check import DayView

    from .views import AT, DAY

    for rule in (
        "{id: it, metric: rowCount, mustBe: 1}",
        "{id: it, metric: duplicateValues, mustBe: 0, arguments: {properties: [amount]}}",
    ):
        (check,) = [c for c in plan_of(orders(object_=f"quality: [{rule}]")).day_checks if c.id == "it"]
        assert check.judge(DayView(DAY, AT, True, {})).verdict is Verdict.UNKNOWN
