"""What the stream needs from outside: records in, dead letters out. ``connectors/kafka/`` has the real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ray_pipeline.types import (
    BadRecord,
    ContractRef,
    Offset,
    Position,
    RecordBatch,
    SourceId,
    TopicPartition,
    Watermarks,
)


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic as the brokers describe it."""

    topic: str
    source: SourceId
    partitions: int


class TopicAdmin(Protocol):
    """Questions about topics. Every answer comes, or an error is raised, within 30 seconds."""

    def describe(self, topic: str) -> TopicDescription:
        """Raise ``SourceDeniedError`` for a topic absent or hidden, ``SourceUnavailableError`` without an answer."""
        ...

    def watermarks(self, topic_partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Watermarks]:
        """Return low and (read-committed) high watermarks."""
        ...

    def offset_at(self, topic_partition: TopicPartition, moment: datetime) -> Offset:
        """Return the first offset at or after a moment of publication; the high watermark where there is none."""
        ...


class RecordSource(Protocol):
    """One consumer that reads the partitions it was given, and no other. Used by one thread at a time."""

    def assign(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Read exactly these partitions, from these positions; those assigned already and kept go on undisturbed."""
        ...

    def poll(self, max_records: int, timeout: float) -> list[RecordBatch]:
        """Return what came within ``timeout`` seconds, a batch per partition, in offset order; maybe nothing.

        A batch without records but with ``end > start`` says that only markers were there. Raises
        ``PartitionStoppedError`` for offsets that are gone, ``SourceUnavailableError`` while no broker answers.
        """
        ...

    def hint(self, topic_partition: TopicPartition, position: Position) -> None:
        """Store a position as the group's offset, for lag tools. Never waits, never raises."""
        ...

    def close(self) -> None:
        """Leave, within 10 seconds."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A bad record on its way to the dead-letter topic."""

    source: TopicPartition
    record: BadRecord
    contract: ContractRef
    bad_file: str
    """The URI of the bad file that holds it; where a violation list is cut short, a header points there."""


class DeadLetterSink(Protocol):
    """Writes the dead letters of one partition, progress and records in one transaction where the broker has them."""

    def open(self) -> Offset | None:
        """Fence every earlier producer of this partition, then return up to where dead letters are written.

        None: no progress is stored (first use, expired, or a broker without transactional offsets).
        """
        ...

    def send(self, letters: Sequence[DeadLetter], through: Offset) -> None:
        """Write the letters and store ``through`` as progress, both or neither.

        After any error the sink must be opened again before the next send. Raises ``SinkUnavailableError`` or
        ``SinkFencedError``.
        """
        ...

    def close(self) -> None:
        """Leave, within 10 seconds."""
        ...
