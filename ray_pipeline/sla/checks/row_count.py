"""How many rows a day has: ``rowCount``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measures.row_count import RowCount
from ray_pipeline.sla.result import CheckResult, Verdict
from ray_pipeline.sla.targets import Moves, judge

from .promise import Promise, partial_of, plural, so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Promise):
    """Too many rows is final at once; too few only when the day is complete."""

    @property
    def measures(self) -> tuple[RowCount, ...]:
        return (RowCount(),)

    def judge(self, view: DayView) -> CheckResult:
        counted = partial_of(view, self.measures[0])
        if counted is None:
            return self.missing(view)
        verdict = judge(self.targets, counted.rows, complete=view.complete, moves=Moves.UP)
        detail = f"{plural(counted.rows, 'row')}{so_far(view)}."
        if verdict is Verdict.FAILED:
            detail += " Compare with the source: rows are missing, refused, or came twice."
        return self.result(view, verdict, value=float(counted.rows), detail=detail)
