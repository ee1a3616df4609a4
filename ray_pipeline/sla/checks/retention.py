"""How old the oldest event is: ``retention``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.durations import in_words
from ray_pipeline.sla.check import DatasetView
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.result import CheckResult, Verdict

from .promise import Promise

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention(Promise):
    """Nothing is kept for longer than ``limit``. That nothing was deleted sooner, the data itself cannot tell."""

    limit: float
    """Seconds; just as old may stay."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        return ()

    @property
    def target(self) -> str:
        """The bound for people."""
        return f"nothing older than {in_words(self.limit)}"

    def judge(self, view: DatasetView) -> CheckResult:
        if view.oldest_event is None:
            return self.result(view, Verdict.PASSED, detail="There is no data to keep.")
        age = (view.at - view.oldest_event).total_seconds()
        verdict = Verdict.PASSED if age <= self.limit else Verdict.FAILED
        detail = f"The oldest event is of {view.oldest_event:%Y-%m-%d}."
        if verdict is Verdict.FAILED:
            detail += " Delete what is older, or agree on a longer time."
        return self.result(view, verdict, value=age / _DAY, detail=detail)
