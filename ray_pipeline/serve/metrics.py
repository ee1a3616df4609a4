"""What a replica counts: the names of all its metrics, and the text that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from ray_pipeline.runtime.predictions.prediction import Prediction
    from ray_pipeline.serve.handoff import EventCounts

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STEPS: Final = ("body", "parse", "turn", "answer", "hand_off", "all")
"""What a request's time goes to: its body, its fields, waiting for its turn, features and model, the event; all."""
BUCKETS: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class ServeMetrics:
    """The metrics of one replica, in a registry of their own."""

    def __init__(self, model: str) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("serve_requests", "Answers to POST /predict", ["status", "code"], registry=registry)
        seconds = Histogram("serve_seconds", "Seconds by step", ["step"], buckets=BUCKETS, registry=registry)
        self.seconds: Mapping[str, Callable[[float], None]] = {step: seconds.labels(step).observe for step in STEPS}
        self._statuses = Counter(
            "serve_features", "Values that answers rest on, by view and status", ["view", "status"], registry=registry
        )
        self._status_counters: dict[tuple[str, str], Counter] = {}
        self._incomplete = Counter("serve_incomplete_answers", "Answers that lacked a feature", registry=registry)
        self._version = Gauge("serve_model_version", "The version that answers; 0: none", ["model"], registry=registry)
        self._version.labels(model).set(0)
        self._swaps = Counter("serve_model_swaps", "Versions that began to answer", registry=registry)
        self._load_failures = Counter(
            "serve_model_load_failures", "Champions that could not be loaded; the one before goes on", registry=registry
        )
        self._ready = Gauge("serve_ready", "1 where requests can be answered", registry=registry)
        self._ready.set(0)
        self._model = model

    def watch_events(self, counts: Callable[[], EventCounts]) -> None:
        """Show what became of events, as ``counts`` says when it is asked."""
        self._registry.register(_Events(counts))

    def watch_turns(self, ongoing: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Show how many requests are worked on, and how many wait."""
        Gauge("serve_ongoing", "Requests that are worked on", registry=self._registry).set_function(ongoing)
        Gauge("serve_waiting", "Requests that wait for their turn", registry=self._registry).set_function(waiting)

    def answered(self, prediction: Prediction) -> None:
        """Count the statuses of an answer's features."""
        found: dict[tuple[str, str], int] = {}
        complete = True
        for name, value in prediction.features.items():
            status = value.status.value
            complete = complete and status == "PRESENT"
            key = (name.partition("__")[0], status)
            found[key] = found.get(key, 0) + 1
        for key, number in found.items():
            counter = self._status_counters.get(key)
            if counter is None:
                counter = self._status_counters[key] = self._statuses.labels(*key)
            counter.inc(number)
        if not complete:
            self._incomplete.inc()

    def swapped(self, version: int) -> None:
        """Note that another version answers."""
        self._version.labels(self._model).set(version)
        self._swaps.inc()

    def load_failed(self) -> None:
        """Note that a champion could not be loaded."""
        self._load_failures.inc()

    def ready(self, is_ready: bool) -> None:
        """Note whether requests can be answered."""
        self._ready.set(int(is_ready))

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)


class _Events:
    """The events of answers, counted by their producer."""

    def __init__(self, counts: Callable[[], EventCounts]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        counts = self._counts()
        yield GaugeMetricFamily("serve_events_queued", "Events on their way to the topic", counts.queued)
        yield CounterMetricFamily("serve_events_delivered", "Events that the brokers have", counts.delivered)
        yield CounterMetricFamily("serve_events_failed", "Events that were lost", counts.failed)
