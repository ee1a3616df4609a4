"""What the gate found, told to somebody who sees it for the first time: where, how much, and why it is so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ray_pipeline.report.tally import CheckSeries, Group, series_of
from ray_pipeline.report.words import listed, quantity, ranges_of
from ray_pipeline.sla.result import DatasetResult, Disposition, GateReport
from ray_pipeline.text import count

from .events import ARRIVALS, DEPARTURES, WEATHER

MOST = 10
"""Findings that are told; the report has all of them."""

_WHY: Mapping[tuple[str, str], str] = {
    (DEPARTURES, "distance-in-miles"): (
        "Planted: on this day a producer sends kilometres. Each record keeps its contract, the day does not."
    ),
    (WEATHER, "wind-speed-plausible"): "Really in the source: Newark's instrument said 1,048 mph.",
    (ARRIVALS, "arrival-has-its-departure"): "Their departures are among the dead letters above.",
    (DEPARTURES, "completeness"): "Cancelled flights never leave: the blizzard.",
    (DEPARTURES, "departure-has-its-weather"): "Hours that are missing at the source, or dead-lettered above.",
    (WEATHER, "frequency"): "Real holes, and dead letters.",
    (ARRIVALS, "labels-present"): "Diverted flights have no arrival delay.",
    (
        DEPARTURES,
        "latency",
    ): "The demo replays weeks at once and lands them in few commits; a live topic does not wait.",
}
"""In the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    fate: str
    """held, quarantined, waiting, or warning."""
    where: str
    what: str


def findings(report: GateReport) -> tuple[list[Finding], int]:
    """Return what to tell, the gravest first, and how many warnings are left for the report."""
    order = list(_WHY)
    found = [(dataset, series) for dataset in report.datasets for series in series_of(dataset)]
    found.sort(key=lambda it: order.index((it[0].dataset, it[1].check)) if (it[0].dataset, it[1].check) in _WHY else 99)
    broken = [_broken(dataset, series) for dataset, series in found if series.group is Group.BROKEN]
    waiting = [finding for dataset in report.datasets for finding in _waiting(dataset)]
    warnings = [(dataset, series) for dataset, series in found if series.group is Group.WARNING]
    known = [_warning(dataset, series) for dataset, series in warnings if (dataset.dataset, series.check) in _WHY]
    told = [*broken, *waiting, *known][:MOST]
    return told, len(warnings) - sum(finding.fate == "warning" for finding in told)


def _broken(dataset: DatasetResult, series: CheckSeries) -> Finding:
    held = {day.day: day.held for day in dataset.days if day.disposition is Disposition.HELD}
    days = _days(series)
    if days and all(day in held for day in days):
        rows = count(sum(held[day] for day in days), "row")
        return Finding("held", _where(dataset, days), f"{rows}. {_fact(series)}{_why(dataset, series)}")
    return Finding("quarantined", _where(dataset, days), f"{_fact(series)}{_why(dataset, series)}")


def _waiting(dataset: DatasetResult) -> Iterator[Finding]:
    for day in dataset.days:
        if day.disposition is Disposition.PENDING:
            names = listed([f'"{check.name or check.check}"' for check in day.checks if check.check in day.reasons])
            what = (
                f"{count(day.held, 'row')}. Pending: {names}. The day is not over, and what is missing may still come."
            )
            yield Finding("waiting", _where(dataset, [day.day]), what)


def _warning(dataset: DatasetResult, series: CheckSeries) -> Finding:
    return Finding("warning", _where(dataset, _days(series)), f"{_fact(series)}{_why(dataset, series)}")


def _days(series: CheckSeries) -> list[str]:
    return sorted(result.day for result in series.failing if result.day)


def _fact(series: CheckSeries) -> str:
    """Say how much it is: rows where they can be named, else the value; of many days the sum, or the worst."""
    shown = series.shown
    name = f'"{shown.name or shown.check}"'
    if shown.scope == "row" and series.rows is not None:
        share = f" ({quantity(shown.value, shown.unit)}; the target is {shown.target})"
        return f"{count(series.rows, 'row')} break{'s' * (series.rows == 1)} {name}{share * (shown.unit == 'percent')}."
    values = [result.value for result in series.failing if result.value is not None]
    low = "at least" in shown.target
    worst = quantity((min if low else max)(values), shown.unit) if values else "not known"
    words = ("down to " if low else "up to ") if len(values) > 1 else ""
    return f"{name} is {words}{worst}; the target is {shown.target}."


def _why(dataset: DatasetResult, series: CheckSeries) -> str:
    why = _WHY.get((dataset.dataset, series.check))
    return f" {why}" if why else ""


def _where(dataset: DatasetResult, days: list[str]) -> str:
    if len(days) > 3:
        return f"{dataset.dataset}, {len(days)} days"
    return f"{dataset.dataset}, {ranges_of(days)}" if days else dataset.dataset
