"""What the page shows of a run: chosen, ordered and capped, ready for a template that only lays it out.

What is not drawn because there is too much of it is said, with where it is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from markupsafe import Markup

from ray_pipeline.sla.result import (
    CheckResult,
    ColumnProfile,
    DatasetResult,
    DayResult,
    Disposition,
    GateReport,
    Verdict,
)
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

from . import drawings
from .sentences import contacts, counts, headline, held_command, next_steps, remark, show_command, troubled
from .tally import CheckSeries, Group, group_of, series_of, totals_of, totals_of_datasets
from .view import (
    CheckGroup,
    CheckRow,
    ColumnCard,
    DatasetPage,
    DayCell,
    DayLine,
    Finding,
    HeldDay,
    MatrixRow,
    RunPage,
)
from .words import day_words, instant_words, quantity, ranges_of, share_words

HELD = 4
"""How many held days are told one by one."""
STRIP_DAYS = 62
"""More days than this are drawn as a calendar."""
LISTED_DAYS = 62
CHECKS = 150
FINDINGS = 3
"""How many of a check's days are told in full."""
COLUMNS = 40
TOP = 8
LINES = 4000
LINE_LENGTH = 400
LISTED = 100
_TONES = {Outcome.HELD: "ok", Outcome.BROKEN: "bad", Outcome.UNKNOWN: "dim", Outcome.MISUSED: "dim"}
_WORDS = {Outcome.HELD: "held", Outcome.BROKEN: "broken", Outcome.UNKNOWN: "could not tell", Outcome.MISUSED: "misused"}
_GROUP_TITLES = {
    Group.BROKEN: ("Broken", "error checks that failed: their rows are quarantined, or their day is held"),
    Group.WARNING: ("Warnings", "reported, and published all the same"),
    Group.PENDING: ("Pending", "data may still come; judged again by the next gate"),
    Group.UNKNOWN: ("Could not be judged", "neither passed nor failed"),
    Group.PASSED: ("Passed", ""),
}
_T = TypeVar("_T")


def run_page(report: GateReport, contract_texts: Mapping[str, str] | None = None) -> RunPage:
    """Choose what the page shows; ``contract_texts`` holds each contract's text by the name of its dataset."""
    texts = contract_texts or {}
    slowest = max([*report.timings.values(), 1e-9])
    return RunPage(
        report=report,
        tone=_TONES[report.outcome],
        word=_WORDS[report.outcome],
        headline=headline(report),
        counts=counts(report),
        remark=remark(report),
        totals=totals_of(report),
        contacts=tuple(contacts(report)),
        steps=tuple(next_steps(report)),
        datasets=tuple(
            _Dataset(found, f"d{index + 1}", texts.get(found.dataset), report.dry_run).page()
            for index, found in enumerate(report.datasets)
        ),
        timings=tuple(
            (step, seconds, drawings.share_bar(seconds / slowest)) for step, seconds in report.timings.items()
        ),
    )


