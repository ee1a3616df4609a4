"""One consumer that reads the partitions it was given, from the positions it was given, and guesses nothing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.connectors.kafka.closing import close_within
from ray_pipeline.connectors.kafka.columns import by_partition, record_batch
from ray_pipeline.connectors.kafka.options import Options, brokers, consumer_settings
from ray_pipeline.connectors.kafka.trouble import Trouble, build, denial, error_of, explain
from ray_pipeline.errors import (
    PartitionStoppedError,
    SourceDeniedError,
    SourceError,
    SourceUnavailableError,
)
from ray_pipeline.types import Offset, Position, RecordBatch, StopReason, TopicPartition

logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 10.0
_QUESTION_SECONDS = 5.0
_PROBE_SECONDS = 1.0
_SILENCE_SECONDS = 20.0  # without a message, after which the brokers are asked whether they are there
_TRIES_IN_RANGE = 5  # a reset without cause, in a row, before it counts as a broken log
_OFFSET_GONE = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION, KafkaError.OFFSET_OUT_OF_RANGE})
_TRUNCATED = KafkaError(KafkaError._LOG_TRUNCATION).str()  # comes inside the text of an offset reset


@dataclass(slots=True)
class _Reading:
    """Where the consumer is in one partition."""

    next: Offset
    epoch: int | None
    unchecked: bool = False
    """Whether the brokers have yet to compare the position's leader epoch with theirs."""
    resets: int = 0
    """How often the position was refused without a cause that the brokers confirm, in a row."""


