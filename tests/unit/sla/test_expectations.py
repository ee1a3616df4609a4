"""What a contract promises beyond one record is read whole, with its lines; what can never be judged is refused."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path

import pytest

from ray_pipeline.contracts.expectations import (
    Expectations,
    Relationship,
    SupportChannel,
    Target,
)
from ray_pipeline.contracts.lint import lint_text
from ray_pipeline.contracts.load import load_contract, parse_contract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.contracts.odcs_relationships import parent_columns
from ray_pipeline.contracts.odcs_sla import sla_span

from .contract_text import contract_text, orders

FLIGHTS = Path(__file__).parents[3] / "contracts" / "flights"


def test_a_rule_of_the_library_is_read_with_all_it_says() -> None:
    rule = """
    quality:
      - id: known
        name: Amounts are known
        description: They come from the till.
        type: library
        metric: nullValues
        mustBeLessOrEqualTo: 5
        unit: percent
        dimension: completeness
        severity: warning
        businessImpact: Bills are wrong.
        schedule: 0 20 * * *
        scheduler: cron
    """
    contract = orders(amount=rule)
    (found,) = read_expectations(contract).quality
    assert (found.id, found.name, found.type, found.metric) == ("known", "Amounts are known", "library", "nullValues")
    assert found.columns == (("amount",),)
    assert found.targets == (Target("mustBeLessOrEqualTo", (5.0,)),)
    assert (found.unit, found.severity, found.breach) == ("percent", "warning", "quarantine")
    assert (found.dimension, found.business_impact, found.schedule) == (
        "completeness",
        "Bills are wrong.",
        "0 20 * * *",
    )
    assert found.line is not None
    assert "id: known" in contract.text.splitlines()[found.line - 1]
    assert "amount" in found.key


def test_rules_without_an_id_are_named_by_their_place_and_all_ids_are_unique() -> None:
    rules = "quality:\n  - {metric: nullValues, mustBe: 0}\n  - {metric: nullValues, mustBeLessThan: 3}"
    same = "quality: [{id: latency, metric: rowCount, mustBeGreaterThan: 0}]"
    sla = "slaProperties: [{id: latency, property: latency, value: 1, unit: h, element: orders.placed_at}]"
    expectations = read_expectations(orders(amount=rules, object_=same, root=sla))
    ids = [entry.id for entry in (*expectations.sla, *expectations.quality)]
    assert ids == [
        "sla.latency",
        "amount.nullValues",
        "amount.nullValues-2",
        "quality.latency",
    ]


def test_every_operator_is_read() -> None:
    for operator in ("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan"):
        (rule,) = read_expectations(orders(object_=f"quality: [{{metric: rowCount, {operator}: 7}}]")).quality
        assert rule.targets == (Target(operator, (7.0,)),)
    for operator in ("mustBeBetween", "mustNotBeBetween"):
        (rule,) = read_expectations(orders(object_=f"quality: [{{metric: rowCount, {operator}: [1, 9.5]}}]")).quality
        assert rule.targets == (Target(operator, (1.0, 9.5)),)


def test_foreign_engines_and_words_are_read_and_not_refused() -> None:
    rules = """
    quality:
      - {type: text, description: Looks nice, severity: whatever}
      - {type: custom, engine: soda, severity: blocker, implementation: "duplicate_percent(order_id) < 5"}
      - {type: custom, engine: great-expectations, implementation: {type: expect_x, kwargs: {}}}
    """
    assert [rule.type for rule in read_expectations(orders(object_=rules)).quality] == ["text", "custom", "custom"]


def test_our_engine_reads_its_bounds_from_the_implementation() -> None:
    rules = """
    quality:
      - type: custom
        engine: ray-pipeline
        implementation: {metric: quantile, arguments: {quantile: 0.9}, mustBeGreaterThan: 1, mustBeLessThan: 9}
    """
    (rule,) = read_expectations(orders(amount=rules)).quality
    assert rule.metric == "quantile"
    assert rule.arguments == {"quantile": 0.9}
    assert rule.targets == (Target("mustBeGreaterThan", (1.0,)), Target("mustBeLessThan", (9.0,)))
    history = """
    quality:
      - type: custom
        engine: ray-pipeline
        implementation: {metric: rowCountHistory, arguments: {falseAlarmBudget: 0.05, sameWeekday: true}}
    """
    (rule,) = read_expectations(orders(object_=history)).quality
    assert (rule.metric, rule.columns, rule.targets) == ("rowCountHistory", (), ())


def test_a_rule_on_the_object_may_name_its_columns() -> None:
    rules = """
    quality:
      - {id: twice, metric: duplicateValues, arguments: {properties: [shop, customer.id]}, mustBe: 0}
      - {id: there, metric: nullValues, arguments: {properties: [amount, customer.age]}, mustBe: 0}
    """
    rules_read = read_expectations(orders(object_=rules)).quality
    assert [(rule.id, rule.columns) for rule in rules_read] == [
        ("twice", (("shop",), ("customer", "id"))),
        ("there.amount", (("amount",),)),
        ("there.customer.age", (("customer", "age"),)),
    ]


def test_service_levels_are_read_with_their_units_and_our_terms() -> None:
    sla = """
    slaProperties:
      - property: ly
        value: "15"
        unit: minutes
        element: orders.placed_at
        driver: operational
        schedule: hourly
        customProperties:
          - {property: severity, value: error}
          - {property: percentile, value: 99.5}
      - {property: availability, value: 99.9, unit: percent}
      - {property: generalAvailability, value: "2026-01-01T00:00:00Z"}
      - {property: retention, value: 3, unit: y, valueExt: 4, element: orders}
    """
    latency, availability, general, retention = read_expectations(orders(root=sla)).sla
    assert sla_span(latency) == 900
    assert (latency.property, latency.column, latency.severity, latency.percentile) == (
        "ly",
        ("placed_at",),
        "error",
        99.5,
    )
    assert (latency.driver, latency.schedule) == ("operational", "hourly")
    assert (availability.value, availability.unit, availability.severity) == (99.9, "percent", "warning")
    assert general.value == "2026-01-01T00:00:00Z"
    assert (retention.column, retention.value_ext) == (None, 4)


def test_an_element_of_another_object_is_that_objects_business() -> None:
    text = contract_text(root="slaProperties: [{property: latency, value: 1, unit: h, element: refunds.at}]")
    text = text.replace(
        "slaProperties",
        "  - {name: refunds, logicalType: object, properties: [{name: at, logicalType: timestamp, required: true}]}\n"
        "slaProperties",
    ).replace("value: placed_at", "value: placed_at, vendor: other")
    orders_ = parse_contract(text, "shop.yaml", object_name="orders")
    refunds = parse_contract(text, "shop.yaml", object_name="refunds")
    assert read_expectations(orders_).sla == ()
    assert [entry.column for entry in read_expectations(refunds).sla] == [("at",)]


def test_keys_classification_support_and_settings_are_read() -> None:
    root = """
    support:
      - {channel: "#orders", tool: slack, url: https://chat.example/orders}
    customProperties:
      - {property: eventTime, value: placed_at}
      - {property: lateness, value: 90 min}
      - {property: uniquenessScope, value: day}
    """
    expectations = read_expectations(orders(root=root))
    assert expectations.primary_key == (("shop",), ("order_id",))
    assert expectations.unique == (("e_mail",),)
    assert sorted(expectations.key_lines) == [("e_mail",), ("order_id",), ("shop",)]
    assert expectations.classified == {("e_mail",), ("customer",), ("customer", "id"), ("customer", "age")}
    assert expectations.support == (SupportChannel("#orders", "slack", "https://chat.example/orders"),)
    assert expectations.lateness == timedelta(minutes=90)
    assert expectations.uniqueness_scope == "day"


@pytest.mark.parametrize(
    ("from_", "to", "parent", "file", "columns"),
    [
        ("orders.shop", "shops.id", "shops", None, (("id",),)),
        ("orders.customer.id", "people.yaml#schema/people/properties/id", "people", "people.yaml", (("id",),)),
        ("schema/orders-id/properties/order-id", "orders.shop", "orders", None, (("shop",),)),
        ("orders.shop", "schema/orders-id/properties/order-id", "orders", None, (("order_id",),)),
        ("[orders.shop, orders.order_id]", "[x.a, x.b.c]", "x", None, (("a",), ("b", "c"))),
    ],
)
def test_both_notations_of_a_relationship_are_read(
    from_: str, to: str, parent: str, file: str | None, columns: tuple[tuple[str, ...], ...]
) -> None:
    (found,) = read_expectations(orders(object_=f"relationships:\n  - {{from: {from_}, to: {to}}}")).relationships
    assert (found.parent, found.parent_file, found.parent_columns) == (parent, file, columns)
    assert len(found.columns) == len(columns)


def test_a_relationship_on_a_property_carries_our_terms() -> None:
    relationship = """
    relationships:
      - id: known
        to: prices.amount
        customProperties:
          - {property: severity, value: warning}
          - {property: tolerancePercent, value: 2}
    """
    (found,) = read_expectations(orders(amount=relationship)).relationships
    line, key = found.line, found.key
    assert found == Relationship(
        "known", (("amount",),), "prices", None, (("amount",),), "warning", "quarantine", 2.0, None, line, key
    )


def test_ids_of_another_file_become_the_names_that_it_gives_them() -> None:
    child = "relationships:\n  - {from: orders.shop, to: orders.yaml#schema/orders-id/properties/order-id}"
    (relationship,) = read_expectations(orders(object_=child)).relationships
    assert parent_columns(relationship, orders()) == (("order_id",),)


def test_expectations_are_derived_and_the_same_after_a_journey() -> None:
    contract = load_contract(FLIGHTS / "departures.odcs.yaml")
    assert read_expectations(pickle.loads(pickle.dumps(contract))) == read_expectations(contract)


def test_a_bare_json_schema_promises_nothing_more() -> None:
    assert read_expectations(parse_contract('{"type": "object"}', "a.json")) == Expectations()


def test_the_flights_say_what_the_demo_needs() -> None:
    departures, arrivals, weather = (
        read_expectations(load_contract(FLIGHTS / f"{name}.odcs.yaml"))
        for name in ("departures", "arrivals", "weather")
    )
    assert {rule.id: rule.severity for rule in departures.quality}["volume-of-a-day"] == "error"
    assert departures.relationships[0].severity == "warning"
    assert (arrivals.relationships[0].severity, arrivals.relationships[0].breach) == ("error", "quarantine")
    assert weather.lateness == timedelta(hours=2)


WRONG = {
    "reversed": ("quality: [{metric: rowCount, mustBeBetween: [9, 1]}]", "", "nothing lies between 9 and 1"),
    "negative": ("quality: [{metric: rowCount, mustBeLessThan: 0}]", "", "a count is never below 0"),
    "words": ("quality: [{metric: rowCount, mustBe: many}]", "", "must be a number"),
    "share": ("quality: [{metric: rowCount, mustBe: 1, unit: percent}]", "", "percent of what?"),
    "unit": ("quality: [{metric: rowCount, mustBe: 1, unit: precent}]", "", "did you mean percent?"),
    "severity": ("quality: [{metric: rowCount, mustBe: 1, severity: eror}]", "", "did you mean error?"),
    "breach": (
        "quality: [{metric: rowCount, mustBe: 1, customProperties: [{property: breach, value: drop}]}]",
        "",
        "must be quarantine or hold",
    ),
    "no column": ("quality: [{metric: nullValues, mustBe: 1}]", "", "nullValues of what?"),
    "unknown column": (
        "quality: [{metric: duplicateValues, arguments: {properties: [amuont]}, mustBe: 0}]",
        "",
        "did you mean amount?",
    ),
    "argument": ("quality: [{metric: rowCount, arguments: {valid: 1}, mustBe: 1}]", "", "does not read it"),
    "placeholder": ('quality: [{type: sql, query: "SELECT ${column}", mustBe: 1}]', "", "write its name here"),
    "our metric": (
        "quality: [{type: custom, engine: ray-pipeline, implementation: {metric: maen, mustBe: 1}}]",
        "",
        "did you mean mean?",
    ),
    "our key": (
        "quality: [{type: custom, engine: ray-pipeline, implementation: {metric: rowCountHistory, budget: 1}}]",
        "",
        "budget: unknown key",
    ),
    "our budget": (
        "quality: [{type: custom, engine: ray-pipeline, "
        "implementation: {metric: rowCountHistory, arguments: {falseAlarmBudget: 2}}}]",
        "",
        "must be a number from 0.0005 to 0.5",
    ),
    "history has no bound": (
        "quality: [{type: custom, engine: ray-pipeline, implementation: {metric: rowCountHistory, mustBe: 1}}]",
        "",
        "the history is the bound",
    ),
    "of a text": (
        "quality: [{type: custom, engine: ray-pipeline, "
        "implementation: {metric: mean, arguments: {property: shop}, mustBe: 1}}]",
        "",
        "mean is of numbers; shop is string",
    ),
    "contradiction": (
        "quality: [{type: custom, engine: ray-pipeline, implementation: "
        "{metric: mean, arguments: {property: amount}, mustBeLessThan: 1, mustBeGreaterThan: 2}}]",
        "",
        "no value satisfies mustBeGreaterThan and mustBeLessThan together",
    ),
    "no bound": (
        "quality: [{type: custom, engine: ray-pipeline, "
        "implementation: {metric: mean, arguments: {property: amount}}}]",
        "",
        "has no bound",
    ),
    "from": ("relationships: [{from: orders.nothing, to: a.b}]", "", "'nothing' is no property"),
    "from elsewhere": ("relationships: [{from: refunds.x, to: a.b}]", "", "from is a property of orders"),
    "lengths": ("relationships: [{from: [orders.shop], to: [a.b, a.c]}]", "", "1 columns refer to 2"),
    "parents": ("relationships: [{from: [orders.shop, orders.amount], to: [a.b, c.d]}]", "", "has one parent"),
    "to unknown": ("relationships: [{from: orders.shop, to: orders.shpo}]", "", "did you mean shop?"),
    "tolerance": (
        "relationships: [{from: orders.shop, to: a.b, customProperties: [{property: tolerancePercent, value: 101}]}]",
        "",
        "must be a number from 0 to 100",
    ),
    "latency unit": ("", "slaProperties: [{property: latency, value: 5, unit: parsec}]", "is no unit of time"),
    "no unit": ("", "slaProperties: [{property: freshness, value: 5}]", "5 of what?"),
    "not a number": ("", "slaProperties: [{property: retention, value: long, unit: d}]", "must be a number"),
    "no time": ("", "slaProperties: [{property: latency, value: 5, unit: s, element: orders.shop}]", "shop is string"),
    "element": ("", "slaProperties: [{property: latency, value: 5, unit: s, element: orders.at}]", "'orders.at' is no"),
    "rate": ("", "slaProperties: [{property: errorRate, value: 500}]", "0 to 100 percent"),
    "percentile": (
        "",
        "slaProperties: [{property: latency, value: 5, unit: s, customProperties: [{property: percentile, value: 0}]}]",
        "a number above 0 and up to 100",
    ),
    "lateness": ("", "customProperties: [{property: lateness, value: soon}]", 'a time such as "2 h"'),
    "scope": ("", "customProperties: [{property: uniquenessScope, value: week}]", "must be dataset or day"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_never_be_judged_is_refused_with_line_and_key(name: str) -> None:
    object_, root, message = WRONG[name]
    problems = [p for p in lint_text(contract_text(object_=object_, root=root), "orders.odcs.yaml") if not p.warning]
    assert [message in str(problem) for problem in problems] == [True], [str(problem) for problem in problems]
    assert problems[0].line is not None
    assert problems[0].key


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "say what is valid"),
        ("pattern: '(?=a)'", "RE2"),
        ("validValues: []", "must be a list"),
        ("minimum: 5, maximum: 3", "lies below minimum"),
        ("minLength: -1", "an integer from 0"),
        ("values: [1]", "did you mean"),
    ],
)
def test_what_no_value_could_keep_is_refused(arguments: str, message: str) -> None:
    rule = f"quality: [{{metric: invalidValues, arguments: {{{arguments}}}, mustBe: 0}}]"
    problems = [str(problem) for problem in lint_text(contract_text(amount=rule), "orders.odcs.yaml")]
    assert any(message in problem for problem in problems), problems


def test_two_operators_in_a_rule_of_the_standard_are_refused_in_words() -> None:
    rule = "quality: [{metric: rowCount, mustBeGreaterThan: 1, mustBeLessThan: 9}]"
    problems = [str(problem) for problem in lint_text(contract_text(object_=rule), "orders.odcs.yaml")]
    assert len(problems) == 1
    assert "keep one" in problems[0]


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("slaProperties: [{property: completeness, value: 90}]", "it is not judged"),
        ("slaProperties: [{property: error_rate, value: 5}]", "did you mean errorRate?"),
        ("slaProperties: [{id: a, property: x, value: 5}, {id: a, property: y, value: 5}]", "a second time"),
    ],
)
def test_what_is_only_odd_is_a_warning(root: str, message: str) -> None:
    (problem,) = lint_text(contract_text(root=root), "orders.odcs.yaml")
    assert problem.warning
    assert message in problem.message
