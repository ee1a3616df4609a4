"""What a gate found, as values: one shape for the table, the JSON, the page, the lineage event and the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from ray_pipeline.contracts.expectations import Breach, Severity, SupportChannel
from ray_pipeline.types import ContractRef, Outcome

from .measure import RowRef

Scope = Literal["row", "day", "dataset"]
"""What a breach points at: rows that can be named, a whole event day, or the dataset as it is now."""


class Verdict(StrEnum):
    """What a check says."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"
    """It can turn out either way, because data may still come; judged again by the next gate."""
    NO_HISTORY = "not enough history"
    UNKNOWN = "could not be judged"


class Disposition(StrEnum):
    """What became of a day's new rows."""

    PUBLISHED = "published"
    """All but those that were quarantined."""
    HELD = "held"
    PENDING = "pending"
    """Held too, because an error check is pending."""
    NOTHING_NEW = "nothing new"
    INSPECTED = "inspected"
    """Judged only: rows of files that our ingest did not write are never published."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check on one day, or on the dataset."""

    check: str
    """The check's id: stable, unique within the contract."""
    name: str
    kind: str
    """rowCount, nullValues, sql, latency, freshness, relationship, uniqueness, …"""
    scope: Scope
    severity: Severity
    verdict: Verdict
    day: str | None = None
    column: str | None = None
    """Dotted path."""
    dimension: str | None = None
    breach: Breach = "hold"
    value: float | None = None
    unit: str = "rows"
    """rows, percent, s, days, or the column's own unit ("")."""
    target: str = ""
    """For people, ends said: ``between 500 and 1200 (both included)``."""
    detail: str = ""
    """One sentence: what was seen, what to do. Never a value of a row."""
    rows: int | None = None
    """How many rows break it, where rows can be named."""
    examples: tuple[RowRef, ...] = ()
    """Some of them, lowest first."""
    error_bound: str | None = None
    """Where the value is not exact: how far it can be off."""
    line: int | None = None
    """Line of the contract's file that asks for it."""
    key: str = ""
    waived: str | None = None
    """Who let the day through though this broke, and why; then it does not count against the run."""
    history: tuple[tuple[str, float], ...] = ()
    """(day, value) of the days before this run's first, oldest first, at most 60; on the result of that first day only,
    for those after it say nothing more."""

    @property
    def broken(self) -> bool:
        """Whether this alone makes the gate say 1."""
        return self.verdict is Verdict.FAILED and self.severity == "error" and self.waived is None


@dataclass(frozen=True, slots=True)
class NotJudged:
    """Something that the contract says and that no look at data can judge."""

    what: str
    why: str
    line: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a column looks like in the first rows of each file, for people; no check rests on it."""

    name: str
    """Dotted path."""
    type: str
    rows: int
    nulls: int
    minimum: str | None = None
    """As text; None where the column is classified or has no order."""
    maximum: str | None = None
    histogram: tuple[tuple[float, float, int], ...] = ()
    """(from, to, rows) of a number or, in seconds since 1970, of a time; over ``sampled`` rows."""
    top: tuple[tuple[str, int], ...] = ()
    """The commonest values of a column with few; empty where it is classified."""
    sampled: int = 0
    classified: bool = False


@dataclass(frozen=True, slots=True)
class DayResult:
    """The unit of judgement: one event day of one dataset."""

    day: str
    disposition: Disposition
    rows: int
    """Landed of this day so far, earlier gates included."""
    new_rows: int
    """Judged for the first time by this gate."""
    published: int = 0
    quarantined: int = 0
    held: int = 0
    """Of the rows that this gate decided on: the three add up to new rows + rows held before."""
    reasons: tuple[str, ...] = ()
    """Why it is held: the checks' ids."""
    complete: bool = False
    """The watermark and the lateness have passed its end."""
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """What of one partition this gate judged for the first time: ``[start, end)``."""

    partition: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DatasetResult:
    """What a gate found about one dataset."""

    dataset: str
    topic: str
    contract: ContractRef
    contract_file: str
    support: tuple[SupportChannel, ...] = ()
    decision: int | None = None
    """Number of the gate's ledger entry; None for a dry run, or when there was nothing to decide."""
    days: tuple[DayResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    """Those on the dataset as a whole."""
    not_judged: tuple[NotJudged, ...] = ()
    profile: tuple[ColumnProfile, ...] = ()
    """Of the rows that were new."""
    offsets: tuple[OffsetRange, ...] = ()
    landed: int = 0
    """All rows of the dataset up to this gate: published + quarantined + held, exactly."""
    published: int = 0
    quarantined: int = 0
    held: int = 0
    new_rows: int = 0
    files_added: int = 0
    """Landed files that were published as they are."""
    files_rewritten: int = 0
    released: int = 0
    """Quarantined rows that a person had judged again, and that this gate published; in no day's count."""
    refused: int = 0
    """Quarantined rows that a person had judged again, and that stay: something is still against them."""
    table: str | None = None
    """URI of the curated table's current metadata."""
    snapshot_id: int | None = None
    problems: tuple[str, ...] = ()
    """What kept a part of it from being judged or published; each makes the outcome 3."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """One run of the gate."""

    run_id: str
    pipeline: str
    at: str
    """The gate's clock, RFC 3339 UTC: what freshness and "complete" were judged against."""
    started_at: str
    finished_at: str
    datasets: tuple[DatasetResult, ...]
    dry_run: bool = False
    repeated: bool = False
    """The run id was decided before: nothing was done, this is what was found then."""
    report_uri: str | None = None
    results_uri: str | None = None
    version: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds by step."""

    @property
    def outcome(self) -> Outcome:
        """0 every error check passed, 1 one broke, 3 one could not be judged (pending does not count)."""
        found = [check for dataset in self.datasets for check in _all_checks(dataset)]
        if any(dataset.problems for dataset in self.datasets):
            return Outcome.UNKNOWN
        if any(check.broken for check in found):
            return Outcome.BROKEN
        if any(c.severity == "error" and c.verdict is Verdict.UNKNOWN and c.waived is None for c in found):
            return Outcome.UNKNOWN
        return Outcome.HELD


def _all_checks(dataset: DatasetResult) -> list[CheckResult]:
    return [*dataset.checks, *(check for day in dataset.days for check in day.checks)]
