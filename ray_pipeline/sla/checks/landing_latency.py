"""How long after its event a row had landed: ``latency``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.durations import in_words
from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measures.latency import Latencies, Latency
from ray_pipeline.sla.result import CheckResult, Verdict
from ray_pipeline.sla.targets import number

from .promise import Promise, partial_of, plural, so_far

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingLatency(Promise):
    """The share ``percentile`` of the day's rows must have landed within ``limit``.

    With 100 % one late row is final; with less, rows that come in time can still heal it.
    """

    path: Column
    limit: float
    """Seconds; just as long is in time."""
    percentile: float = 100.0

    @property
    def measures(self) -> tuple[Latency, ...]:
        return (Latency(self.path),)

    @property
    def target(self) -> str:
        """The bound for people."""
        share = "" if self.percentile == 100 else f" for {number(self.percentile)} % of the rows"
        return f"at most {in_words(self.limit)}{share}"

    def judge(self, view: DayView) -> CheckResult:
        found: Latencies | None = partial_of(view, self.measures[0])
        if found is None:
            return self.missing(view)
        estimate = found.quantile(self.percentile / 100)
        if estimate is None or found.maximum is None:
            return self.unknown(view, "No row has both an event time and a landing time.")
        in_time, at_most = found.at_most(round(self.limit * _MICROSECONDS))
        value = estimate.value / _MICROSECONDS
        wanted = round(self.percentile * found.known / 100, 6)
        holds = at_most >= wanted and (in_time >= wanted or value <= self.limit)
        verdict = Verdict.PASSED if holds else Verdict.FAILED
        if not holds and not view.complete and self.percentile < 100:
            verdict = Verdict.PENDING
        late = found.known - in_time
        detail = f"{late:,} of {plural(found.known, 'row')} landed later; the slowest after "
        detail += f"{in_words(found.maximum / _MICROSECONDS)}{so_far(view)}."
        if found.negative:
            detail += f" {plural(found.negative, 'row')} landed before their event: a clock is wrong."
        return self.result(view, verdict, value=value, detail=detail, rows=late, error_bound=estimate.error_bound)
