"""The entries of a gate's ledger, as values and as JSON.

Entry ``n`` of a dataset's ledger is created once, with put-if-absent. A decision is the commit of a gate: what it says
became of every row has happened, and the table, the report and the index are projections of it that can be made again.
Each entry is stored with the state after it, so that the newest one alone is enough to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.sla.result import Disposition
from ray_pipeline.types import ContractRef, Offset

from .values import as_document, from_document

Series = tuple[tuple[str, float], ...]
"""(day, value), oldest first; for checks on the dataset (time of the gate, value)."""


@dataclass(frozen=True, slots=True)
class LogRange:
    """What of one partition's log a decision is about: the entries ``first`` to ``n``, both included."""

    log: LogId
    first: int
    n: int
    start: Offset
    end: Offset
    """Exclusive: where the log ended after entry ``n``."""
    rows: int
    """Landed rows in the range."""
    event_time_min: str | None = None
    event_time_max: str | None = None


@dataclass(frozen=True, slots=True)
class DayDecision:
    """What became of one day's rows: ``new`` + held before = ``published + quarantined + held``."""

    day: str
    disposition: Disposition
    new: int
    published: int
    quarantined: int
    held: int
    released: int
    """Rows of earlier quarantine that this decision publishes; apart from the other four."""
    manifest: str
    """Key of the day's manifest as of this decision."""
    sha256: str
    """Of the manifest."""
    reasons: tuple[str, ...] = ()
    """Ids of the checks that hold rows back."""
    held_files: tuple[DataFile, ...] = ()
    """All files of the day that are held after this decision."""


@dataclass(frozen=True, slots=True)
class VerdictSummary:
    """What the gate said, in short; the results have the rest."""

    outcome: int
    """The exit code, :class:`ray_pipeline.types.Outcome`."""
    failed: tuple[str, ...] = ()
    """Ids of the error checks that broke."""
    unknown: tuple[str, ...] = ()
    """Ids of the error checks that could not be judged."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One gate: every landed row of the ranges, and every row that was held, is from now on where this says."""

    type: ClassVar[str] = "decision"
    n: int
    run_id: str
    nonce: str
    written_at: str
    at: str
    """The gate's clock: what freshness and completeness were judged against."""
    contract: ContractRef
    offsets: tuple[LogRange, ...]
    days: tuple[DayDecision, ...]
    publish: tuple[DataFile, ...]
    """Every file that joins the table: landed ones as they are, rewritten ones, released rows."""
    quarantine: tuple[DataFile, ...]
    """Every file that joins the quarantine."""
    replaced: tuple[DataFile, ...]
    """Quarantine files that leave it: their rows are in ``publish``, or in a smaller file of ``quarantine``."""
    carried_out: tuple[int, ...]
    """Numbers of the releases that this decision carries out."""
    verdict: VerdictSummary
    results: str
    """Key of ``run_results.json``."""
    published_days: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Publication day → good and bad records of the ranges."""
    history: Mapping[str, Series] = field(default_factory=dict)
    """Check id → values to remember; a day that was judged before gets the newer value."""


@dataclass(frozen=True, slots=True)
class ReleaseHeld:
    """A person lets a day's held rows through; the next gate carries it out."""

    type: ClassVar[str] = "release-held"
    n: int
    nonce: str
    written_at: str
    day: str
    reason: str
    allowed_by: str


@dataclass(frozen=True, slots=True)
class OffsetSpan:
    """Offsets ``[start, end)`` of one partition."""

    partition: int
    start: Offset
    end: Offset


@dataclass(frozen=True, slots=True)
class Selection:
    """Which quarantined rows; what is given must all hold, and one of the three is given."""

    day: str | None = None
    check: str | None = None
    offsets: tuple[OffsetSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseQuarantine:
    """A person wants quarantined rows judged again; the next gate publishes those that hold now."""

    type: ClassVar[str] = "release-quarantine"
    n: int
    nonce: str
    written_at: str
    selection: Selection
    reason: str
    allowed_by: str
    waive: bool = False
    """Publish them even where they still break."""


GateEntry = Decision | ReleaseHeld | ReleaseQuarantine

FORMAT = 1
_TYPES: dict[str, type[GateEntry]] = {cls.type: cls for cls in (Decision, ReleaseHeld, ReleaseQuarantine)}


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far one log was judged."""

    log: LogId
    n: int
    end: Offset
    rows: int
    event_time_max: str | None = None


@dataclass(frozen=True, slots=True)
class DayState:
    """Where a day's landed rows are: ``landed = published + quarantined + held``."""

    n: int
    """The decision that wrote the manifest."""
    manifest: str
    sha256: str
    landed: int
    published: int
    """Released rows are among them."""
    quarantined: int
    held: int
    released: int
    """Rows that were quarantined once and are published now."""


@dataclass(frozen=True, slots=True)
class GateState:
    """Everything that the entries so far say, folded; it grows with the days and the held files alone."""

    n: int = -1
    """The number of the last entry; -1 before the first."""
    decision: int = -1
    """The number of the last decision."""
    through: tuple[LogPosition, ...] = ()
    """By log, in order."""
    days: Mapping[str, DayState] = field(default_factory=dict)
    held: Mapping[str, tuple[DataFile, ...]] = field(default_factory=dict)
    """Day → its held files; no entry where none is."""
    pending_held: tuple[ReleaseHeld, ...] = ()
    pending_quarantine: tuple[ReleaseQuarantine, ...] = ()
    history: Mapping[str, Series] = field(default_factory=dict)
    published_days: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Publication day → good and bad records so far."""
    runs: tuple[tuple[str, int], ...] = ()
    """The last run ids and their entries, oldest first."""
    event_time_min: str | None = None
    contract: ContractRef | None = None
    """Of the last decision."""

    @property
    def event_time_max(self) -> str | None:
        """The highest event time that was judged."""
        return max((at.event_time_max for at in self.through if at.event_time_max is not None), default=None)

    @property
    def landed(self) -> int:
        """All rows that were judged: published + quarantined + held, exactly."""
        return sum(day.landed for day in self.days.values())

    @property
    def published(self) -> int:
        """Rows in the table."""
        return sum(day.published for day in self.days.values())

    @property
    def quarantined(self) -> int:
        """Rows that are set aside with their reasons."""
        return sum(day.quarantined for day in self.days.values())

    @property
    def held_rows(self) -> int:
        """Rows of days that are held back."""
        return sum(day.held for day in self.days.values())

    @property
    def released(self) -> int:
        """Rows that were quarantined once and are published now."""
        return sum(day.released for day in self.days.values())

    def position(self, log: LogId) -> LogPosition | None:
        """Return how far a log was judged; None where it never was."""
        return next((at for at in self.through if at.log == log), None)


def encode(entry: GateEntry, state: GateState) -> bytes:
    """Return an entry and the state after it as one sealed line of JSON."""
    head = {"format": FORMAT, "type": entry.type}
    return seal({**head, "entry": as_document(entry), "state": as_document(state)})


def decode(data: bytes) -> tuple[GateEntry, GateState]:
    """Return the entry and the state after it; raise ``ValueError`` with a reason where the bytes are none."""
    document = unseal(data)
    if document.get("format") != FORMAT:
        raise ValueError(f"not an entry of format {FORMAT}")
    cls = _TYPES.get(document.get("type", ""))
    if cls is None:
        raise ValueError("an entry of a type that this version does not know")
    entry: Any = from_document(cls, document.get("entry"))
    return entry, from_document(GateState, document.get("state"))
