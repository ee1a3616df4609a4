"""From a service level to its checks."""

from __future__ import annotations

from typing import Any

from ray_pipeline.contracts.expectations import Column, Expectations, SlaProperty, Target
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_columns import dotted
from ray_pipeline.contracts.odcs_sla import sla_kind, sla_span

from .check import DatasetCheck, DayCheck
from .checks.completeness import Completeness
from .checks.error_rate import ErrorRate
from .checks.freshness import Freshness
from .checks.gaps import Gaps
from .checks.landing_latency import LandingLatency
from .checks.retention import Retention
from .compile_quality import has_column
from .result import NotJudged

_WHY = {
    "availability": "whether data can be had is a matter of the systems that hold it, not of the data",
    "throughput": "how fast data can be had is a matter of the systems that hold it, not of the data",
    "generalAvailability": "it is a date for people",
    "endOfSupport": "it is a date for people",
    "endOfLife": "it is a date for people",
    "timeToDetect": "it is about people and incidents, not about data",
    "timeToNotify": "it is about people and incidents, not about data",
    "timeToRepair": "it is about people and incidents, not about data",
    "support": "it is about people, not about data",
}
_SHORT = {
    "av": "availability", "th": "throughput", "ga": "generalAvailability", "es": "endOfSupport", "el": "endOfLife",
    "td": "timeToDetect", "tn": "timeToNotify", "tr": "timeToRepair",
}  # fmt: skip
_NAMES = {
    "latency": "Latency",
    "freshness": "Freshness",
    "frequency": "Frequency",
    "completeness": "Completeness",
    "errorRate": "Error rate",
    "retention": "Retention",
}

Checks = tuple[list[DayCheck], list[DatasetCheck]]


def compile_sla(
    contract: DataContract, expectations: Expectations, entry: SlaProperty, *, committed: bool
) -> Checks | NotJudged:
    """Return the entry's checks, or why no look at data can judge it."""
    kind = sla_kind(entry.property)
    column = entry.column
    event_time = None if contract.event_time is None else (contract.event_time,)
    moment = column or event_time
    why: str | None = None
    if kind is None:
        why = _WHY.get(_SHORT.get(entry.property, entry.property), "no look at data can judge it")
    elif column is not None and not has_column(contract, column):
        why = f"{dotted(column)} is no column of its own: it lands inside another"
    elif kind in ("latency", "frequency") and moment is None:
        why = "it names no timestamp, and the contract has no eventTime"
    elif kind in ("freshness", "retention") and (event_time is None or moment != event_time):
        why = "only the event time is watched over the whole dataset" if moment else "the contract has no eventTime"
    elif kind == "completeness" and column is None:
        why = "it names no property that must be filled"
    elif kind in ("latency", "errorRate") and not committed:
        why = "nobody committed these files: when they landed, and what was refused, is not known"
    if why is not None:
        return NotJudged(_what(entry), why, entry.line, entry.key)
    return _checks(expectations, entry, str(kind), moment)


def _what(entry: SlaProperty) -> str:
    unit = f" {entry.unit}" if entry.unit else ""
    return (
        f"{entry.property} {entry.value:g}{unit}"
        if isinstance(entry.value, float)
        else (f"{entry.property} {entry.value}{unit}")
    )


def _checks(expectations: Expectations, entry: SlaProperty, kind: str, moment: Column | None) -> Checks:
    path = entry.column or moment or ()
    promise: dict[str, Any] = {
        "id": entry.id,
        "name": _NAMES[kind] + (f" of {dotted(entry.column)}" if entry.column else ""),
        "kind": kind,
        "severity": entry.severity,
        "column": dotted(path) or None,
        "line": entry.line,
        "key": entry.key,
    }
    timely = promise | {"dimension": "timeliness", "unit": "s"}
    share = promise | {"dimension": "completeness", "unit": "percent"}
    match kind:
        case "latency":
            limit = sla_span(entry)
            return [LandingLatency(**timely, path=path, limit=limit, percentile=entry.percentile)], []
        case "frequency":
            group_by = _groups(expectations, path)
            return [Gaps(**timely, path=path, limit=sla_span(entry), group_by=group_by)], []
        case "freshness":
            return [], [Freshness(**timely | {"scope": "dataset"}, limit=sla_span(entry))]
        case "retention":
            kept = {"scope": "dataset", "unit": "days", "dimension": None}
            return [], [Retention(**timely | kept, limit=sla_span(entry))]
        case "completeness":
            filled = (Target("mustBeGreaterOrEqualTo", (float(entry.value or 0),)),)
            return [Completeness(**share, targets=filled, path=path)], []
    refused = (Target("mustBeLessOrEqualTo", (float(entry.value or 0),)),)
    return [ErrorRate(**share | {"dimension": "conformity", "column": None}, targets=refused)], []


def _groups(expectations: Expectations, path: Column) -> tuple[Column, ...]:
    """A time that is part of the primary key comes again for each of the key's other columns."""
    key = expectations.primary_key
    return tuple(column for column in key if column != path) if path in key else ()