class _Dataset:
    """Builds one dataset's part: its anchors, its series, and what had to be left out."""

    def __init__(self, result: DatasetResult, anchor: str, text: str | None, dry_run: bool) -> None:
        self._result, self._anchor, self._dry_run = result, anchor, dry_run
        self._series = series_of(result)
        self._anchors = {series.check: f"{anchor}-k{number + 1}" for number, series in enumerate(self._series)}
        self._names = {series.check: series.shown.name or series.check for series in self._series}
        self._days = sorted(result.days, key=lambda day: day.day)
        self._published = {day.day for day in self._days if day.disposition is Disposition.PUBLISHED}
        self._inspected = any(day.disposition is Disposition.INSPECTED for day in self._days)
        self._left_out: list[str] = []
        self._lines = self._contract(text)

    def page(self) -> DatasetPage:
        result, days = self._result, self._days
        tone, word = self._verdict()
        many = len(days) > STRIP_DAYS
        most = max([day.rows for day in days] + [day.published + day.quarantined + day.held for day in days] + [1])
        groups, matrix_days = self._groups(), [day.day for day in days][-drawings.CALENDAR_DAYS :]
        if many and len(days) > drawings.CALENDAR_DAYS:
            self._left_out.append(f"{count(len(days) - drawings.CALENDAR_DAYS, 'older day')} in calendar and table")
        return DatasetPage(
            anchor=self._anchor,
            result=result,
            tone=tone,
            word=word,
            inspected=self._inspected,
            totals=totals_of_datasets([result]),
            summary=self._summary(),
            cells=() if many else tuple(self._cell(day, most) for day in days),
            calendar=drawings.calendar(days) if many else Markup(""),
            held=self._held(),
            held_more=self._held_more(),
            groups=groups,
            days=self._day_lines(),
            axis=drawings.axis(matrix_days),
            matrix=tuple(self._matrix(matrix_days)) if len(days) > 1 else (),
            columns=tuple(_column(profile) for profile in self._cut(_seen(result.profile), COLUMNS, "column")),
            not_judged=tuple(
                (found, self._line(found.line)) for found in self._cut(result.not_judged, LISTED, "promise not judged")
            ),
            offsets=self._cut(result.offsets, LISTED, "partition"),
            contract=self._lines,
            left_out=tuple(self._left_out),
        )

    def _verdict(self) -> tuple[str, str]:
        groups = {series.group for series in self._series}
        if self._result.problems:
            return "dim", "could not tell"
        if Group.BROKEN in groups:
            held = any(day.disposition is Disposition.HELD for day in self._days)
            return "bad", "held back" if held else "broken"
        if troubled(self._result):
            return "dim", "could not tell"
        if Group.PENDING in groups or any(day.disposition is Disposition.PENDING for day in self._days):
            return "wait", "pending"
        return ("warn", "holds, with warnings") if Group.WARNING in groups else ("ok", "holds")

    def _summary(self) -> str:
        new = [day for day in self._days if day.disposition is not Disposition.NOTHING_NEW]
        span = ranges_of([day.day for day in new])
        rows = sum(day.new_rows for day in self._days)
        return f"{count(rows, 'new row')} of {count(len(new), 'day')}: {span}" if new else "Nothing new."

    def _cell(self, day: DayResult, most: int) -> DayCell:
        words = day_words(day.day)
        first = day is self._days[0] or words.startswith("1 ")
        label = words if first else words.split(" ")[0]
        return DayCell(day.day, label, _day_tone(day), drawings.day_bar(day, most), drawings.day_sentence(day))

    def _held(self) -> tuple[HeldDay, ...]:
        return tuple(
            HeldDay(
                day.day,
                day.held,
                day.disposition is Disposition.PENDING,
                self._reasons(day),
                None if self._dry_run else held_command(self._result.dataset, day.day),
            )
            for day in self._kept()[:HELD]
        )

    def _held_more(self) -> tuple[str, ...]:
        rest = self._kept()[HELD:]
        found = []
        for disposition, word in ((Disposition.HELD, "held back"), (Disposition.PENDING, "waiting")):
            days = [day.day for day in rest if day.disposition is disposition]
            if days:
                found.append(f"{count(len(days), 'more day')} {word}: {ranges_of(days)}.")
        return tuple(found)

    def _kept(self) -> list[DayResult]:
        """Return the days that were not published, held before pending."""
        found = [day for day in self._days if day.disposition in (Disposition.HELD, Disposition.PENDING)]
        return sorted(found, key=lambda day: day.disposition is Disposition.PENDING)

    def _reasons(self, day: DayResult) -> tuple[tuple[str, str], ...]:
        return tuple((self._anchors.get(check, ""), self._names.get(check, check)) for check in day.reasons[:12])

    def _groups(self) -> tuple[CheckGroup, ...]:
        shown = self._cut(self._series, CHECKS, "check")
        found = []
        for group in Group:
            rows = tuple(self._row(series) for series in shown if series.group is group)
            if rows:
                title, about = _GROUP_TITLES[group]
                told = about if not self._inspected else about.partition(":")[0].partition(",")[0]
                found.append(CheckGroup(group, title, told, rows))
        return tuple(found)

    def _row(self, series: CheckSeries) -> CheckRow:
        shown = series.shown
        told = series.failing[: _told(series)]
        facts = [shown.kind, shown.column or "", shown.dimension or ""]
        facts += (
            [f"severity {shown.severity}"] if shown.severity != "error" and series.group is not Group.WARNING else []
        )
        return CheckRow(
            anchor=self._anchors[series.check],
            name=shown.name or series.check,
            facts=tuple(dict.fromkeys(fact for fact in facts if fact)),
            tone=_tone(shown),
            verdict=_verdict_word(shown),
            value=quantity(shown.value, shown.unit),
            target=shown.target or "–",
            trend=drawings.sparkline(
                series.trend, lambda value: quantity(value, shown.unit), "bad" if shown.severity == "error" else "warn"
            ),
            rows=f"{series.rows:,}" if series.rows is not None else "–",
            where=_where(series),
            share=_share(series),
            line=self._line(shown.line),
            line_number=shown.line,
            error_bound=shown.error_bound,
            findings=tuple(self._finding(result) for result in told if result.detail or result.examples),
            more=_more(series),
        )

    def _finding(self, result: CheckResult) -> Finding:
        quarantined = (
            result.scope == "row"
            and result.verdict is Verdict.FAILED
            and (result.severity, result.breach) == ("error", "quarantine")
            and result.day in self._published
            and not self._dry_run
        )
        value = quantity(result.value, result.unit)
        told = value == "–" or value in result.detail or (result.unit == "rows" and result.rows == result.value)
        return Finding(
            where=day_words(result.day, year=True) if result.day else "The dataset",
            tone=_tone(result),
            value="" if told else value,
            detail=result.detail,
            examples=result.examples,
            command=show_command(self._result.dataset, result.day or "", result.check) if quarantined else None,
        )

    def _day_lines(self) -> tuple[DayLine, ...]:
        listed = self._days[-LISTED_DAYS:]
        if len(listed) < len(self._days):
            self._left_out.append(f"{count(len(self._days) - len(listed), 'older day')} in the table of days")
        return tuple(DayLine(day, _day_tone(day), self._reasons(day)) for day in reversed(listed))

    def _matrix(self, days: Sequence[str]) -> list[MatrixRow]:
        return [
            MatrixRow(
                self._anchors[series.check], self._names[series.check], drawings.verdict_row(days, series.results)
            )
            for series in self._series[:CHECKS]
            if any(result.day for result in series.results)
        ]

    def _contract(self, text: str | None) -> tuple[tuple[int, str, str], ...]:
        if text is None:
            return ()
        lines = text.expandtabs(2).splitlines()
        tones: dict[int, str] = {}
        for series in self._series:  # the gravest first
            if series.shown.line is not None:
                tones.setdefault(series.shown.line, _tone(series.shown))
        if len(lines) > LINES:
            self._left_out.append(f"{count(len(lines) - LINES, 'line')} of the contract")
        return tuple(
            (number, line if len(line) <= LINE_LENGTH else line[:LINE_LENGTH] + " …", tones.get(number, ""))
            for number, line in enumerate(lines[:LINES], 1)
        )

    def _line(self, line: int | None) -> str | None:
        return f"{self._anchor}-l{line}" if line is not None and 0 < line <= len(self._lines) else None

    def _cut(self, items: Sequence[_T], most: int, noun: str) -> tuple[_T, ...]:
        if len(items) > most:
            self._left_out.append(count(len(items) - most, f"more {noun}"))
        return tuple(items[:most])


