"""What a year of the loop is told by: its page, and the rows of its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ray_pipeline.report.year_page import YearMonth, YearPage, year_page
from ray_pipeline.text import count

from .year_plan import MOST, TRAINED

if TYPE_CHECKING:
    from .year_report import YearReport


def page_of(report: YearReport) -> str:
    """Return the year as HTML."""
    return year_page(
        YearPage(
            first=report.first,
            trained_on=f"January to {('January', 'February', 'March')[TRAINED - 1]}",
            ask_every=report.plan.ask_every,
            events=sum(report.plan.published.values()),
            months=month_rows(report),
            total=total_row(report),
            marks=report.marks,
            seconds=report.timings,
            surprises=report.surprises,
            notices=tuple(notices(report)),
        )
    )


def month_rows(report: YearReport) -> list[YearMonth]:
    """Return a row for each month that was answered."""
    return [
        YearMonth(
            month.name,
            month.answered.flights,
            month.answered.published,
            month.answered.champion,
            month.compared.frozen,
            month.compared.loop,
            month.compared.difference,
            month.marks,
        )
        for month in report.months
    ]


def total_row(report: YearReport) -> YearMonth:
    """Return the row over all months."""
    return YearMonth(
        "all",
        sum(month.answered.flights for month in report.months),
        sum(month.answered.published for month in report.months),
        count(len({month.answered.champion for month in report.months}), "version"),
        report.total.frozen,
        report.total.loop,
        report.total.difference,
    )


def notices(report: YearReport) -> Iterator[str]:
    """Yield what a reader should know beside the numbers."""
    refused = sum(month.answered.refused for month in report.months)
    if refused:
        yield f"{count(refused, 'question')} got no answer: a policy of `serve` refused it."
    if report.not_asked:
        why = ", and the source's weather ends before the year does" if report.plan.months == MOST else ""
        yield (
            f"Not asked about: {count(report.not_asked, 'flight')} at the very end, of a moment later than what the "
            f"views know{why}."
        )
    held = sum(day.held for gate in report.gated[-1:] for one in gate.datasets for day in one.days)
    if held:
        yield f"The gate still keeps {count(held, 'row')} back: see `ray-pipeline held list`."
