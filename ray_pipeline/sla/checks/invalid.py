"""Rows with a value that the column must not have: ``invalidValues``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measures.invalid_rows import InvalidRows
from ray_pipeline.sla.result import CheckResult

from .flagging import judge_flagged
from .promise import Promise, partial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid(Promise):
    """How many rows, or which share of them, break the conditions. A null is missing, not invalid."""

    measure: InvalidRows

    @property
    def measures(self) -> tuple[InvalidRows, ...]:
        return (self.measure,)

    def judge(self, view: DayView) -> CheckResult:
        return judge_flagged(self, view, partial_of(view, self.measure), f"have an invalid {self.column}")
