"""Words that every layer shares. Values only: nothing here does anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

Headers = tuple[tuple[str, bytes | None], ...]
Offset = int
"""A position in a partition: the next record to read, unless the name says otherwise."""


class Outcome(IntEnum):
    """What a command found, as its exit code."""

    HELD = 0
    BROKEN = 1
    MISUSED = 2
    UNKNOWN = 3


class StopReason(StrEnum):
    """Why a partition waits for a person."""

    BAD_SHARE = "bad-share"
    OFFSETS_EXPIRED = "offsets-expired"
    LOG_TRUNCATED = "log-truncated"
    TOPIC_RECREATED = "topic-recreated"


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of one topic.

    >>> str(TopicPartition("departures", 3))
    'departures[3]'
    """

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


@dataclass(frozen=True, slots=True)
class SourceId:
    """Which topic this really is: a topic of the same name that was deleted and made again is another one."""

    cluster: str
    topic_id: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where to read next, and the leader epoch of the record before it (None: not known)."""

    offset: Offset
    leader_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Watermarks:
    """The first offset that the broker still has, and the next one that a committed reader could get."""

    low: Offset
    high: Offset


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Some consecutive records of one partition, as columns of equal length.

    ``start`` and ``end`` are consumer positions: ``end - start`` may exceed the number of records, because
    transaction markers, aborted records and compacted ones take offsets and are never delivered.
    """

    topic_partition: TopicPartition
    start: Offset
    end: Offset
    offsets: Sequence[Offset]
    timestamps: Sequence[int]
    """Kafka's timestamp in milliseconds since 1970 UTC; -1 where the record has none."""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Callable[[int], Headers]
    """The headers of the i-th record; a call, because only dead letters and ``_headers`` columns need them."""
    leader_epoch: int | None = None

    def __len__(self) -> int:
        return len(self.offsets)


def json_pointer(path: tuple[str | int, ...]) -> str:
    """Write a path as a JSON pointer (RFC 6901).

    >>> json_pointer(("lines", 3, "a/b"))
    '/lines/3/a~1b'
    """
    return "".join(["/" + str(part).replace("~", "~0").replace("/", "~1") for part in path])


@dataclass(frozen=True, slots=True)
class Violation:
    """One reason a record breaks its contract."""

    path: tuple[str | int, ...]
    """Where in the record, ("lines", 3, "price"); of a missing or surplus key: its parent."""
    rule: str
    """The JSON Schema keyword, or a code of ours: "required", "json.malformed"."""
    schema_path: str
    """Which line of the schema said so, as a JSON pointer; empty for our own codes."""
    message: str
    """For people; never the offending value."""

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer."""
        return json_pointer(self.path)


@dataclass(frozen=True, slots=True)
class ContractRef:
    """The contract under which a record was judged; ``digest`` is the SHA-256 of its text, in hex."""

    id: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that its contract refuses, as it came, with every reason."""

    offset: Offset
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    violations: tuple[Violation, ...]
