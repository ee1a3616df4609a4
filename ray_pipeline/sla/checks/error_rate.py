"""The share of a day's records that was refused: ``errorRate``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.result import CheckResult
from ray_pipeline.sla.targets import Moves, judge

from .promise import Promise, plural, so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRate(Promise):
    """Bad against all, in percent, of the records that were published on the day; the log has counted both."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        return ()

    def judge(self, view: DayView) -> CheckResult:
        records = view.good + view.bad
        if not records:
            return self.unknown(view, "No record was published on this day: its rows came on another.")
        value = 100 * view.bad / records
        verdict = judge(self.targets, value, complete=view.complete, moves=Moves.BOTH)
        detail = f"{view.bad:,} of {plural(records, 'record')} were dead-lettered{so_far(view)}."
        return self.result(view, verdict, value=value, detail=detail)
