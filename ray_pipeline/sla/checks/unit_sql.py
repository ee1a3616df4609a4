"""A SQL rule over all rows of a day, whose one number is compared."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.result import CheckResult
from ray_pipeline.sla.sql.unit_query import UnitQuery
from ray_pipeline.sla.targets import Moves, judge, number

from .promise import Promise, so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSql(Promise):
    """The gate runs the query over the day's rows and puts its number into ``DayView.sql`` under this check's id.

    Nobody knows where such a number goes when more rows come: until the day is complete, a breach is pending.
    """

    query: UnitQuery
    problem: str | None = None
    """What is wrong with the query; then it is not run, and never judged."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        return ()

    def judge(self, view: DayView) -> CheckResult:
        if self.problem is not None:
            return self.unknown(view, self.problem)
        found = view.sql.get(self.id)
        if found is None:
            return self.unknown(view, "The query was not run.")
        if found.problem is not None or found.value is None:
            return self.unknown(view, found.problem or "The query gave no number.")
        verdict = judge(self.targets, found.value, complete=view.complete, moves=Moves.BOTH)
        detail = f"The query gives {number(found.value)}{so_far(view)}."
        return self.result(view, verdict, value=found.value, detail=detail)
