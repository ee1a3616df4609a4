"""The share of rows that have a value in a column: ``completeness``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measures.null_rows import NullRows
from ray_pipeline.sla.result import CheckResult
from ray_pipeline.sla.targets import Moves, judge

from .promise import Promise, partial_of, plural, so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness(Promise):
    """In percent of the day's rows. It blames the day: a service level is of the whole, not of single rows."""

    path: Column

    @property
    def measures(self) -> tuple[NullRows, ...]:
        return (NullRows(self.path, keep_positions=False),)

    def judge(self, view: DayView) -> CheckResult:
        found: FlaggedRows | None = partial_of(view, self.measures[0])
        if found is None:
            return self.missing(view)
        if not found.rows:
            return self.unknown(view, "There was no row to look at.")
        value = 100 * (found.rows - found.flagged) / found.rows
        verdict = judge(self.targets, value, complete=view.complete, moves=Moves.BOTH)
        detail = f"{found.flagged:,} of {plural(found.rows, 'row')} have no {self.column}{so_far(view)}."
        return self.result(view, verdict, value=value, detail=detail, rows=found.flagged, examples=found.examples)
