"""The producer of prediction events: a bounded queue, and a word about each event, delivered or not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaError, Producer

from ray_pipeline.connectors.kafka.closing import close_producer, close_within
from ray_pipeline.connectors.kafka.options import Options, producer_settings
from ray_pipeline.connectors.kafka.trouble import CLIENT_ERRORS, Trouble, build, denial, error_of, explain
from ray_pipeline.errors import PredictionLogError

logger = logging.getLogger(__name__)

MAX_EVENTS: Final = 5_000
"""What may lie in the queue, some ten megabytes: half a minute of an outage at 160 answers a second."""
_POLL_SECONDS: Final = 0.1
_CLOSE_SECONDS: Final = 5.0
_NEVER: Final = "0"
"""librdkafka's word for a delivery that is tried for as long as the process lives."""
_PATIENCE: Final = ("delivery.timeout.ms", "message.timeout.ms")

Report = Callable[[str | None], None]
"""Told once of each event, in a thread of this module: None where the brokers have it, else why they do not."""


@dataclass(frozen=True, slots=True)
class LogCounts:
    """What became of the events since the process began."""

    queued: int = 0
    """On their way now."""
    delivered: int = 0
    failed: int = 0
    """Lost: the brokers refused them, or the producer gave them up."""


class PredictionLog:
    """Hands events to a topic, in the order in which they come.

    Delivery of an event is tried for ``give_up_after`` seconds (None: for as long as the process lives), unless the
    person's options set another limit. Once one was lost, :attr:`trouble` says so until another one is delivered.
    """

    def __init__(
        self,
        options: Options,
        topic: str,
        *,
        max_events: int = MAX_EVENTS,
        linger_ms: int = 5,
        give_up_after: float | None = None,
    ) -> None:
        self._topic = topic
        self._trouble = Trouble()
        settings = producer_settings(options, None)
        if not any(name in options for name in _PATIENCE):
            settings["delivery.timeout.ms"] = _NEVER if give_up_after is None else str(int(give_up_after * 1000))
        if "linger.ms" not in options:
            settings["linger.ms"] = str(linger_ms)
        settings["queue.buffering.max.messages"] = str(max_events)
        # Keys decide partitions as they do for Java producers.
        self._settings = {**settings, "partitioner": "murmur2_random"}
        self._lock = threading.Lock()
        self._delivered = self._failed = 0
        self._lost: str | None = None
        self._silent: str | None = None
        self._fatal = False
        self._closing = threading.Event()
        self._producer: Any = build(Producer, self._settings, self._trouble)
        self._thread = threading.Thread(target=self._serve, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> LogCounts:
        """What became of the events so far."""
        return LogCounts(len(self._producer), self._delivered, self._failed)

    @property
    def trouble(self) -> str | None:
        """Why the topic does not take events now; None where nothing is known to be in the way."""
        if self._lost is not None:
            return self._lost
        if self._silent is not None:
            return self._silent
        return self._trouble.reason("no broker answers") if self._trouble.all_down else None

    @property
    def lossy(self) -> bool:
        """Whether the newest event that was decided about was lost: then no answer should leave unacknowledged."""
        return self._lost is not None

    def put(self, key: bytes, value: bytes, timestamp_ms: int, report: Report | None = None) -> None:
        """Queue one event; raise ``PredictionLogError`` at once where the queue is full or the producer is done."""
        if self._closing.is_set():
            raise PredictionLogError(self._topic, "this process ends")

        def delivered(error: KafkaError | None, _message: object) -> None:
            self._decided(error, report)

        try:
            self._producer.produce(self._topic, value, key, timestamp=timestamp_ms, on_delivery=delivered)
        except BufferError:
            waiting = "its queue is full; the brokers do not take events as fast as answers are asked for"
            raise PredictionLogError(self._topic, self._trouble.reason(waiting)) from None
        except CLIENT_ERRORS as raised:
            error = error_of(raised)
            self._fatal = self._fatal or error.fatal()
            raise PredictionLogError(self._topic, denial(error) or explain(error)) from None

    def probe(self, seconds: float = 1.0) -> str | None:
        """Ask the brokers about the topic, and return why it does not take events; None where it does."""
        try:
            found = self._producer.list_topics(self._topic, timeout=seconds).topics.get(self._topic)
        except CLIENT_ERRORS as raised:
            self._silent = self._trouble.reason(explain(error_of(raised)))
            return self.trouble
        if found is not None and found.error is not None:
            self._silent = denial(found.error) or explain(found.error)
        else:
            self._silent = None
            self._trouble.clear()
        return self.trouble

    def close(self, seconds: float = _CLOSE_SECONDS) -> int:
        """Deliver what is queued, leave, and return how many events were not delivered in time."""
        self._closing.set()
        self._thread.join(_POLL_SECONDS * 20)
        deadline = time.monotonic() + seconds
        left = 1
        while left and time.monotonic() < deadline:
            left = self._producer.flush(min(0.5, max(0.0, deadline - time.monotonic())))
        left = len(self._producer)
        if left:
            logger.error("%d prediction events were not delivered to %s before the end", left, self._topic)
        close_producer(self._producer, f"the producer of {self._topic}", _CLOSE_SECONDS)
        return int(left)

    def _decided(self, error: KafkaError | None, report: Report | None) -> None:
        reason = None if error is None else denial(error) or explain(error)
        with self._lock:
            if error is None:
                self._delivered += 1
                self._lost = self._silent = None
                self._trouble.clear()
            else:
                self._failed += 1
                if self._lost is None:
                    logger.error("a prediction event was not delivered to %s: %s", self._topic, reason)
                self._lost = reason
                self._fatal = self._fatal or error.fatal()
        if report is not None:
            report(reason)

    def _serve(self) -> None:
        """Hear what became of events, and replace a producer that librdkafka has given up."""
        while not self._closing.is_set():
            try:
                self._producer.poll(_POLL_SECONDS)
            except CLIENT_ERRORS as raised:
                self._fatal = self._fatal or error_of(raised).fatal()
            if self._fatal:
                self._renew()

    def _renew(self) -> None:
        old, self._producer = self._producer, build(Producer, self._settings, self._trouble)
        self._fatal = False

        def leave() -> None:
            old.purge()  # each event that is still in it is reported as lost
            old.flush(_CLOSE_SECONDS)

        close_within(_CLOSE_SECONDS, leave)
