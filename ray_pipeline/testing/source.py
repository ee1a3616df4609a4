"""A record source that plays a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ray_pipeline.types import Headers, Offset, Position, RecordBatch, TopicPartition, Watermarks


@dataclass(frozen=True, slots=True)
class ScriptedRecord:
    """A record as the broker has it. Offsets between two records are markers, aborted or compacted."""

    offset: Offset
    value: bytes | None
    key: bytes | None = None
    timestamp: int = 1_357_000_000_000
    headers: Headers = ()


def numbered(values: Sequence[bytes | None], first: Offset = 0) -> list[ScriptedRecord]:
    """Return the values as consecutive records.

    >>> [record.offset for record in numbered([b"a", b"b"], first=7)]
    [7, 8]
    """
    return [ScriptedRecord(first + i, value) for i, value in enumerate(values)]


@dataclass
class ScriptedSource:
    """A :class:`~ray_pipeline.stream.ports.RecordSource` over lists of records, one list per partition.

    ``ends`` are the high watermarks where markers follow the last record.
    """

    script: Mapping[TopicPartition, Sequence[ScriptedRecord]]
    ends: Mapping[TopicPartition, Offset] = field(default_factory=dict)
    hints: dict[TopicPartition, Position] = field(default_factory=dict)
    closed: bool = False
    _positions: dict[TopicPartition, Offset] = field(default_factory=dict)

    def assign(self, positions: Mapping[TopicPartition, Position]) -> None:
        kept = {tp: offset for tp, offset in self._positions.items() if tp in positions}
        self._positions = {tp: kept.get(tp, position.offset) for tp, position in positions.items()}

    def poll(self, max_records: int, timeout: float) -> list[RecordBatch]:  # noqa: ARG002 - a script never waits
        found = [self._batch(tp, max_records) for tp in self._positions]
        return [batch for batch in found if batch.end > batch.start]

    def hint(self, topic_partition: TopicPartition, position: Position) -> None:
        self.hints[topic_partition] = position

    def close(self) -> None:
        self.closed = True

    def watermarks(self, topic_partition: TopicPartition) -> Watermarks:
        """Return what an admin would say."""
        records = self.script.get(topic_partition, ())
        low = records[0].offset if records else 0
        return Watermarks(low, self._end(topic_partition))

    def _end(self, topic_partition: TopicPartition) -> Offset:
        records = self.script.get(topic_partition, ())
        return self.ends.get(topic_partition, records[-1].offset + 1 if records else 0)

    def _batch(self, topic_partition: TopicPartition, max_records: int) -> RecordBatch:
        start = self._positions[topic_partition]
        ahead = [record for record in self.script.get(topic_partition, ()) if record.offset >= start]
        taken = ahead[:max_records]
        end = taken[-1].offset + 1 if len(taken) < len(ahead) else max(self._end(topic_partition), start)
        self._positions[topic_partition] = end
        return batch_of(topic_partition, start, end, taken)


def batch_of(
    topic_partition: TopicPartition, start: Offset, end: Offset, records: Sequence[ScriptedRecord]
) -> RecordBatch:
    """Return the records as one batch that moves the reader from ``start`` to ``end``."""
    return RecordBatch(
        topic_partition,
        start,
        end,
        offsets=[record.offset for record in records],
        timestamps=[record.timestamp for record in records],
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers=lambda i: records[i].headers,
    )
