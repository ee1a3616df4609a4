"""Rows without a value in a column: ``nullValues``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measures.null_rows import NullRows
from ray_pipeline.sla.result import CheckResult

from .flagging import judge_flagged
from .promise import Promise, partial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Nulls(Promise):
    """How many rows, or which share of them, are null there. Null in JSON and absent are the same."""

    path: Column

    @property
    def measures(self) -> tuple[NullRows, ...]:
        return (NullRows(self.path, keep_positions=self.flags_rows),)

    def judge(self, view: DayView) -> CheckResult:
        return judge_flagged(self, view, partial_of(view, self.measures[0]), f"have no {self.column}")
