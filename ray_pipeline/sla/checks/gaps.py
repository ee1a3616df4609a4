"""The longest time without an event: ``frequency``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ray_pipeline.contracts.durations import in_words
from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.measures.event_gaps import TOO_MANY, EventGaps, Occupied
from ray_pipeline.sla.result import CheckResult, Verdict

from .promise import Promise, partial_of, so_far

_DAY = 86_400_000_000
_MICROSECONDS = 1_000_000
_WIDEST_BUCKET = 900 * _MICROSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps(Promise):
    """No longer than ``limit`` between two events; from the last before midnight too, and to the end of a full day.

    Of each group by itself: every airport reports every hour. While rows may come, a gap can still be filled.
    """

    path: Column
    limit: float
    """Seconds; just as long is in time."""
    group_by: tuple[Column, ...] = ()

    @property
    def measures(self) -> tuple[EventGaps, ...]:
        bucket = int(self.limit * _MICROSECONDS) // 8
        return (EventGaps(self.path, self.group_by, max(1, min(_WIDEST_BUCKET, bucket))),)

    @property
    def target(self) -> str:
        """The bound for people."""
        of_each = f", for each {', '.join('.'.join(path) for path in self.group_by)}" if self.group_by else ""
        return f"at most {in_words(self.limit)} between events{of_each}"

    def judge(self, view: DayView) -> CheckResult:
        measure = self.measures[0]
        found: Occupied | None = partial_of(view, measure)
        if found is None:
            return self.missing(view)
        if found.too_many:
            return self.unknown(view, f"The day has {TOO_MANY}; a frequency is of few groups.")
        end = (date.fromisoformat(view.day).toordinal() - _EPOCH + 1) * _DAY
        gap = found.value(view.earlier.get(measure.id), end if view.complete else None)
        if gap is None:
            return self.result(view, Verdict.PASSED, detail=f"No gap between events{so_far(view)}.")
        value = gap.length / _MICROSECONDS
        verdict = Verdict.PASSED
        if value > self.limit:
            verdict = Verdict.FAILED if view.complete else Verdict.PENDING
        groups = f" in one of {found.group_count:,} groups" if self.group_by and found.group_count > 1 else ""
        detail = f"The longest gap is {in_words(value)}{groups}{so_far(view)}."
        return self.result(view, verdict, value=value, detail=detail)


_EPOCH = date(1970, 1, 1).toordinal()
