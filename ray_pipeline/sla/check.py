"""A check as a contract compiles to: which states it needs, and its verdict on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ray_pipeline.contracts.expectations import Breach, Severity

from .measure import Array, Measure, RowRef
from .result import CheckResult, NotJudged, Scope


@dataclass(frozen=True, slots=True)
class KeyFinding:
    """What merging the keys of many files says about one check and one day."""

    rows: int
    """Rows of the day that were looked at (a key with a null in it is not)."""
    flagged: int
    """Duplicates (all but the first of a key), or rows without a parent."""
    pending: int = 0
    """Rows whose parent may still come."""
    examples: tuple[RowRef, ...] = ()
    positions: Mapping[str, Array] = field(default_factory=dict)
    """File key → row numbers (ascending, int64) of the flagged rows."""
    problem: str | None = None
    """Why it could not be judged: the parent is not there."""


@dataclass(frozen=True, slots=True)
class SqlValue:
    """What a free query said about a day: its one number, or why there is none."""

    value: float | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class DayView:
    """All that is known of one day when it is judged."""

    day: str
    at: datetime
    """The gate's clock."""
    complete: bool
    partials: Mapping[str, Any]
    """By measure id; of all landed rows of the day, merged."""
    earlier: Mapping[str, Any] = field(default_factory=dict)
    """By measure id; of earlier days that have rows. What gaps across midnight need."""
    good: int = 0
    """Landed records that were published on this day (Kafka's timestamp), whatever day they tell of."""
    bad: int = 0
    """Refused records that were published on this day."""
    keys: Mapping[str, KeyFinding] = field(default_factory=dict)
    """By check id."""
    sql: Mapping[str, SqlValue] = field(default_factory=dict)
    """By check id."""
    history: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    """By check id: (day, value) of earlier complete days, oldest first."""
    decided: bool = True
    """Whether something is done about a breach; False where files are only looked at."""


@dataclass(frozen=True, slots=True)
class DatasetView:
    """All that is known of a dataset as a whole."""

    at: datetime
    newest_event: datetime | None
    """The highest event time that landed, ever."""
    oldest_event: datetime | None
    rows: int
    history: Mapping[str, tuple[tuple[str, float], ...]] = field(default_factory=dict)
    """By check id: (time of the gate, value) of earlier gates, oldest first."""


class Check(Protocol):
    """One promise of a contract. A frozen dataclass: equal contracts compile to equal checks."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def scope(self) -> Scope: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def breach(self) -> Breach: ...
    @property
    def measures(self) -> tuple[Measure, ...]:
        """The states it needs; checks share a state by its id."""
        ...


class DayCheck(Check, Protocol):
    """Judged once per event day."""

    def judge(self, view: DayView) -> CheckResult: ...


class DatasetCheck(Check, Protocol):
    """Judged once per gate."""

    def judge(self, view: DatasetView) -> CheckResult: ...


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """Everything that a contract promises, compiled."""

    day_checks: tuple[DayCheck, ...]
    dataset_checks: tuple[DatasetCheck, ...]
    not_judged: tuple[NotJudged, ...] = ()

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Each state once, by id."""
        checks: tuple[Check, ...] = (*self.day_checks, *self.dataset_checks)
        by_id = {measure.id: measure for check in checks for measure in check.measures}
        return tuple(by_id[name] for name in sorted(by_id))

    @property
    def columns(self) -> tuple[str, ...]:
        """The top-level columns that must be read."""
        return tuple(sorted({column for measure in self.measures for column in measure.columns}))
