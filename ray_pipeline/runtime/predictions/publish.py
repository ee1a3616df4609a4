"""The answers of a batch as events of the predictions topic, acknowledged when this returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.errors import PredictionLogError, SourceError
from ray_pipeline.runtime.predictions.event import event_bytes
from ray_pipeline.runtime.predictions.prediction import Prediction

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PublishedPredictions:
    """What went to the topic."""

    topic: str
    events: int
    bytes: int
    """Of their values."""

    def to_json(self) -> dict[str, Any]:
        """Return what the command prints."""
        return asdict(self)


def publish_predictions(
    config: PipelineConfig, predictions: Iterable[Prediction], *, replay: bool = False, clock: Clock | None = None
) -> PublishedPredictions:
    """Publish one event for each answer, keyed by its request id, as published now, or in a replay when it was asked.

    Publishing the same answers again is safe: the first event of a request id counts. Raises ``PredictionLogError``
    where the brokers do not acknowledge all of them.
    """
    from ray_pipeline.connectors.kafka.publisher import Publisher

    topic = config.dataset(config.serve.predictions).topic
    machine = clock or WallClock()
    events = size = 0
    try:
        with Publisher(config.kafka) as publisher:
            for prediction in sorted(predictions, key=lambda one: one.as_of) if replay else predictions:
                value = event_bytes(prediction)
                at = prediction.as_of if replay else machine.now()
                publisher.publish(topic, prediction.request.request_id.encode(), value, timestamp_ms(at))
                events, size = events + 1, size + len(value)
    except SourceError as error:
        raise PredictionLogError(topic, str(error)) from error
    return PublishedPredictions(topic, events, size)


def timestamp_ms(moment: datetime) -> int:
    """Return a moment as Kafka has it, in whole milliseconds; it has none before 1970.

    >>> timestamp_ms(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)), timestamp_ms(datetime(1969, 1, 1, tzinfo=UTC))
    (1000, 0)
    """
    since = moment - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000)
