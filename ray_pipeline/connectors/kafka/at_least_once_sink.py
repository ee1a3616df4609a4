"""Dead letters to a broker without transactions: each at least once, and with an id by which readers drop doubles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.closing import close_producer
from ray_pipeline.connectors.kafka.options import Options, producer_settings
from ray_pipeline.connectors.kafka.outbox import Outbox, chunks
from ray_pipeline.connectors.kafka.trouble import CLIENT_ERRORS, Trouble, build, error_of
from ray_pipeline.errors import SinkUnavailableError
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import Offset, TopicPartition

_CLOSE_SECONDS = 10.0
_DROP_SECONDS = 0.5  # after an error; the next open() fences what is left of it


class AtLeastOnceDeadLetterSink:
    """Implements :class:`ray_pipeline.stream.ports.DeadLetterSink` on the embedded broker.

    No progress is stored there (the commit log's ``dlq_through`` says where to go on), nobody is fenced, and a send
    that fails half-way is sent again as a whole: readers drop doubles by the header ``__contract.event_id``.
    """

    def __init__(
        self,
        options: Options,
        topic: str,
        source: TopicPartition,
        timeout: float = 30.0,
        admin: KafkaAdmin | None = None,
    ) -> None:
        """``admin`` answers questions about the topic for many sinks; without it each sink asks for itself."""
        self._admin = admin
        self._options = options
        self._timeout = timeout
        self._outbox = Outbox(options, topic, source)
        self._trouble = Trouble()
        self._producer: Any = None

    def open(self) -> Offset | None:
        """Connect; there is never any stored progress."""
        self._leave()
        admin = self._admin or KafkaAdmin(self._options, timeout=self._timeout / 2)
        try:
            self._outbox.look_up(admin)
        finally:
            if admin is not self._admin:
                admin.close()
        self._trouble.clear()
        self._producer = build(
            Producer, {**producer_settings(self._options, None), **self._outbox.limits}, self._trouble
        )
        return None

    def send(self, letters: Sequence[DeadLetter], through: Offset) -> None:  # noqa: ARG002
        """Write the letters and return when the broker has all of them; ``through`` is stored nowhere."""
        if self._producer is None:
            raise SinkUnavailableError(self._outbox.topic, "it must be opened again after an error")
        try:
            for piece in chunks(letters):
                self._write(piece)
        except CLIENT_ERRORS as raised:
            self._leave()
            raise self._outbox.unavailable(error_of(raised)) from None
        except BaseException:
            self._leave()
            raise

    def close(self) -> None:
        """Leave, within 10 seconds."""
        self._leave(_CLOSE_SECONDS)

    def _write(self, letters: Sequence[DeadLetter]) -> None:
        deadline = time.monotonic() + self._timeout
        self._outbox.put(self._producer, letters, deadline)
        waiting = self._producer.flush(max(0.0, deadline - time.monotonic()))
        self._outbox.check()
        if waiting:
            raise self._outbox.late(self._trouble)

    def _leave(self, seconds: float = _DROP_SECONDS) -> None:
        """End the producer for good: after an error only a new one may go on."""
        producer, self._producer = self._producer, None
        if producer is not None:
            close_producer(producer, f"a producer of {self._outbox.topic}", seconds)
