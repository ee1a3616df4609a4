"""How many rows a day has, against the days before it: ``rowCountHistory``."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.history import comparable, rank_test
from ray_pipeline.sla.measures.row_count import RowCount
from ray_pipeline.sla.result import CheckResult, Verdict
from ray_pipeline.sla.targets import number

from .promise import Promise, partial_of, plural, so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeHistory(Promise):
    """An alarm says that the count lies further from the usual one than on almost any earlier complete day.

    Of a day that is not complete only too many rows is final: too few is pending.
    """

    budget: float
    """On which share of ordinary days it may alarm."""
    same_weekday: bool = False
    days: int | None = None
    """How many earlier days it looks back on; None is all that are known."""

    @property
    def measures(self) -> tuple[RowCount, ...]:
        return (RowCount(),)

    @property
    def target(self) -> str:
        """The bound for people: what may happen on how many ordinary days."""
        which = "days of the same weekday" if self.same_weekday else "days"
        return f"as on earlier {which} (false alarms on at most {number(100 * self.budget)} % of ordinary days)"

    def judge(self, view: DayView) -> CheckResult:
        counted = partial_of(view, self.measures[0])
        if counted is None:
            return self.missing(view)
        rows = counted.rows
        earlier = comparable(view.history.get(self.id, ()), view.day, same_weekday=self.same_weekday, days=self.days)
        test = rank_test(rows, earlier, self.budget)
        if test.p is None or test.usual is None:
            have = f"{plural(test.days, 'earlier day')} known, {test.needed:,} needed for this false-alarm budget"
            return self.result(view, Verdict.NO_HISTORY, value=float(rows), detail=f"{plural(rows, 'row')}; {have}.")
        alarm = test.alarms(self.budget)
        verdict = Verdict.FAILED if alarm else Verdict.PASSED
        if alarm and not view.complete and rows < test.usual:
            verdict = Verdict.PENDING
        share = f"{number(round(100 * test.p, 2))} % of {plural(test.days + 1, 'day')} lie as far out"
        detail = f"{plural(rows, 'row')}, usually {number(test.usual)}; {share}{so_far(view)}."
        return self.result(view, verdict, value=float(rows), detail=detail)
