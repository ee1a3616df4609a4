"""What a gate would hand to the checks of a day, measured from a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.sla.check import Check, CheckPlan, DayCheck, DayView
from ray_pipeline.sla.compile import compile_checks
from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.result import CheckResult

DAY = "2026-03-01"
AT = datetime(2026, 3, 2, 6, tzinfo=UTC)


def plan_of(contract: DataContract, *, committed: bool = True) -> CheckPlan:
    return compile_checks(contract, read_expectations(contract), committed=committed)


def measured(check: Check, rows: pa.Table, committed_at: int | None = None) -> dict[str, Any]:
    """In two pieces, merged: as two files would be."""
    half = rows.num_rows // 2
    found = {}
    for measure in check.measures:
        one = measure.of(rows.slice(0, half), Where("orders", 0, committed_at))
        found[measure.id] = one.merge(measure.of(rows.slice(half), Where("orders", half, committed_at)))
    return found


def judged(check: DayCheck, rows: pa.Table, *, complete: bool = True, **view: Any) -> CheckResult:
    committed_at = view.pop("committed_at", None)
    partials = measured(check, rows, committed_at) | view.pop("partials", {})
    return check.judge(DayView(DAY, AT, complete, partials, **view))
