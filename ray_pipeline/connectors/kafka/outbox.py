"""Handing dead letters to a producer: bounded chunks, the source's partition, and what could not be delivered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka import KafkaError

from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.dead_letters import Envelope, envelope, stub
from ray_pipeline.connectors.kafka.options import Options
from ray_pipeline.connectors.kafka.trouble import Trouble, denial, explain
from ray_pipeline.errors import SinkUnavailableError, SourceDeniedError, SourceError
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import TopicPartition

DEFAULT_LIMIT = 1_000_000
_SMALLEST_LIMIT = 4_096
_CONSEQUENCES = frozenset({KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT})
CHUNK_RECORDS = 10_000
CHUNK_BYTES = 16 * 1024 * 1024


class Outbox:
    """Where one partition's dead letters go: which partition of which topic, and how large a record may be there."""

    def __init__(self, options: Options, topic: str, source: TopicPartition) -> None:
        self._options = options
        self.topic = topic
        self._source = source
        self._partition = 0
        self._limit: int | None = None
        self._reports = _Reports()

    def look_up(self, admin: KafkaAdmin) -> None:
        """Learn the topic's shape; raise ``SinkUnavailableError`` where there is no such topic, or nobody answers."""
        try:
            partitions = admin.describe(self.topic).partitions
            known = admin.largest_record(self.topic) if admin.supports_transactions() else None
        except SourceDeniedError as refused:
            raise SinkUnavailableError(
                self.topic, f"{refused.reason}, or create it with as many partitions as {self._source.topic}"
            ) from None
        except SourceError as unavailable:
            raise SinkUnavailableError(self.topic, str(unavailable)) from None
        self._partition = self._source.partition % partitions
        if self._limit is None or known is not None:
            self._limit = min(known or DEFAULT_LIMIT, self._limit or DEFAULT_LIMIT * 100)
        self._reports = _Reports()  # an earlier producer may still report

    @property
    def limits(self) -> dict[str, str]:
        """The producer's settings that keep records and batches below the topic's limit."""
        limit = self._limit or DEFAULT_LIMIT
        return {"message.max.bytes": str(max(limit, 1000)), "batch.size": str(min(limit, DEFAULT_LIMIT))}

    def put(self, producer: Any, letters: Sequence[DeadLetter], deadline: float) -> None:
        """Queue the letters; what fails later shows in :meth:`check`."""
        for letter in letters:
            record = self._fitting(letter)
            while True:
                try:
                    producer.produce(
                        self.topic,
                        value=record.value,
                        key=record.key,
                        partition=self._partition,
                        headers=list(record.headers),
                        on_delivery=self._reports.heard,
                        **({"timestamp": record.timestamp} if record.timestamp > 0 else {}),
                    )
                    break
                except BufferError:
                    if time.monotonic() > deadline:
                        raise SinkUnavailableError(self.topic, "no broker took the records in time") from None
                    producer.poll(0.1)
            producer.poll(0)

    def check(self) -> None:
        """Raise what a delivery report said, if one said no."""
        if self._reports.failed is not None:
            raise self.unavailable(self._reports.failed)

    def cause(self, error: KafkaError) -> KafkaError:
        """Return why a transaction failed: a delivery report knows more than the call that ended it."""
        failed = self._reports.failed
        return failed if failed is not None and _weight(failed) else error

    def late(self, trouble: Trouble) -> SinkUnavailableError:
        """Return what to say where delivery reports did not come in time."""
        return SinkUnavailableError(self.topic, trouble.reason("no broker took the records in time"))

    def unavailable(self, error: KafkaError) -> SinkUnavailableError:
        """Return the error in words. After "too large", the next attempt reckons with half the size."""
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            limit = self._limit or DEFAULT_LIMIT
            self._limit = max(_SMALLEST_LIMIT, limit // 2)
            return SinkUnavailableError(self.topic, f"a record of up to {limit} bytes is too large for it")
        return SinkUnavailableError(self.topic, denial(error) or explain(error))

    def _fitting(self, letter: DeadLetter) -> Envelope:
        limit = self._limit or DEFAULT_LIMIT
        whole = envelope(letter)
        return whole if whole.size() <= limit else stub(letter, limit)


class _Reports:
    """The delivery reports of one producer: the failure that says most, which one that came of another does not."""

    def __init__(self) -> None:
        self.failed: KafkaError | None = None

    # a Python function on purpose: a C callable as on_delivery would hide a fenced producer's error
    def heard(self, error: KafkaError | None, _message: Any) -> None:
        if error is not None and (self.failed is None or _weight(error) > _weight(self.failed)):
            self.failed = error


def _weight(error: KafkaError) -> int:
    if error.code() in _CONSEQUENCES:
        return 0
    return 2 if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else 1


def chunks(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    """Cut letters into pieces that a transaction carries well within its time-out; one empty piece for none."""
    start, size = 0, 0
    for i, letter in enumerate(letters):
        record = letter.record
        size += len(record.value or b"") + len(record.key or b"")
        if i - start >= CHUNK_RECORDS or (size > CHUNK_BYTES and i > start):
            yield letters[start:i]
            start, size = i, len(record.value or b"")
    yield letters[start:]
