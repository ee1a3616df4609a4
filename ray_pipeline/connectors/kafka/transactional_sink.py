"""Dead letters of one partition in transactions: records and progress, both or neither."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.closing import close_producer
from ray_pipeline.connectors.kafka.options import Options, producer_settings
from ray_pipeline.connectors.kafka.outbox import Outbox, chunks
from ray_pipeline.connectors.kafka.trouble import Trouble, build, error_of
from ray_pipeline.errors import SinkError, SinkFencedError, SinkUnavailableError, SourceError
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import Offset, TopicPartition

_CLOSE_SECONDS = 10.0
_DROP_SECONDS = 0.5  # after an error; the next open() fences what is left of it
_SLICE = 1.0
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})


class TransactionalDeadLetterSink:
    """Implements :class:`ray_pipeline.stream.ports.DeadLetterSink` on a real Kafka.

    Progress is the offset of the source partition in ``group``, stored inside the transaction that writes the
    records. The order of :meth:`open` is the design: ``init_transactions`` fences every twin and ends what it left
    open; only then is the stored offset the truth, so whoever opens last reads it and writes what is missing.

    A record that is too large for the topic is written without its value and points to the bad file.
    """

    def __init__(
        self,
        options: Options,
        transactional_id: str,
        topic: str,
        source: TopicPartition,
        group: str,
        timeout: float = 30.0,
        admin: KafkaAdmin | None = None,
    ) -> None:
        """``admin`` answers questions about topic and group for many sinks; without it each sink asks for itself."""
        self._admin = admin
        self._options = options
        self._transactional_id = transactional_id
        self._source = source
        self._group = group
        self._timeout = timeout
        self._outbox = Outbox(options, topic, source)
        self._producer: Any = None
        self._group_metadata: Any = None
        self._trouble = Trouble()

    def open(self) -> Offset | None:
        """Fence every earlier producer of this partition, then return up to where dead letters are written."""
        self._leave()
        admin = self._admin or KafkaAdmin(self._options, timeout=self._timeout / 2)
        try:
            self._outbox.look_up(admin)
            self._trouble.clear()
            settings = {**producer_settings(self._options, self._transactional_id), **self._outbox.limits}
            self._producer = build(Producer, settings, self._trouble)
            self._guarded(self._init_transactions)
            return self._progress(admin)
        except BaseException:
            self._leave()
            raise
        finally:
            if admin is not self._admin:
                admin.close()

    def send(self, letters: Sequence[DeadLetter], through: Offset) -> None:
        """Write the letters in one or more transactions; each stores how far it came, the last one ``through``."""
        if self._producer is None:
            raise SinkUnavailableError(self._outbox.topic, "it must be opened again after an error")
        pieces = list(chunks(letters))
        for i, piece in enumerate(pieces):
            reached = pieces[i + 1][0].record.offset if i + 1 < len(pieces) else through
            try:
                self._guarded(lambda piece=piece, reached=reached: self._transaction(piece, reached))  # type: ignore[misc]
            except BaseException:
                self._leave()
                raise

    def close(self) -> None:
        """Leave, within 10 seconds; an open transaction is aborted."""
        self._leave(_CLOSE_SECONDS)

    def _init_transactions(self) -> None:
        """Wait in slices, because a wrong password shows only in ``error_cb``, which ``poll`` serves."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._producer.init_transactions(_SLICE)
            except KafkaException as raised:
                self._producer.poll(0)
                if not error_of(raised).retriable() or self._trouble.hopeless or time.monotonic() > deadline:
                    raise
            else:
                return

    def _progress(self, admin: KafkaAdmin) -> Offset | None:
        try:
            return admin.group_offset(self._group, self._source)
        except SourceError as error:
            raise SinkUnavailableError(self._outbox.topic, str(error)) from None

    def _transaction(self, letters: Sequence[DeadLetter], reached: Offset) -> None:
        deadline = time.monotonic() + self._timeout
        producer = self._producer
        progress = [KafkaPartition(self._source.topic, self._source.partition, reached)]
        producer.begin_transaction()
        self._outbox.put(producer, letters, deadline)
        waiting = producer.flush(max(_SLICE, deadline - time.monotonic()))
        if waiting:
            raise self._outbox.late(self._trouble)
        producer.send_offsets_to_transaction(progress, self._metadata(), self._timeout)
        producer.commit_transaction(self._timeout)

    def _metadata(self) -> Any:
        """The group as a transaction names it, from a consumer without brokers that never joins it."""
        if self._group_metadata is None:
            consumer = Consumer({"group.id": self._group, "log_level": "0"})
            self._group_metadata = consumer.consumer_group_metadata()
            consumer.close()
        return self._group_metadata

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except KafkaException as raised:
            raise self._translated(error_of(raised)) from None
        except SystemError as raised:
            raise self._translated(self._fatal_error() or error_of(raised)) from None

    def _fatal_error(self) -> KafkaError | None:
        """Return what ended the producer: raised while delivery reports are served, it comes out garbled at first."""
        try:
            self._producer.begin_transaction()
        except KafkaException as raised:
            error = error_of(raised)
            return error if error.fatal() else None
        return None

    def _translated(self, error: KafkaError) -> SinkError:
        if error.code() in _FENCED:
            return SinkFencedError(self._transactional_id)
        error = self._outbox.cause(error)
        if error.retriable() or error.code() == KafkaError._TIMED_OUT:
            return SinkUnavailableError(
                self._outbox.topic, self._trouble.reason(self._outbox.unavailable(error).reason)
            )
        return self._outbox.unavailable(error)

    def _leave(self, seconds: float = _DROP_SECONDS) -> None:
        """End the producer for good: after an error only a new one may go on."""
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, self._transactional_id, seconds)
