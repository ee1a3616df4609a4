"""Whether rows that others wrote are what the contract says."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.result import CheckResult

from .flagging import judge_flagged
from .promise import Promise

CONFORMANCE = "conformance"
"""The id under which the pass puts the rows that break the contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conformance(Promise):
    """No row breaks the contract. What our own ingest landed was judged before it landed."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        return ()

    def judge(self, view: DayView) -> CheckResult:
        return judge_flagged(self, view, view.partials.get(CONFORMANCE), "break the contract")
