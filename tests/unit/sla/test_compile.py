"""Every promise of a contract becomes a check, or is listed with the reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.contracts.load import load_contract, parse_contract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.sla.checks.relationship import HasParent
from ray_pipeline.sla.checks.uniqueness import Uniqueness

from .contract_text import orders
from .views import plan_of

FLIGHTS = Path(__file__).parents[3] / "contracts" / "flights"


@pytest.mark.parametrize("name", ["departures", "arrivals", "weather"])
def test_nothing_that_a_contract_promises_is_left_out(name: str) -> None:
    contract = load_contract(FLIGHTS / f"{name}.odcs.yaml")
    expectations = read_expectations(contract)
    plan = plan_of(contract)
    ids = {check.id for check in (*plan.day_checks, *plan.dataset_checks)}
    promised = {entry.id for entry in (*expectations.sla, *expectations.quality, *expectations.relationships)}
    assert promised == ids
    assert plan.not_judged == ()
    assert plan == plan_of(contract)


def test_what_cannot_be_judged_is_listed_with_its_reason_and_line() -> None:
    rules = """
    quality:
      - {name: Looks nice, type: text, description: Looks nice}
      - {name: Soda, type: custom, engine: soda, implementation: x}
      - {name: Nightly, metric: rowCount, mustBeGreaterThan: 0, schedule: 0 20 * * *}
    """
    sla = """
    slaProperties:
      - {property: availability, value: 99.9, unit: percent}
      - {property: td, value: 1, unit: h}
      - {property: completeness, value: 90}
      - {property: somethingElse, value: 1}
    """
    plan = plan_of(orders(object_=rules, root=sla, sku="[{name: Skus, metric: nullValues, mustBe: 0}]"))
    listed = {entry.what: entry for entry in plan.not_judged}
    assert set(listed) == {
        "Looks nice",
        "Soda",
        "Skus",
        "schedule 0 20 * * * of Nightly",
        "availability 99.9 percent",
        "td 1 h",
        "completeness 90",
        "somethingElse 1",
    }
    assert all(entry.line and entry.why and entry.key for entry in plan.not_judged)
    assert "soda" in listed["Soda"].why
    assert [entry.line for entry in plan.not_judged] == sorted(entry.line or 0 for entry in plan.not_judged)


def test_the_number_of_a_query_over_a_day_counts_rows_only_where_it_is_a_count_of_them() -> None:
    rules = """
    quality:
      - {name: rows, type: sql, query: "SELECT COUNT(*) FROM ${table} WHERE amount < 0", mustBe: 0}
      - {name: mean, type: sql, query: "SELECT avg(amount) FROM ${table}", mustBeLessThan: 9}
      - {name: share, type: sql, query: "SELECT 100 * avg(amount) FROM ${table}", mustBeLessThan: 9, unit: percent}
    """
    units = {check.name: check.unit for check in plan_of(orders(object_=rules)).day_checks if check.kind == "sql"}
    assert units == {"rows": "rows", "mean": "", "share": "percent"}


def test_a_latency_or_frequency_without_any_time_is_listed() -> None:
    sla = "slaProperties: [{property: latency, value: 1, unit: h}, {property: freshness, value: 1, unit: h}]"
    plan = plan_of(orders(root=sla, event_time=False))
    assert [entry.what for entry in plan.not_judged] == ["latency 1 h", "freshness 1 h"]
    assert plan.dataset_checks == ()


def test_files_that_nobody_committed_have_no_latency_but_are_held_against_the_contract() -> None:
    sla = "slaProperties: [{property: latency, value: 1, unit: h}, {property: errorRate, value: 1}]"
    plan = plan_of(orders(root=sla), committed=False)
    assert [entry.what for entry in plan.not_judged] == ["latency 1 h", "errorRate 1"]
    assert "conformance" in [check.id for check in plan.day_checks]
    bare = parse_contract('{"type": "object", "properties": {"a": {"type": "integer"}}}', "a.json")
    assert [check.id for check in plan_of(bare, committed=False).day_checks] == ["conformance"]
    assert plan_of(bare).day_checks == ()


def test_keys_are_checked_once_however_often_the_contract_says_them() -> None:
    def keys(rule: str = "") -> list[tuple[str, tuple[tuple[str, ...], ...]]]:
        checks = plan_of(orders(object_=rule)).day_checks
        return [(check.id, check.columns) for check in checks if isinstance(check, Uniqueness)]

    implied = [("primaryKey", (("shop",), ("order_id",))), ("unique.e_mail", (("e_mail",),))]
    assert keys() == implied
    said = "quality: [{id: once, metric: duplicateValues, arguments: {properties: [order_id, shop]}, mustBe: 0}]"
    assert keys(said) == [implied[1], ("once", (("order_id",), ("shop",)))]
    weaker = said.replace("mustBe: 0", "mustBe: 0, severity: warning")
    assert [name for name, _ in keys(weaker)] == ["primaryKey", "unique.e_mail", "once"]


def test_a_child_waits_by_the_time_in_its_key_or_by_its_own_event_time() -> None:
    by_key = "relationships: [{id: it, from: [orders.shop, orders.placed_at], to: [w.shop, w.hour]}]"
    by_event = "relationships: [{id: it, from: orders.shop, to: shops.id}]"
    for text, time in ((by_key, ("placed_at",)), (by_event, ("placed_at",))):
        (check,) = [c for c in plan_of(orders(object_=text)).day_checks if isinstance(c, HasParent)]
        assert check.time == time
    (check,) = [c for c in plan_of(orders(object_=by_event, event_time=False)).day_checks if isinstance(c, HasParent)]
    assert check.time is None


def test_what_cannot_be_a_key_is_listed() -> None:
    rules = """
    quality: [{id: it, metric: duplicateValues, arguments: {properties: [customer]}, mustBe: 0}]
    relationships: [{id: them, from: orders.customer, to: people.person}]
    """
    listed = {entry.what: entry.why for entry in plan_of(orders(object_=rules)).not_judged}
    assert set(listed) == {"customer.duplicateValues", "relationship them"}
    assert all("cannot be part of a key" in why for why in listed.values())


def test_checks_share_what_they_look_at() -> None:
    rules = """
    quality:
      - {id: a, metric: rowCount, mustBeGreaterThan: 0}
      - {id: b, type: custom, engine: ray-pipeline, implementation: {metric: rowCountHistory}}
    """
    plan = plan_of(orders(object_=rules))
    assert len([measure for measure in plan.measures if measure.id.startswith("row_count")]) == 1
