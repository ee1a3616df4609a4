"""The README's tables about the gate, made from the code: print them with ``python -m tests.e2e.readme_gate_facts``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ray_pipeline.contracts import odcs_custom, odcs_library, odcs_quality, odcs_relationships, odcs_settings, odcs_sla
from ray_pipeline.contracts.expectations import (
    DEFAULT_LATENESS,
    Expectations,
    QualityRule,
    Relationship,
    SlaProperty,
)
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.sla.check import DatasetCheck, DayCheck
from ray_pipeline.sla.compile import compile_checks
from tests.e2e.readme_facts import table

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: everything
version: 1.0.0
status: active
schema:
  - name: sales
    logicalType: object
    properties:
      - {name: id, logicalType: string, required: true, primaryKey: true}
      - {name: code, logicalType: string, required: true, unique: true}
      - {name: shop, logicalType: string, required: true}
      - {name: sold_at, logicalType: timestamp, required: true}
      - name: price
        logicalType: number
        quality:
          - {id: nullValues, metric: nullValues, mustBe: 0}
          - {id: missingValues, metric: missingValues, arguments: {missingValues: [0]}, mustBe: 0}
          - {id: invalidValues, metric: invalidValues, arguments: {minimum: 0}, mustBe: 0}
          - {id: mean, type: custom, engine: ray-pipeline, implementation: {metric: mean, mustBeGreaterThan: 0}}
    quality:
      - {id: rowCount, metric: rowCount, mustBeGreaterThan: 0}
      - {id: duplicateValues, metric: duplicateValues, arguments: {properties: [shop, sold_at]}, mustBe: 0}
      - {id: sql-on-rows, type: sql, query: "SELECT COUNT(*) FROM ${table} WHERE price < 0", mustBe: 0}
      - {id: sql-on-the-day, type: sql, query: "SELECT MAX(price) FROM ${table}", mustBeLessThan: 10}
      - {id: rowCountHistory, type: custom, engine: ray-pipeline, implementation: {metric: rowCountHistory}}
    relationships:
      - {id: relationships, type: foreignKey, from: [sales.shop], to: [shops.id]}
slaProperties:
  - {id: latency, property: latency, value: 1, unit: h}
  - {id: freshness, property: freshness, value: 1, unit: h}
  - {id: frequency, property: frequency, value: 1, unit: h}
  - {id: completeness, property: completeness, value: 99, unit: percent, element: sales.price}
  - {id: errorRate, property: errorRate, value: 1, unit: percent}
  - {id: retention, property: retention, value: 1, unit: y}
customProperties:
  - {property: eventTime, value: sold_at}
"""
"""One entry of each kind, with every default."""

_STATISTICS = "`mean`, `min`, `max`, `stddev`, `quantile`, `share`, `distinctCount`"
_JUDGED = {
    "rowCount": ("`rowCount`", "how many rows the day has"),
    "nullValues": ("`nullValues`", "rows without a value in a column; absent and null are the same"),
    "missingValues": ("`missingValues`", "rows with null there, or with a word that stands for none"),
    "invalidValues": (
        "`invalidValues`",
        "rows with a value outside `validValues`, `pattern`, `minimum`, `maximum`, `minLength`, `maxLength`",
    ),
    "duplicateValues": (
        "`duplicateValues`, `primaryKey`, `unique`",
        "rows whose key came before in the dataset, exactly; the first record stays",
    ),
    "relationships": (
        "`relationships`",
        "rows whose parent is not there, once the parent's watermark and lateness have passed; until then pending",
    ),
    "sql-on-rows": ("`type: sql`: `SELECT COUNT(*) FROM ${table} WHERE …`", "rows that meet the condition"),
    "sql-on-the-day": ("`type: sql`: any other query", "its one number over the day's rows"),
    "mean": (f"`engine: ray-pipeline`: {_STATISTICS}", "a bound on that number of a column's values"),
    "rowCountHistory": (
        "`engine: ray-pipeline`: `rowCountHistory`",
        "a day further from the usual number of rows than almost any before it",
    ),
    "latency": ("`latency`", "from the column's time to the commit of the row, for `percentile` of the rows"),
    "frequency": ("`frequency`", "the longest time without an event, for each value of the key's other columns"),
    "completeness": ("`completeness`", "the share of rows that have a value in a column"),
    "errorRate": ("`errorRate`", "the share of the day's records that was dead-lettered"),
    "freshness": ("`freshness`", "how old the newest event is by the gate's clock: no data came"),
    "retention": ("`retention`", "how old the oldest event is"),
}
_FATES = {"row": "quarantines the rows", "day": "holds the day", "dataset": "holds nothing back"}
_TERMS = {
    ("contract or object", "lateness"): "how long after its event time a record may still come",
    ("contract or object", "uniquenessScope"): "`dataset` or `day`: whether a key may come again on another event day",
    ("quality rule", "breach"): "`quarantine` the rows, or `hold` their day",
    ("service level", "severity"): "`error`, `warning` or `info`",
    ("service level", "percentile"): "of `latency`: the share of rows, in percent, that must keep it",
    ("relationship", "severity"): "`error`, `warning` or `info`",
    ("relationship", "breach"): "as of a quality rule",
    ("relationship", "tolerancePercent"): "up to this share of rows may lack a parent",
    ("`rowCountHistory`", "falseAlarmBudget"): "on at most this share of ordinary days it is a false alarm",
    ("`rowCountHistory`", "sameWeekday"): "compare with earlier days of the same weekday only",
    ("`rowCountHistory`", "days"): "compare with so many days before it",
}


