"""What a gate found, as OpenLineage's data quality facets say it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ray_pipeline.sla.result import CheckResult, ColumnProfile, DatasetResult, Verdict

from .facets import Facet, facet

MOST_DAYS = 31
"""So many days at most are named in one place of an event; their number is always said."""
ASSERTED = (Verdict.PASSED, Verdict.FAILED)
"""OpenLineage knows true and false; the other verdicts stand in the facet ``rayPipeline_gate``."""

_ASSERTIONS = {
    "nullValues": "not_null",
    "missingValues": "not_null",
    "duplicateValues": "unique",
    "uniqueness": "unique",
    "invalidValues": "accepted_values",
    "relationship": "relationships",
    "sql": "custom_sql",
}
"""Our kinds of check in the words that the facet's description recommends; others in snake case."""
_SEVERITIES = {"error": "error", "warning": "warn", "info": "info"}
_NUMBER = re.compile(r"u?int|float|double|halffloat|decimal|integer|long|number")


def metrics(result: DatasetResult, *, size: int | None, files: int | None) -> dict[str, Facet]:
    """Return how much was read, and what its columns look like; of a classified column only how many are null.

    Columns of which only the first rows of large files were looked at are left out: a receiver takes counts for all.
    """
    columns = {column.name: _column(column) for column in result.profile if column.rows == result.new_rows}
    return facet("dataQualityMetrics", rowCount=result.new_rows, bytes=size, fileCount=files, columnMetrics=columns)


def assertions(result: DatasetResult) -> dict[str, Facet]:
    """Return one assertion per check, over all days on which it could be judged."""
    secret = {column.name for column in result.profile if column.classified}
    judged = [checks for checks in by_check(result) if any(check.verdict in ASSERTED for check in checks)]
    found = [_assertion(checks, secret) for checks in judged]
    return facet("dataQualityAssertions", assertions=found)


def by_check(result: DatasetResult) -> list[list[CheckResult]]:
    """Return what each check says, its days in order; the checks in order of their ids."""
    grouped: dict[str, list[CheckResult]] = {}
    for check in [*result.checks, *(check for day in result.days for check in day.checks)]:
        grouped.setdefault(check.check, []).append(check)
    return [sorted(grouped[name], key=lambda check: check.day or "") for name in sorted(grouped)]


def _column(column: ColumnProfile) -> dict[str, Any]:
    seen: dict[str, Any] = {"nullCount": column.nulls, "count": column.rows - column.nulls}
    if not column.classified and _NUMBER.match(column.type):
        bounds = {"min": _number(column.minimum), "max": _number(column.maximum)}
        seen |= {name: value for name, value in bounds.items() if value is not None}
    return seen


def _number(text: str | None) -> int | float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _assertion(checks: Sequence[CheckResult], secret: set[str]) -> dict[str, Any]:
    judged = [check for check in checks if check.verdict in ASSERTED]
    failed = [check for check in judged if check.verdict is Verdict.FAILED]
    shown = (failed or judged)[-1]  # the newest day
    said = {
        "column": shown.column,
        "severity": _SEVERITIES.get(shown.severity),
        "name": shown.name,
        "description": shown.detail or None,
        "expected": shown.target or None,
        "actual": None if shown.column in secret and not shown.unit else _actual(shown),  # not its least or greatest
        "params": _params(shown, judged, failed),
    }
    kind = _ASSERTIONS.get(shown.kind) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", shown.kind).lower()
    return {"assertion": kind, "success": not failed} | {name: value for name, value in said.items() if value}


def _actual(check: CheckResult) -> str | None:
    if check.value is None:
        return None
    return f"{check.value:.15g} {check.unit}".rstrip()


def _params(shown: CheckResult, judged: Sequence[CheckResult], failed: Sequence[CheckResult]) -> dict[str, Any]:
    params: dict[str, Any] = {"check": shown.check, "scope": shown.scope}
    if shown.dimension:
        params["dimension"] = shown.dimension
    if shown.scope != "dataset":
        params |= {"days": len(judged), "failedDays": len(failed)}
        if failed:
            params["newestFailedDays"] = newest_days(check.day for check in failed)
    if rows := sum(check.rows or 0 for check in failed):
        params["rows"] = rows
    return params


def newest_days(days: Iterable[str | None]) -> list[str]:
    """Return the newest of some days, in order, no more than an event should carry."""
    return sorted({day for day in days if day})[-MOST_DAYS:]
