"""Service levels and our own checks say what the data says, and wait only where rows that come could matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from ray_pipeline.sla.check import Check, DatasetCheck, DatasetView, DayCheck, DayView, KeyFinding, SqlValue
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measure import RowRef, Where
from ray_pipeline.sla.result import CheckResult, Verdict

from .contract_text import orders
from .views import AT, DAY, judged, plan_of

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
PASSED, FAILED, PENDING, UNKNOWN = Verdict.PASSED, Verdict.FAILED, Verdict.PENDING, Verdict.UNKNOWN


def moment(minutes: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minutes)


def at(minutes: list[float | None], **columns: Any) -> pa.Table:
    times = [None if one is None else moment(one) for one in minutes]
    table = pa.table({"placed_at": pa.array(times, pa.timestamp("us", "UTC"))})
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    return table


def microseconds(minutes: float) -> int:
    return int(moment(minutes).timestamp() * 1_000_000)


def sla(entry: str, key: str = "") -> DayCheck:
    contract = orders(root=f"slaProperties:\n  - {{id: it, element: orders.placed_at, {entry}}}")
    if key:
        contract = orders_with_time_in_key(entry)
    (check,) = [check for check in plan_of(contract).day_checks if check.id == "it"]
    return check


def orders_with_time_in_key(entry: str) -> Any:
    from ray_pipeline.contracts.load import parse_contract

    from .contract_text import contract_text

    text = contract_text(root=f"slaProperties:\n  - {{id: it, element: orders.placed_at, {entry}}}")
    text = text.replace(
        "name: order_id, logicalType: string, required: true, primaryKey: true, primaryKeyPosition: 2",
        "name: order_id, logicalType: string",
    )
    text = text.replace(
        "logicalTypeOptions: {timezone: true}, required: true",
        "logicalTypeOptions: {timezone: true}, required: true, primaryKey: true",
    )
    return parse_contract(text, "orders.odcs.yaml")


def dataset_check(entry: str) -> DatasetCheck:
    (check,) = plan_of(orders(root=f"slaProperties:\n  - {{id: it, {entry}}}")).dataset_checks
    return check


def custom(implementation: str, place: str = "amount") -> DayCheck:
    rule = f"quality: [{{id: it, type: custom, engine: ray-pipeline, implementation: {{{implementation}}}}}]"
    contract = orders(amount=rule) if place == "amount" else orders(object_=rule)
    (check,) = [check for check in plan_of(contract).day_checks if check.id == "it"]
    return check


def test_latency_is_from_the_event_to_its_landing_and_just_in_time_is_in_time() -> None:
    check = sla("property: latency, value: 15, unit: min")
    rows = at([0, 5, 10])
    result = judged(check, rows, committed_at=microseconds(15))
    assert (result.verdict, result.value, result.unit) == (PASSED, 900, "s")
    late = judged(check, rows, committed_at=microseconds(16), complete=False)
    assert (late.verdict, late.rows) == (FAILED, 1)
    assert "1 of 3 rows landed later" in late.detail
    assert judged(check, at([]), committed_at=0).verdict is UNKNOWN


def test_a_percentile_of_latency_can_be_healed_by_rows_in_time() -> None:
    terms = "customProperties: [{property: percentile, value: 75}]"
    check = sla(f"property: latency, value: 15, unit: min, {terms}")
    assert judged(check, at([0, 20, 21, 22]), committed_at=microseconds(30)).verdict is PASSED
    assert judged(check, at([0, 1, 21, 22]), committed_at=microseconds(30)).verdict is FAILED
    assert judged(check, at([0, 1, 21, 22]), committed_at=microseconds(30), complete=False).verdict is PENDING
    assert "for 75 % of the rows" in judged(check, at([0]), committed_at=0).target


def test_an_event_after_its_landing_is_said() -> None:
    result = judged(sla("property: latency, value: 15, unit: min"), at([10]), committed_at=microseconds(5))
    assert "a clock is wrong" in result.detail


def test_freshness_runs_by_the_gates_clock_and_no_data_is_a_breach() -> None:
    check = dataset_check("property: freshness, value: 2, unit: h")

    def judge(newest: datetime | None, rows: int = 1) -> CheckResult:
        return check.judge(DatasetView(AT, newest, newest, rows))

    assert judge(AT - timedelta(hours=2)).verdict is PASSED
    stale = judge(AT - timedelta(hours=2, seconds=1))
    assert (stale.verdict, stale.value, stale.scope) == (FAILED, 7201, "dataset")
    assert "No data came" in stale.detail
    assert judge(None, 0).verdict is FAILED
    assert judge(AT + timedelta(minutes=5)).verdict is PASSED
    early = judge(AT + timedelta(hours=1))
    assert (early.verdict, "after the gate's clock" in early.detail) == (UNKNOWN, True)


def test_retention_is_how_long_data_may_be_kept() -> None:
    check = dataset_check("property: retention, value: 30, unit: d")
    young, old = (DatasetView(AT, AT, AT - timedelta(days=days), 9) for days in (30, 31))
    assert check.judge(young).verdict is PASSED
    assert check.judge(old).verdict is FAILED
    assert check.judge(old).value == 31


def test_frequency_counts_gaps_within_the_day_across_midnight_and_to_its_end() -> None:
    check = sla("property: frequency, value: 10, unit: h")
    whole = [0, 600, 1200, 1439]
    assert judged(check, at(whole)).verdict is PASSED
    assert judged(check, at([0, 601, 1200])).verdict is FAILED
    assert judged(check, at([0, 601, 1200]), complete=False).verdict is PENDING
    assert judged(check, at([0, 600, 800])).verdict is FAILED, "nothing came from 800 to midnight"
    assert judged(check, at([0, 600, 800]), complete=False).verdict is PASSED
    measure = check.measures[0]
    before = {measure.id: measure.of(at([-301]), Where("orders", 0))}
    assert judged(check, at([300, 800, 1300]), earlier=before).verdict is FAILED
    assert judged(check, at([299, 800, 1300]), earlier=before).verdict is PASSED
    assert judged(check, at([5]), complete=False).value is None


def test_a_time_in_the_primary_key_makes_each_of_its_other_columns_report_by_itself() -> None:
    check = sla("property: frequency, value: 20, unit: h", key="time")
    both = at([0, 700, 700, 1200], shop=["a", "a", "b", "b"])
    assert judged(check, both).verdict is PASSED
    silent = at([0, 700, 1200], shop=["a", "b", "b"])
    result = judged(check, silent)
    assert (result.verdict, result.value) == (FAILED, 86_400)
    assert "for each shop" in result.target


def test_completeness_is_the_share_that_is_filled() -> None:
    check = sla("property: completeness, value: 75, unit: percent").__class__
    (it,) = [
        check_
        for check_ in plan_of(
            orders(root="slaProperties: [{id: it, property: completeness, value: 75, element: orders.amount}]")
        ).day_checks
        if check_.id == "it"
    ]
    assert isinstance(it, check)
    rows = pa.table({"amount": [1.0, 2.0, 3.0, None]})
    assert (judged(it, rows).verdict, judged(it, rows).value) == (PASSED, 75)
    worse = pa.table({"amount": [1.0, 2.0, None, None]})
    assert judged(it, worse).verdict is FAILED
    assert judged(it, worse, complete=False).verdict is PENDING
    assert judged(it, rows.slice(0, 0)).verdict is UNKNOWN


def test_the_error_rate_is_bad_records_against_all() -> None:
    (check,) = [
        c
        for c in plan_of(
            orders(root="slaProperties: [{id: it, property: errorRate, value: 5, unit: percent}]")
        ).day_checks
        if c.id == "it"
    ]
    assert judged(check, at([]), good=95, bad=5).verdict is PASSED
    assert judged(check, at([]), good=94, bad=6).verdict is FAILED
    assert judged(check, at([]), good=0, bad=0).verdict is UNKNOWN


NUMBERS = [4.0, 1.0, 3.0, 2.0, 10.0]


@pytest.mark.parametrize(
    ("implementation", "value"),
    [
        ("metric: mean, mustBeLessThan: 0", 4.0),
        ("metric: min, mustBeLessThan: 0", 1.0),
        ("metric: max, mustBeLessThan: 0", 10.0),
        ("metric: stddev, mustBeLessThan: 1", 12.5**0.5),
        ("metric: quantile, arguments: {quantile: 0.5}, mustBeLessThan: 0", 3.0),
        ("metric: share, arguments: {value: 3}, mustBeLessThan: 1", 20.0),
        ("metric: distinctCount, mustBeLessThan: 1", 5.0),
    ],
)
def test_a_statistic_is_that_of_the_days_values(implementation: str, value: float) -> None:
    rows = pa.table({"amount": pa.array(NUMBERS)})
    check = custom(implementation)
    result = judged(check, rows)
    assert result.verdict is FAILED
    assert result.value == pytest.approx(value, rel=0.01)
    rising = "metric: max" in implementation or "distinctCount" in implementation
    assert judged(check, rows, complete=False).verdict is (FAILED if rising else PENDING)
    if "share" not in implementation and "distinct" not in implementation:
        assert judged(check, rows.slice(0, 0)).verdict is UNKNOWN


def history(counts: list[float]) -> dict[str, tuple[tuple[str, float], ...]]:
    days = [(datetime(2026, 3, 1) - timedelta(n + 1)).date().isoformat() for n in range(len(counts))]
    return {"it": tuple(sorted(zip(days, counts, strict=True)))}


def test_volume_is_compared_with_its_own_history_or_says_that_there_is_not_enough() -> None:
    check = custom("metric: rowCountHistory, arguments: {falseAlarmBudget: 0.05}", place="object")
    rows = at([0.0] * 10)
    usual = [100.0 + n for n in range(19)]
    short = judged(check, rows, history=history(usual[:18]))
    assert short.verdict is Verdict.NO_HISTORY
    assert "18 earlier days known, 19 needed" in short.detail
    low = judged(check, rows, history=history(usual))
    assert (low.verdict, low.value, len(low.history)) == (FAILED, 10, 19)
    assert judged(check, rows, history=history(usual), complete=False).verdict is PENDING
    high = judged(check, rows, history=history([1.0 + n / 99 for n in range(19)]), complete=False)
    assert high.verdict is FAILED
    assert judged(check, rows, history=history([10.0] * 19)).verdict is PASSED
    assert "false alarms on at most 5 %" in low.target


NO_ROWS = at([], amount=pa.array([], pa.float64()))


def relationship(terms: str = "") -> DayCheck:
    entry = f"relationships:\n  - {{id: it, to: shops.id, customProperties: [{terms}]}}"
    (check,) = [check for check in plan_of(orders(amount=entry)).day_checks if check.id == "it"]
    return check


def test_a_child_waits_until_its_parent_is_overdue() -> None:
    check = relationship()

    def judge(check: Check, finding: KeyFinding, *, complete: bool = True) -> Verdict:
        return judged(check, NO_ROWS, complete=complete, keys={"it": finding}).verdict  # type: ignore[arg-type]

    assert judge(check, KeyFinding(10, 0)) is PASSED
    assert judge(check, KeyFinding(10, 1)) is FAILED
    assert judge(check, KeyFinding(10, 1), complete=False) is FAILED
    assert judge(check, KeyFinding(10, 0, pending=1)) is PENDING
    assert judge(check, KeyFinding(10, 1, pending=1)) is PENDING, "a pending row must not be published with the rest"
    hold = relationship("{property: breach, value: hold}")
    assert judge(hold, KeyFinding(10, 1, pending=1)) is FAILED
    assert judge(check, KeyFinding(0, 0, problem="no departures")) is UNKNOWN
    tolerant = relationship("{property: tolerancePercent, value: 10}")
    assert judge(tolerant, KeyFinding(10, 1)) is PASSED
    assert judge(tolerant, KeyFinding(10, 2)) is FAILED
    assert judge(tolerant, KeyFinding(10, 2), complete=False) is PENDING
    warned = relationship("{property: severity, value: warning}")
    assert judge(warned, KeyFinding(10, 1, pending=1)) is FAILED


def test_orphans_are_named() -> None:
    finding = KeyFinding(10, 1, pending=2, examples=(RowRef("orders", 0, 7),))
    result = judged(relationship(), NO_ROWS, keys={"it": finding})
    assert (result.rows, result.examples) == (1, (RowRef("orders", 0, 7),))
    assert "1 of 8 rows have no shops; of 2 rows more it may still come" in result.detail


def test_a_duplicate_is_every_row_of_a_key_but_the_first() -> None:
    (check,) = [check for check in plan_of(orders()).day_checks if check.id == "primaryKey"]
    result = judged(
        check,
        at([], shop=pa.array([], pa.string()), order_id=pa.array([], pa.string())),
        keys={"primaryKey": KeyFinding(9, 2)},
    )
    assert (result.verdict, result.value, result.rows, result.kind) == (FAILED, 2, 2, "uniqueness")
    assert "2 of 9 rows have a shop, order_id that came before in the dataset" in result.detail


def sql(query: str, more: str = "mustBe: 0") -> DayCheck:
    rule = f'quality: [{{id: it, type: sql, query: "{query}", {more}}}]'
    (check,) = [check for check in plan_of(orders(object_=rule)).day_checks if check.id == "it"]
    return check


def test_a_query_that_counts_rows_names_them() -> None:
    check = sql("SELECT COUNT(*) FROM ${table} WHERE amount < 0")
    result = judged(check, pa.table({"amount": [1.0, -1.0, None, -2.0]}))
    assert (result.verdict, result.value, result.scope) == (FAILED, 2, "row")


def test_any_other_query_is_run_over_the_day() -> None:
    check = sql("SELECT MAX(amount) - MIN(amount) FROM ${table}", "mustBeLessThan: 5")
    assert judged(check, at([]), sql={"it": SqlValue(4.0)}).verdict is PASSED
    assert judged(check, at([]), sql={"it": SqlValue(5.0)}).verdict is FAILED
    assert judged(check, at([]), sql={"it": SqlValue(5.0)}, complete=False).verdict is PENDING
    assert judged(check, at([]), sql={"it": SqlValue(None, "it took too long")}).detail == "it took too long"
    assert judged(check, at([])).verdict is UNKNOWN


def test_a_query_that_nobody_can_run_is_unknown_and_not_passed() -> None:
    result = judged(sql("SELECT nothing FROM ${table}"), at([]), sql={"it": SqlValue(0.0)})
    assert result.verdict is UNKNOWN
    assert result.detail


def test_rows_that_others_wrote_are_held_against_the_contract() -> None:
    (check,) = [c for c in plan_of(orders(), committed=False).day_checks if c.id == "conformance"]
    broken = FlaggedRows(10, 1, (RowRef("a.parquet", -1, 3),))
    result = check.judge(DayView(DAY, AT, True, {"conformance": broken}))
    assert (result.verdict, result.scope, result.breach, result.rows) == (FAILED, "row", "quarantine", 1)
    assert check.judge(DayView(DAY, AT, True, {})).verdict is UNKNOWN
