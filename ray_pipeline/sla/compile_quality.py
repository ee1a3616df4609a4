"""From a quality rule to its check."""

from __future__ import annotations

from typing import Any, Literal, cast

import pyarrow as pa

from ray_pipeline.contracts.expectations import Breach, Column, Expectations, QualityRule
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_columns import dotted
from ray_pipeline.contracts.odcs_custom import DEFAULT_BUDGET, HISTORY, OUR_ENGINE

from .check import DayCheck
from .checks.distribution import Distribution, Statistic
from .checks.flagging import scope_of
from .checks.invalid import Invalid
from .checks.missing import Missing
from .checks.nulls import Nulls
from .checks.row_count import Volume
from .checks.row_sql import RowSql
from .checks.uniqueness import Uniqueness
from .checks.unit_sql import UnitSql
from .checks.volume_history import VolumeHistory
from .keys.hashing import key_problem
from .measures.invalid_rows import InvalidRows
from .result import NotJudged, Scope
from .sql.check_query import check_query
from .sql.row_predicate import compile_row_predicate
from .sql.unit_query import UnitQuery


def compile_rule(contract: DataContract, expectations: Expectations, rule: QualityRule) -> DayCheck | NotJudged:
    """Return the rule's check, or why no look at data can judge it."""
    why = _why_not(contract, rule)
    if why is not None:
        return NotJudged(rule.name, why, rule.line, rule.key)
    if rule.type == "sql":
        return _sql(contract, rule)
    if rule.type == "custom":
        return _custom(rule)
    return _library(expectations, rule)


def has_column(contract: DataContract, column: Column) -> bool:
    """Whether the column lands as one: not inside a list, a map or a text of JSON."""
    return arrow_type(contract, column) is not None


def arrow_type(contract: DataContract, column: Column) -> pa.DataType | None:
    """The type that the column lands as; None where it is no column of its own."""
    fields: Any = contract.landing_schema
    kind: pa.DataType | None = None
    for name in column:
        index = -1 if kind is not None and not pa.types.is_struct(kind) else fields.get_field_index(name)
        if index < 0:
            return None
        kind = fields = fields.field(index).type
    return kind


def _why_not(contract: DataContract, rule: QualityRule) -> str | None:
    if rule.type == "text":
        return "it is words for people"
    if rule.type == "custom" and rule.engine != OUR_ENGINE:
        return f"it is for another engine, {rule.engine}"
    if rule.type != "sql" and rule.metric is None:
        return "it names no metric"
    if rule.type == "sql" and rule.query is None:
        return "it has no query"
    absent = next((column for column in rule.columns if not has_column(contract, column)), None)
    if absent is not None:
        return f"{dotted(absent)} is no column of its own: it lands inside another"
    if rule.metric == "duplicateValues":
        return key_problem(contract.landing_schema, rule.columns)
    return None


def _promise(rule: QualityRule, kind: str, scope: Scope, breach: Breach | None = None) -> dict[str, Any]:
    on_rows = scope == "row"
    return {
        "id": rule.id,
        "name": rule.name,
        "kind": kind,
        "scope": scope,
        "severity": rule.severity,
        "breach": breach or (rule.breach if on_rows else "hold"),
        "targets": rule.targets,
        "unit": rule.unit,
        "column": ", ".join(map(dotted, rule.columns)) or None,
        "dimension": rule.dimension,
        "line": rule.line,
        "key": rule.key,
    }


def _library(expectations: Expectations, rule: QualityRule) -> DayCheck:
    scope = scope_of(rule.targets)
    match rule.metric:
        case "rowCount":
            return Volume(**_promise(rule, "rowCount", "day"))
        case "nullValues":
            return Nulls(**_promise(rule, "nullValues", scope), path=rule.columns[0])
        case "missingValues":
            listed = tuple(rule.arguments["missingValues"])
            return Missing(**_promise(rule, "missingValues", scope), path=rule.columns[0], values=listed)
        case "invalidValues":
            promise = _promise(rule, "invalidValues", scope)
            keep = scope == "row" and rule.severity == "error" and rule.breach == "quarantine"
            return Invalid(**promise, measure=_invalid(rule, keep_positions=keep))
        case "duplicateValues":
            promise = _promise(rule, "uniqueness", scope)
            return Uniqueness(**promise, columns=rule.columns, within=expectations.uniqueness_scope)
    raise ValueError(f"no metric of the library: {rule.metric}")  # pragma: no cover - the contract was refused


def _invalid(rule: QualityRule, *, keep_positions: bool) -> InvalidRows:
    said = rule.arguments
    valid = said.get("validValues")
    return InvalidRows(
        rule.columns[0],
        valid_values=None if valid is None else tuple(valid),
        pattern=said.get("pattern"),
        min_length=said.get("minLength"),
        max_length=said.get("maxLength"),
        minimum=said.get("minimum"),
        maximum=said.get("maximum"),
        keep_positions=keep_positions,
    )


def _sql(contract: DataContract, rule: QualityRule) -> DayCheck:
    query = str(rule.query)
    schema, name = contract.landing_schema, contract.dataset or ""
    column = rule.columns[0] if rule.columns else ()
    problem = check_query(query, schema, name=name, column=column)
    predicate = None if problem else compile_row_predicate(query, schema, name=name, column=column)
    scope = scope_of(rule.targets)
    if predicate is not None:
        return RowSql(**_promise(rule, "sql", scope) | {"unit": "rows"}, predicate=predicate)
    promise = _promise(rule, "sql", "day")
    if problem is None and rule.unit == "rows":
        promise["unit"] = ""  # the default: nobody but the author knows what the query's one number counts
    return UnitSql(**promise, query=UnitQuery(query, name, column), problem=problem)


def _custom(rule: QualityRule) -> DayCheck:
    said = rule.arguments
    if rule.metric == HISTORY:
        return VolumeHistory(
            **_promise(rule, HISTORY, "day"),
            budget=float(said.get("falseAlarmBudget", DEFAULT_BUDGET)),
            same_weekday=bool(said.get("sameWeekday", False)),
            days=cast(int | None, said.get("days")),
        )
    statistic = cast(Statistic, rule.metric)
    unit: Literal["percent", "rows", ""] = {"share": "percent", "distinctCount": "rows"}.get(statistic, "")  # type: ignore[assignment]
    return Distribution(
        **_promise(rule, "distribution", "day") | {"unit": unit},
        path=rule.columns[0],
        statistic=statistic,
        quantile=float(said.get("quantile", 0.5)),
        value=said.get("value"),
    )
