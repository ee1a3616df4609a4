"""The entries of a partition's commit log, as values and as JSON.

An entry is immutable: it is created once, with put-if-absent, as object ``n`` of its log, and is then what happened.
Field names are the format on disk: a reader of another version must find them unchanged, so they only ever grow.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar

from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.types import ContractRef, Offset


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file that an entry makes count: landed rows of one event day, or bad records (no day)."""

    key: str
    """Below the store's root."""
    rows: int
    bytes: int
    sha256: str
    day: str | None = None
    """Event day, ISO date, UTC; None for a bad file."""


@dataclass(frozen=True, slots=True)
class Open:
    """Entry 0: which topic this log is about, and where reading began."""

    type: ClassVar[str] = "open"
    pipeline: str
    cluster: str
    topic: str
    topic_id: str
    partition: int
    start: Offset
    nonce: str
    written_at: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An owner takes the partition: every earlier owner's next entry collides with what follows."""

    type: ClassVar[str] = "claim"
    epoch: int
    nonce: str
    owner: str
    """For people: host, process, actor."""
    supervisor: int
    """The number of the supervisor on whose behalf; a claim for a lower one than the last claim's is refused."""
    contract: ContractRef
    written_at: str


@dataclass(frozen=True, slots=True)
class Data:
    """One checkpoint: every offset of ``[start, end)`` is accounted for, exactly once.

    ``good + bad + tombstones + skipped == end - start``, where ``skipped`` are the offsets that the broker
    never delivers (transaction markers, aborted and compacted records).
    """

    type: ClassVar[str] = "data"
    epoch: int
    nonce: str
    start: Offset
    end: Offset
    """The consumer's position after the last record, exclusive."""
    leader_epoch: int | None
    good: int
    bad: int
    tombstones: int
    skipped: int
    files: tuple[DataFile, ...]
    bad_files: tuple[DataFile, ...]
    by_rule: dict[str, int]
    """Bad records by the rule of their first violation; the values add up to ``bad``."""
    truncated: int
    """Values whose digits below a microsecond were cut, where the contract says so."""
    contract: ContractRef
    dlq_through: Offset
    """Up to where the dead letters were known to be in the topic when this entry was written."""
    event_time_min: str | None
    event_time_max: str | None
    """Over the landed rows, RFC 3339 UTC; None without rows or without an event-time column."""
    max_timestamp: int | None
    """The highest Kafka timestamp of the range, milliseconds."""
    breaker: str
    """``armed``, or ``overridden`` after a person resumed the partition."""
    committed_at: str
    """Landing time, RFC 3339 UTC with microseconds."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets that nobody will ever read, why, and who allowed it."""

    type: ClassVar[str] = "gap"
    nonce: str
    start: Offset
    end: Offset
    reason: str
    allowed_by: str
    written_at: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The owner stopped before ``offset`` and waits for a person, or for another contract."""

    type: ClassVar[str] = "pause"
    epoch: int
    nonce: str
    offset: Offset
    reason: str
    """A :class:`ray_pipeline.types.StopReason`."""
    detail: str
    contract: ContractRef
    written_at: str


@dataclass(frozen=True, slots=True)
class Resume:
    """A person lets a paused partition go on."""

    type: ClassVar[str] = "resume"
    nonce: str
    allowed_by: str
    written_at: str


@dataclass(frozen=True, slots=True)
class Release:
    """The owner left in order; nothing was in its hands."""

    type: ClassVar[str] = "release"
    epoch: int
    nonce: str
    written_at: str


@dataclass(frozen=True, slots=True)
class Close:
    """This log ends here: its topic was deleted and made again, and a person accepted that."""

    type: ClassVar[str] = "close"
    nonce: str
    reason: str
    allowed_by: str
    written_at: str


LogEntry = Open | Claim | Data | Gap | Pause | Resume | Release | Close
OPERATOR_ENTRIES = (Gap, Resume, Close)
"""What a person's command may append without owning the partition; an owner that meets one goes on after it."""

FORMAT = 1
_TYPES: dict[str, type[Any]] = {cls.type: cls for cls in (Open, Claim, Data, Gap, Pause, Resume, Release, Close)}


def encode(entry: LogEntry) -> bytes:
    """Return the entry as one line of JSON, sealed: its last member is the SHA-256 of the line without it.

    A byte that changed in the store is thus found by whoever reads the entry, not believed.

    >>> decode(encode(Resume("n1", "ann", "2013-01-01T00:00:00Z")))
    Resume(nonce='n1', allowed_by='ann', written_at='2013-01-01T00:00:00Z')
    """
    return seal({"format": FORMAT, "type": entry.type, **asdict(entry)})


def decode(data: bytes) -> LogEntry:
    """Return the entry; raise ``ValueError`` with a reason where the bytes are not one."""
    document = unseal(data)
    if document.get("format") != FORMAT:
        raise ValueError(f"not a log entry of format {FORMAT}")
    cls = _TYPES.get(document.get("type", ""))
    if cls is None:
        raise ValueError("an entry of a type that this version does not know")
    entry: LogEntry = _build(cls, document)
    return entry


def _build(cls: type[Any], document: dict[str, Any]) -> Any:
    known = {f.name for f in fields(cls)}
    missing = known - document.keys()
    if missing:
        raise ValueError(f"{cls.type} entry without {', '.join(sorted(missing))}")
    values = {name: document[name] for name in known}
    if "contract" in values:
        values["contract"] = ContractRef(**values["contract"])
    for name in ("files", "bad_files"):
        if name in values:
            values[name] = tuple(DataFile(**item) for item in values[name])
    return cls(**values)


def timestamp_text(moment: datetime) -> str:
    """Return a moment as entries write it.

    >>> timestamp_text(datetime(2013, 1, 1, tzinfo=UTC))
    '2013-01-01T00:00:00.000000Z'
    """
    # Not strftime: it writes the year 1 as "1".
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Tail:
    """Everything that the entries so far say, folded: what a new owner needs, and nothing that grows."""

    n: int
    """The number of the last entry."""
    source_start: Offset
    end: Offset
    """Where reading goes on."""
    leader_epoch: int | None = None
    epoch: int = 0
    owner: str = ""
    owner_nonce: str = ""
    supervisor: int = 0
    released: bool = False
    closed: bool = False
    pause: Pause | None = None
    overridden: bool = False
    """A person resumed after a breaker, and no healthy window has come since."""
    dlq_through: Offset = 0
    good: int = 0
    bad: int = 0
    tombstones: int = 0
    skipped: int = 0
    gaps: int = 0
    commits: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    contract: ContractRef | None = None
    committed_at: str | None = None
    event_time_max: str | None = None
