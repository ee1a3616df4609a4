"""From what a contract promises to the checks that judge it; what cannot be judged is listed with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column, Expectations, Relationship, Target
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_columns import dotted

from .check import CheckPlan, DatasetCheck, DayCheck
from .checks.conformance import CONFORMANCE, Conformance
from .checks.nulls import Nulls
from .checks.relationship import HasParent
from .checks.uniqueness import Uniqueness
from .compile_quality import arrow_type, compile_rule
from .compile_sla import compile_sla
from .keys.hashing import key_problem
from .result import NotJudged

EVENT_TIME: Final = "event-time-known"
NONE_FLAGGED: Final = (Target("mustBe", (0.0,)),)


def compile_checks(contract: DataContract, expectations: Expectations, *, committed: bool = True) -> CheckPlan:
    """Compile everything; every entry of the contract becomes a check, or is listed as not judged.

    ``committed`` is False for files that our ingest did not write: nobody knows when they landed or what was refused
    on the way, and their rows were never judged against the contract, so that becomes a check too.
    """
    day_checks: list[DayCheck] = []
    dataset_checks: list[DatasetCheck] = []
    not_judged: list[NotJudged] = []
    if not committed:
        day_checks.append(_conformance())
    day_checks += _event_time(contract)
    for key in _keys(contract, expectations):
        if isinstance(key, NotJudged):
            not_judged.append(key)
        else:
            day_checks.append(key)
    for rule in expectations.quality:
        made = compile_rule(contract, expectations, rule)
        if isinstance(made, NotJudged):
            not_judged.append(made)
            continue
        day_checks.append(made)
        if rule.schedule is not None:
            not_judged.append(_schedule(rule.name, rule.schedule, rule.line, rule.key))
    for relationship in expectations.relationships:
        parent = _relationship(contract, relationship)
        if isinstance(parent, NotJudged):
            not_judged.append(parent)
        else:
            day_checks.append(parent)
    for entry in expectations.sla:
        compiled = compile_sla(contract, expectations, entry, committed=committed)
        if isinstance(compiled, NotJudged):
            not_judged.append(compiled)
            continue
        day, dataset = compiled
        day_checks += day
        dataset_checks += dataset
        if entry.schedule is not None:
            not_judged.append(_schedule(entry.property, entry.schedule, entry.line, entry.key))
    not_judged.sort(key=lambda entry: entry.line or 0)
    return CheckPlan(tuple(day_checks), tuple(dataset_checks), tuple(not_judged))


def _schedule(name: str, schedule: str, line: int | None, key: str) -> NotJudged:
    why = "it is judged whenever a gate runs; when that is, the scheduler of the gate says"
    return NotJudged(f"schedule {schedule} of {name}", why, line, key)


def _conformance() -> Conformance:
    return Conformance(
        id=CONFORMANCE,
        name="Rows keep the contract",
        kind="conformance",
        scope="row",
        breach="quarantine",
        targets=NONE_FLAGGED,
        dimension="conformity",
    )


def _event_time(contract: DataContract) -> Iterator[Nulls]:
    """Rows without an event time, where the contract lets them be: they belong to no day, so no table can have them."""
    name = contract.event_time
    if name is None or _is_always_there(contract, name):
        return
    yield Nulls(
        id=EVENT_TIME,
        name=f"Every row has its event time, {name}",
        kind="nullValues",
        scope="row",
        breach="quarantine",
        targets=NONE_FLAGGED,
        column=name,
        dimension="completeness",
        key=name,
        path=(name,),
    )


def _is_always_there(contract: DataContract, name: str) -> bool:
    """Say whether the contract plainly demands a value in every record; one that does so in a roundabout way is not."""
    schema = contract.json_schema
    if not isinstance(schema, dict) or name not in schema.get("required", ()):
        return False
    kind = schema.get("properties", {}).get(name, {})
    return isinstance(kind, dict) and isinstance(kind.get("type"), str) and kind["type"] != "null"


def _keys(contract: DataContract, expectations: Expectations) -> Iterator[Uniqueness | NotJudged]:
    """The primary key, and each unique column; one that a rule of severity error says again is left to the rule."""
    said = {
        frozenset(rule.columns)
        for rule in expectations.quality
        if rule.metric == "duplicateValues" and rule.severity == "error" and _forbids_any(rule.targets)
    }
    keys = [("primaryKey", expectations.primary_key), *((f"unique.{dotted(c)}", (c,)) for c in expectations.unique)]
    for name, columns in keys:
        if not columns or frozenset(columns) in said:
            continue
        said.add(frozenset(columns))
        words = ", ".join(map(dotted, columns))
        line = next((n for c in columns if (n := expectations.key_lines.get(c)) is not None), None)
        if (problem := key_problem(contract.landing_schema, columns)) is not None:
            yield NotJudged(f"{name} {words}" if name == "primaryKey" else f"unique {words}", problem, line, words)
            continue
        yield Uniqueness(
            id=name,
            name=f"Primary key {words}" if name == "primaryKey" else f"Unique {words}",
            kind="uniqueness",
            scope="row",
            breach="quarantine",
            targets=NONE_FLAGGED,
            column=words,
            dimension="uniqueness",
            line=line,
            key=words,
            columns=columns,
            within=expectations.uniqueness_scope,
        )


def _forbids_any(targets: tuple[Target, ...]) -> bool:
    return targets in (NONE_FLAGGED, (Target("mustBeLessThan", (1.0,)),), (Target("mustBeLessOrEqualTo", (0.0,)),))


def _relationship(contract: DataContract, relationship: Relationship) -> HasParent | NotJudged:
    words = ", ".join(map(dotted, relationship.columns))
    problem = key_problem(contract.landing_schema, relationship.columns)
    if problem is not None:
        return NotJudged(f"relationship {relationship.id}", problem, relationship.line, relationship.key)
    tolerance = relationship.tolerance_percent
    return HasParent(
        id=relationship.id,
        name=f"{words} is in {relationship.parent}",
        kind="relationship",
        scope="row",
        severity=relationship.severity,
        breach=relationship.breach,
        targets=(Target("mustBeLessOrEqualTo", (tolerance,)),) if tolerance else NONE_FLAGGED,
        unit="percent" if tolerance else "rows",
        column=words,
        dimension="consistency",
        line=relationship.line,
        key=relationship.key,
        relationship=relationship,
        time=_parent_time(contract, relationship),
    )


def _parent_time(contract: DataContract, relationship: Relationship) -> Column | None:
    """When the parent should have come: the one moment in the key, else this row's own event time."""
    moments = [c for c in relationship.columns if pa.types.is_timestamp(arrow_type(contract, c))]
    if len(moments) == 1:
        return moments[0]
    return None if contract.event_time is None else (contract.event_time,)
