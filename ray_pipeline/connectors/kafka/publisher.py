"""A plain producer: what the demo and the notebooks fill topics with."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, Producer

from ray_pipeline.connectors.kafka.options import Options, brokers, producer_settings
from ray_pipeline.connectors.kafka.trouble import Trouble, build
from ray_pipeline.errors import SourceUnavailableError

FLUSH_SECONDS = 30.0


class Publisher:
    """Publishes records; every record that was published when the block ends has been acknowledged."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._trouble = Trouble()
        # Keys decide partitions as they do for Java producers.
        settings = {**producer_settings(options, None), "partitioner": "murmur2_random"}
        self._producer: Any = build(Producer, settings, self._trouble)
        self._refused: KafkaError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()

    def publish(self, topic: str, key: bytes | None, value: bytes | None, timestamp_ms: int) -> None:
        """Hand over one record; waits while too many are on their way."""
        while True:
            try:
                self._producer.produce(topic, value, key, timestamp=timestamp_ms, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(0.1)
                continue
            self._producer.poll(0)
            return

    def flush(self) -> None:
        """Wait until everything is acknowledged; raise ``SourceUnavailableError`` where it is not within 30 s."""
        waiting = self._producer.flush(FLUSH_SECONDS)
        if waiting or self._refused is not None:
            reason = self._refused.str() if self._refused is not None else f"{waiting} records not acknowledged"
            raise SourceUnavailableError(brokers(self._options), self._trouble.reason(reason))

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        self._refused = self._refused or error