class KafkaSource:
    """Implements :class:`ray_pipeline.stream.ports.RecordSource`.

    Positions of a partition are contiguous: each batch starts where the one before it ended, and offsets without a
    record (transaction markers, aborted and compacted records) lie inside a batch. At the end of a partition the
    position is the read-committed end, even where only markers were left.

    What is wrong with one partition is raised by the poll *after* the one that found it, so that what the others
    delivered is never lost. A stopped partition is unassigned, and the others go on; it is read again once it is
    assigned again. While no broker answers, ``poll`` raises ``SourceUnavailableError`` each time, after ``patience``
    seconds of silence; the first poll that returns says that they are back, and nothing else is to be done.
    """

    def __init__(self, options: Options, group: str, *, patience: float = 5.0, clock: Clock | None = None) -> None:
        self._brokers = brokers(options)
        self._patience = patience
        self._clock = clock or WallClock()
        self._trouble = Trouble()
        self._down_since: float | None = None
        self._silent_since = self._clock.monotonic()
        self._reading: dict[TopicPartition, _Reading] = {}
        self._raise_next: list[tuple[TopicPartition, SourceError]] = []
        self._consumer: Any = build(Consumer, consumer_settings(options, group), self._trouble)

    def assign(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Read exactly these partitions. One that is read already goes on undisturbed, whatever its position says.

        To move a partition, assign without it first. The leader epoch lets the broker say that its log was cut
        behind the position and grew again, which the offset alone cannot show.
        """
        gone = [at for at in self._reading if at not in positions]
        fresh = [at for at in positions if at not in self._reading]
        for at in gone:
            del self._reading[at]
        self._raise_next = [(at, error) for at, error in self._raise_next if at in positions]
        if gone:
            self._consumer.incremental_unassign([KafkaPartition(at.topic, at.partition) for at in gone])
        for at in fresh:
            self._reading[at] = _Reading(positions[at].offset, positions[at].leader_epoch)
        if fresh:
            self._start(fresh)

    def poll(self, max_records: int, timeout: float) -> list[RecordBatch]:
        """Return what came within ``timeout`` seconds, one batch per partition; see the class for what it raises."""
        if self._raise_next:
            raise self._raise_next.pop(0)[1]
        self._check_epochs()
        messages = self._consumer.consume(max_records, timeout)
        if not messages:
            self._check_brokers()
            return []
        self._answered()
        runs = by_partition(messages).items()
        batches = (self._take(at, run) for at, run in runs if at in self._reading and not self._reading[at].unchecked)
        return [batch for batch in batches if batch is not None]

    def hint(self, topic_partition: TopicPartition, position: Position) -> None:
        """Store a position as the group's offset, for lag tools. Never waits, never raises."""
        with contextlib.suppress(KafkaException, RuntimeError):
            self._consumer.commit(
                offsets=[_kafka_partition(topic_partition, position.offset, position.leader_epoch)], asynchronous=True
            )

    def close(self) -> None:
        """Leave, within 10 seconds. ``Consumer.close`` may block for ever, so it is not waited for longer."""
        consumer, self._consumer = self._consumer, None
        self._reading.clear()
        if consumer is not None and not close_within(_CLOSE_SECONDS, consumer.close):
            logger.warning("a Kafka consumer did not close in %d seconds; it is left behind", _CLOSE_SECONDS)

    def _take(self, at: TopicPartition, run: list[Any]) -> RecordBatch | None:
        """Turn one partition's messages into a batch, up to the first event that is not the end of the partition."""
        reading = self._reading[at]
        records, eof, failure = _split(run)
        start = reading.next
        if records and records[0].offset() < start:
            records = [record for record in records if record.offset() >= start]
        end = max(start, eof, records[-1].offset() + 1 if records else 0)
        if records:
            reading.epoch = records[-1].leader_epoch()
        if end > start:
            reading.next, reading.resets = end, 0
        if failure is not None:
            self._fail(at, failure)
        return record_batch(at, start, end, reading.epoch, records) if end > start else None

    def _fail(self, at: TopicPartition, error: KafkaError) -> None:
        refused = denial(error)
        if error.code() in _OFFSET_GONE:
            self._offset_gone(at, error)
        elif refused is not None:
            self._raise_next.append((at, SourceDeniedError(str(at), refused)))
        else:
            # broken bytes among them: librdkafka would step over what it cannot read
            self._rewind(at)
            self._raise_next.append((at, SourceUnavailableError(self._brokers, f"{at}: {explain(error)}")))

    def _offset_gone(self, at: TopicPartition, error: KafkaError) -> None:
        """Stop the partition if the brokers confirm that its next offset is not there."""
        reading = self._reading[at]
        try:
            low, high = self._consumer.get_watermark_offsets(
                KafkaPartition(at.topic, at.partition), timeout=_QUESTION_SECONDS
            )
        except KafkaException as raised:
            self._rewind(at)
            self._raise_next.append((at, SourceUnavailableError(self._brokers, f"{at}: {explain(error_of(raised))}")))
            return
        reading.resets += 1
        stop = _stop(at, reading, low, high, error)
        if stop is None:
            self._rewind(at)
        else:
            del self._reading[at]
            self._consumer.incremental_unassign([KafkaPartition(at.topic, at.partition)])
            self._raise_next.append((at, stop))

    def _rewind(self, at: TopicPartition) -> None:
        self._consumer.incremental_unassign([KafkaPartition(at.topic, at.partition)])
        self._start([at])

    def _start(self, fresh: Sequence[TopicPartition]) -> None:
        self._consumer.incremental_assign([self._kafka_position(at) for at in fresh])
        for at in fresh:
            self._reading[at].unchecked = self._reading[at].epoch is not None
        self._check_epochs()

    def _check_epochs(self) -> None:
        """Have the brokers compare the leader epochs of new positions with theirs; until then nothing is delivered.

        librdkafka does so for an assigned position only when it hears of the topic for the first time; for a position
        that is sought, always. It refuses to seek while it is still busy with the assignment: then the next poll asks.
        """
        for at, reading in self._reading.items():
            if reading.unchecked:
                try:
                    self._consumer.seek(self._kafka_position(at))
                except KafkaException as raised:
                    if error_of(raised).code() != KafkaError._STATE:
                        raise SourceUnavailableError(self._brokers, f"{at}: {explain(error_of(raised))}") from None
                else:
                    reading.unchecked = False

    def _kafka_position(self, at: TopicPartition) -> KafkaPartition:
        reading = self._reading[at]
        return _kafka_partition(at, reading.next, reading.epoch)

    def _check_brokers(self) -> None:
        """Raise when all brokers have been away for longer than our patience; ask them, before we say so.

        librdkafka tells once that all are down, and perhaps before the last records that it had fetched: they would
        hide it. So a long silence is a question too.
        """
        now = self._clock.monotonic()
        if self._trouble.all_down:
            if self._down_since is None:
                self._down_since = now
            if now - self._down_since < self._patience and not self._trouble.hopeless:
                return
        elif not self._reading or now - self._silent_since < _SILENCE_SECONDS:
            return
        try:
            self._consumer.list_topics(topic=next(iter(self._reading)).topic, timeout=_PROBE_SECONDS)
        except (KafkaException, StopIteration) as raised:
            reason = explain(error_of(raised)) if isinstance(raised, KafkaException) else "no broker answers"
            raise SourceUnavailableError(self._brokers, self._trouble.reason(reason)) from None
        self._answered()

    def _answered(self) -> None:
        self._down_since, self._silent_since = None, self._clock.monotonic()
        self._trouble.clear()


def _split(run: list[Any]) -> tuple[list[Any], Offset, KafkaError | None]:
    """Return the records, the offset of the end where it was reached (else 0), and what went wrong after them."""
    records = [message for message in run if message.error() is None]
    if len(records) == len(run):
        return records, 0, None
    records, eof = [], 0
    for message in run:
        error = message.error()
        if error is None:
            records.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            eof = message.offset()
        else:
            return records, eof, error
    return records, eof, None


def _stop(
    at: TopicPartition, reading: _Reading, low: Offset, high: Offset, error: KafkaError
) -> PartitionStoppedError | None:
    """Return why the partition must stop; None where the broker's answer may have been a passing fault."""
    if reading.next < low:
        detail = f"the next offset to read is {reading.next}, and the brokers' first is {low}: the rest has expired"
        return PartitionStoppedError(at.topic, at.partition, StopReason.OFFSETS_EXPIRED, detail)
    if reading.next > high:
        detail = f"the next offset to read is {reading.next}, and the brokers' log ends at {high}"
    elif error.code() == KafkaError._LOG_TRUNCATION or _TRUNCATED in error.str():
        detail = f"the brokers' log was cut before offset {reading.next} and written anew"
    elif reading.resets >= _TRIES_IN_RANGE:
        detail = (
            f"the brokers refuse offset {reading.next}, which lies in their log ({low} to {high}): {explain(error)}"
        )
    else:
        return None
    return PartitionStoppedError(at.topic, at.partition, StopReason.LOG_TRUNCATED, detail)


def _kafka_partition(at: TopicPartition, offset: Offset, epoch: int | None) -> KafkaPartition:
    return KafkaPartition(at.topic, at.partition, offset, leader_epoch=-1 if epoch is None else epoch)
