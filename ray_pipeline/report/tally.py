"""What a run adds up to: rows by fate, days, checks by verdict; and each check over all its days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from ray_pipeline.sla.result import CheckResult, DatasetResult, Disposition, GateReport, Verdict


class Group(StrEnum):
    """What a check came to, over all days that were judged; the worst first."""

    BROKEN = "broken"
    WARNING = "warning"
    PENDING = "pending"
    UNKNOWN = "could not be judged"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Totals:
    """Of the rows that this run decided on."""

    new_rows: int
    published: int
    quarantined: int
    held: int
    """Of held and of pending days."""
    pending: int
    """Of ``held``, those of pending days."""
    days: int
    days_held: int
    days_pending: int
    checks: Mapping[Verdict, int]


@dataclass(frozen=True, slots=True)
class CheckSeries:
    """One check with its results on all days of a run."""

    check: str
    group: Group
    results: tuple[CheckResult, ...]
    """By day; at least one."""
    failing: tuple[CheckResult, ...]
    """Those that make it so, the newest day first; empty where it passed."""
    lesser: tuple[CheckResult, ...]
    """Those that did not pass either, less gravely: pending on one day, not enough history on another."""
    trend: tuple[tuple[str, float, Verdict | None], ...]
    """(day, value, verdict) oldest first, what earlier gates saw (None) before what this one did."""

    @property
    def shown(self) -> CheckResult:
        """The result that speaks for all: the gravest, or the newest."""
        return self.failing[0] if self.failing else self.results[-1]

    @property
    def rows(self) -> int | None:
        """How many rows break it, on all days together."""
        counted = [result.rows for result in self.failing if result.rows is not None]
        return sum(counted) if counted else None


def totals_of(report: GateReport) -> Totals:
    """Add up the days of all datasets."""
    return totals_of_datasets(report.datasets)


def totals_of_datasets(datasets: Iterable[DatasetResult]) -> Totals:
    """Add up the days of some datasets."""
    listed = tuple(datasets)
    days = [day for dataset in listed for day in dataset.days]
    verdicts = Counter(result.verdict for dataset in listed for result in all_results(dataset))
    return Totals(
        new_rows=sum(day.new_rows for day in days),
        published=sum(day.published for day in days),
        quarantined=sum(day.quarantined for day in days),
        held=sum(day.held for day in days),
        pending=sum(day.held for day in days if day.disposition is Disposition.PENDING),
        days=len(days),
        days_held=sum(day.disposition is Disposition.HELD for day in days),
        days_pending=sum(day.disposition is Disposition.PENDING for day in days),
        checks={verdict: verdicts.get(verdict, 0) for verdict in Verdict},
    )


def all_results(dataset: DatasetResult) -> list[CheckResult]:
    """Return the results on the dataset as a whole, and on its days."""
    return [*dataset.checks, *(result for day in dataset.days for result in day.checks)]


def group_of(result: CheckResult) -> Group:
    """Return what one result comes to."""
    if result.verdict is Verdict.FAILED:
        return Group.BROKEN if result.broken else Group.WARNING
    if result.verdict is Verdict.PENDING:
        return Group.PENDING
    return Group.PASSED if result.verdict is Verdict.PASSED else Group.UNKNOWN


def series_of(dataset: DatasetResult) -> list[CheckSeries]:
    """Return the dataset's checks, the gravest first, then as the contract lists them."""
    by_check: dict[str, list[CheckResult]] = {}
    for result in all_results(dataset):
        by_check.setdefault(result.check, []).append(result)
    found = [_series(check, results) for check, results in by_check.items()]
    order = list(Group)
    return sorted(found, key=lambda it: (order.index(it.group), _severity(it.shown), it.shown.line or 0, it.check))


def _series(check: str, found: list[CheckResult]) -> CheckSeries:
    results = sorted(found, key=lambda result: result.day or "")
    newest_first = results[::-1]
    groups = [group_of(result) for result in newest_first]
    group = min(groups, key=list(Group).index)
    failing = [result for result in newest_first if group is group_of(result) is not Group.PASSED]
    lesser = [result for result in newest_first if group_of(result) not in (group, Group.PASSED)]
    return CheckSeries(check, group, tuple(results), tuple(failing), tuple(lesser), _trend(results))


def _trend(results: list[CheckResult]) -> tuple[tuple[str, float, Verdict | None], ...]:
    points: dict[str, tuple[float, Verdict | None]] = {}
    for result in results:
        points.update({day: (value, None) for day, value in result.history if day not in points})
    for result in results:
        if result.value is not None:
            points[result.day or "\uffff now"] = (result.value, result.verdict)
    return tuple(
        ("now" if day.startswith("\uffff") else day, value, verdict) for day, (value, verdict) in sorted(points.items())
    )


def _severity(result: CheckResult) -> int:
    return ("error", "warning", "info").index(result.severity)
