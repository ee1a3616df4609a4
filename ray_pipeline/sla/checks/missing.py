"""Rows with a value that stands for none: ``missingValues``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measures.missing_rows import MissingRows, Scalar
from ray_pipeline.sla.result import CheckResult

from .flagging import judge_flagged
from .promise import Promise, partial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing(Promise):
    """How many rows, or which share of them, are null there or have one of ``values``."""

    path: Column
    values: tuple[Scalar, ...]

    @property
    def measures(self) -> tuple[MissingRows, ...]:
        return (MissingRows(self.path, self.values, keep_positions=self.flags_rows),)

    def judge(self, view: DayView) -> CheckResult:
        words = f"have no {self.column}, or a word that stands for none"
        return judge_flagged(self, view, partial_of(view, self.measures[0]), words)
