"""Keys that come more than once: a primary key, a unique column, ``duplicateValues``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.keys.key_runs import KeyRuns
from ray_pipeline.sla.result import CheckResult

from .flagging import Rows, judge_rows
from .promise import Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniqueness(Promise):
    """How many rows have a key that a row before them has: all but the first. A key with a null in it is none.

    The gate merges the keys of all files and puts what it found into ``DayView.keys`` under this check's id.
    """

    columns: tuple[Column, ...]
    within: Literal["dataset", "day"] = "dataset"
    """Whether a key may come again on another event day."""

    @property
    def measures(self) -> tuple[KeyRuns, ...]:
        return (KeyRuns(self.columns),)

    def judge(self, view: DayView) -> CheckResult:
        found = view.keys.get(self.id)
        if found is None:
            return self.missing(view)
        if found.problem is not None:
            return self.unknown(view, found.problem)
        where = "on this day" if self.within == "day" else "in the dataset"
        rows = Rows(found.rows, found.flagged, found.examples)
        return judge_rows(self, view, rows, f"have a {self.column} that came before {where}")