def _seen(profiles: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """Return the columns of which there are rows: of a day that is only judged again, nothing is new to look at."""
    return [profile for profile in profiles if profile.rows]


def _column(profile: ColumnProfile) -> ColumnCard:
    nulls = f"{share_words(profile.nulls, profile.rows)} null" if profile.nulls else "no nulls"
    if profile.classified:  # even where the report holds more than it should
        return ColumnCard(profile, Markup(""), "", "", (), nulls)
    top = profile.top[:TOP]
    most = max([rows for _, rows in top] + [1])
    bins = profile.histogram
    low, high = (None, None) if top and not bins else (profile.minimum, profile.maximum)
    words = _moment if profile.type.startswith("timestamp") else str
    if words is _moment and low and high and low[:10] != high[:10]:
        words = _day_of
    return ColumnCard(
        profile,
        drawings.histogram(bins),
        words(low) if low is not None else quantity(bins[0][0], "") if bins else "",
        words(high) if high is not None else quantity(bins[-1][1], "") if bins else "",
        () if bins else tuple((value, rows, drawings.share_bar(rows / most)) for value, rows in top),
        nulls,
    )


def _moment(text: str) -> str:
    return instant_words(text).removesuffix(" UTC")


def _day_of(text: str) -> str:
    return _moment(text).split(",")[0]


def _told(series: CheckSeries) -> int:
    """Return how many of its days are told in full: of one that has no history yet, the newest."""
    return 1 if series.shown.verdict is Verdict.NO_HISTORY else FINDINGS


def _more(series: CheckSeries) -> str:
    """Say on which other days it did not pass."""
    rest = sorted(result.day for result in series.failing[_told(series) :] if result.day)
    parts = [f"Also on {ranges_of(rest)}."] if rest else []
    for verdict in Verdict:
        days = sorted(result.day for result in series.lesser if result.day and result.verdict is verdict)
        if days:
            word = "Warning" if verdict is Verdict.FAILED else verdict.value.capitalize()
            parts.append(f"{word} on {ranges_of(days)}.")
    return " ".join(parts)


def _where(series: CheckSeries) -> str:
    days = [result.day for result in series.results if result.day]
    if not days:
        return "whole dataset"
    found = sorted(result.day for result in series.failing if result.day)
    if not found:
        return count(len(days), "day")
    if len(found) == len(days) > 1:
        return f"all {len(days)} days"
    return ranges_of(found)


def _share(series: CheckSeries) -> str:
    """Say on how many of its days it came to what it came to."""
    days = [result for result in series.results if result.day]
    found = [result for result in series.failing if result.day]
    return f"{len(found):,} of {len(days):,} days" if 0 < len(found) < len(days) else ""


def _verdict_word(result: CheckResult) -> str:
    if result.verdict is Verdict.FAILED:
        return "broken" if result.severity == "error" else "warning"
    return result.verdict.value


def _tone(result: CheckResult) -> str:
    return drawings.MARKS[group_of(result)]


def _day_tone(day: DayResult) -> str:
    if day.disposition is Disposition.HELD:
        return "held"
    if day.disposition is Disposition.PENDING:
        return "wait"
    if day.disposition is Disposition.INSPECTED:
        return "bad" if any(result.broken for result in day.checks) else "none"
    return "bad" if day.quarantined else "none" if day.disposition is Disposition.NOTHING_NEW else "ok"
