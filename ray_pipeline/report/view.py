"""The page as values: everything that its template lays out, already chosen, ordered and put in words."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import ColumnProfile, DatasetResult, DayResult, GateReport, NotJudged, OffsetRange

from .sentences import Contact, Step
from .tally import Group, Totals


@dataclass(frozen=True, slots=True)
class Finding:
    """One result that did not pass."""

    where: str
    tone: str
    value: str
    detail: str
    examples: tuple[RowRef, ...]
    command: str | None
    """Shows its rows; None where they are not in the quarantine."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check over all days."""

    anchor: str
    name: str
    facts: tuple[str, ...]
    tone: str
    verdict: str
    value: str
    target: str
    trend: Markup
    rows: str
    where: str
    share: str
    line: str | None
    """Anchor of the contract's line."""
    line_number: int | None
    error_bound: str | None
    findings: tuple[Finding, ...]
    more: str
    """Which other days did not pass."""


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """Checks that came to the same."""

    group: Group
    title: str
    about: str
    rows: tuple[CheckRow, ...]


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day of the strip."""

    day: str
    label: str
    tone: str
    bar: Markup
    said: str


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day of the table of days."""

    result: DayResult
    tone: str
    reasons: tuple[tuple[str, str], ...]
    """(anchor, name) of the checks that hold it."""


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day that was not published, why, and the command that publishes it all the same."""

    day: str
    rows: int
    waiting: bool
    reasons: tuple[tuple[str, str], ...]
    command: str | None


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One check's verdicts on all days."""

    anchor: str
    name: str
    marks: Markup


@dataclass(frozen=True, slots=True)
class ColumnCard:
    """What a column looks like."""

    profile: ColumnProfile
    plot: Markup
    low: str
    high: str
    top: tuple[tuple[str, int, Markup], ...]
    nulls: str


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """One dataset's part of the page."""

    anchor: str
    result: DatasetResult
    tone: str
    word: str
    inspected: bool
    """Its files were judged only: nothing of them is published or kept back."""
    totals: Totals
    summary: str
    cells: tuple[DayCell, ...]
    calendar: Markup
    held: tuple[HeldDay, ...]
    held_more: tuple[str, ...]
    """The held days that are not told one by one."""
    groups: tuple[CheckGroup, ...]
    days: tuple[DayLine, ...]
    axis: Markup
    matrix: tuple[MatrixRow, ...]
    columns: tuple[ColumnCard, ...]
    not_judged: tuple[tuple[NotJudged, str | None], ...]
    offsets: tuple[OffsetRange, ...]
    contract: tuple[tuple[int, str, str], ...]
    """(line, text, tone of the gravest check that asks for it)."""
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunPage:
    """The whole page."""

    report: GateReport
    tone: str
    word: str
    headline: str
    counts: str
    remark: str
    totals: Totals
    contacts: tuple[Contact, ...]
    steps: tuple[Step, ...]
    datasets: tuple[DatasetPage, ...]
    timings: tuple[tuple[str, float, Markup], ...]