def judged() -> list[str]:
    """One row per kind of entry that is judged: what is looked at, and what a breach of severity error does."""
    rows = [(*_JUDGED[check.id], _FATES[check.scope]) for check in _in_order()]
    return table(("in the contract", "what is judged", "as an error, a breach"), rows)


def terms() -> list[str]:
    """One row per term of ours that the gate reads, with its default."""
    rows = [(where, f"`{name}`", default, _TERMS[where, name]) for where, name, default in _terms()]
    return table(("where", "term", "default", "meaning"), rows)


def entries_that_are_judged() -> set[str]:
    """Every word of a contract that the code judges by."""
    library, custom = set(odcs_library._ARGUMENTS), set(odcs_custom._ARGUMENTS)
    return library | custom | set(odcs_sla._KINDS.values()) | {"primaryKey", "unique", "relationships", "type: sql"}


def severities() -> dict[str, str]:
    """What an entry's severity is where the contract does not say."""
    return {check.id: check.severity for check in _checks()}


@cache
def _checks() -> tuple[DayCheck | DatasetCheck, ...]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "everything.odcs.yaml")
        file.write_text(CONTRACT)
        contract = load_contract(file)
        plan = compile_checks(contract, read_expectations(contract))
    assert plan.not_judged == ()
    return (*plan.day_checks, *plan.dataset_checks)


def _in_order() -> Iterator[DayCheck | DatasetCheck]:
    found = {check.id: check for check in _checks()}
    yield from (found[name] for name in _JUDGED)


def _terms() -> Iterator[tuple[str, str, str]]:
    """Yield place, name and default of every term, from the code that reads them."""
    expectations = Expectations()
    rule = QualityRule("", "", "library", None, (), ())
    sla = SlaProperty("", "latency", 1)
    relationship = Relationship("", (), "", None, ())
    settings = {
        "lateness": f"`{DEFAULT_LATENESS.total_seconds() / 3600:g} h`",
        "uniquenessScope": f"`{expectations.uniqueness_scope}`",
    }
    yield from (("contract or object", name, settings[name]) for name in odcs_settings._TERMS if name in settings)
    yield from (("quality rule", name, f"`{getattr(rule, name)}`") for name in odcs_quality._RULE_TERMS)
    for name in odcs_sla._TERMS:
        default = getattr(sla, name)
        yield "service level", name, f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    tolerated = {"tolerancePercent": f"`{relationship.tolerance_percent:g}`"}
    for name in odcs_relationships._TERMS:
        yield "relationship", name, tolerated.get(name) or f"`{getattr(relationship, name)}`"
    history = {"falseAlarmBudget": f"`{odcs_custom.DEFAULT_BUDGET:g}`", "sameWeekday": "`false`", "days": "all"}
    yield from (("`rowCountHistory`", name, history[name]) for name in odcs_custom._ARGUMENTS[odcs_custom.HISTORY])


if __name__ == "__main__":
    for part in (judged, terms):
        print("\n".join(part()), end="\n\n")
