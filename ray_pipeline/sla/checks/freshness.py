"""How old the newest event is, by the gate's own clock: ``freshness``, and "no data came"."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.durations import in_words
from ray_pipeline.sla.check import DatasetView
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.result import CheckResult, Verdict

from .promise import Promise

CLOCK_TOLERANCE = 300.0
"""Seconds by which a producer's clock may run ahead before nobody can say how old its newest event is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness(Promise):
    """At most ``limit`` between the newest event and now. Data that stopped coming does not stop this clock."""

    limit: float
    """Seconds; just as old is fresh."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        return ()

    @property
    def target(self) -> str:
        """The bound for people."""
        return f"at most {in_words(self.limit)} old"

    def judge(self, view: DatasetView) -> CheckResult:
        if view.rows == 0 or view.newest_event is None:
            return self.result(
                view, Verdict.FAILED, detail="No data came, ever. See whether the topic is written and ingest runs."
            )
        age = (view.at - view.newest_event).total_seconds()
        newest = f"{view.newest_event:%Y-%m-%d %H:%M}Z"
        if age < 0:
            detail = f"The newest event, {newest}, lies {in_words(-age)} after the gate's clock: one of them is wrong."
            verdict = Verdict.PASSED if age >= -CLOCK_TOLERANCE else Verdict.UNKNOWN
            return self.result(view, verdict, value=age, detail=detail)
        if age <= self.limit:
            return self.result(view, Verdict.PASSED, value=age, detail=f"The newest event is of {newest}.")
        detail = f"No data came for {in_words(age)}: the newest event is of {newest}. See whether the source writes."
        return self.result(view, Verdict.FAILED, value=age, detail=detail)
