"""What a replica counts: the names of all its metrics, and the text that Prometheus reads.

The numbers are kept here, and the client library only writes them: it would keep its own in files that all metrics of
a name in a process share, where Feast was imported before it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ray_pipeline.runtime.predictions.prediction import Prediction
    from ray_pipeline.serve.handoff import EventCounts

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STEPS: Final = ("body", "parse", "turn", "answer", "hand_off", "all")
"""What a request's time goes to: its body, its fields, waiting for its turn, features and model, the event; all."""
BUCKETS: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 60.0)


class Seconds:
    """A histogram, written by one thread."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def __call__(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many took at most so long, for each bound."""
        found, total = [], 0
        for bound, number in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            total += number
            found.append((bound, float(total)))
        return found


class ServeMetrics:
    """The metrics of one replica. Requests are counted on its event loop, versions in the thread that swaps them."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._features: Counter[tuple[str, str]] = Counter()
        self._histograms = {step: Seconds() for step in STEPS}
        self.seconds: Mapping[str, Callable[[float], None]] = dict(self._histograms)
        self._incomplete = self._swaps = self._load_failures = self._version = 0
        self._ready = False
        self._events: Callable[[], EventCounts] | None = None
        self._turns: tuple[Callable[[], int], Callable[[], int]] = (lambda: 0, lambda: 0)
        self._registry = CollectorRegistry()
        self._registry.register(_Writer(self))

    def watch_events(self, counts: Callable[[], EventCounts]) -> None:
        """Show what became of events, as ``counts`` says when it is asked."""
        self._events = counts

    def watch_turns(self, ongoing: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Show how many requests are worked on, and how many wait."""
        self._turns = (ongoing, waiting)

    def requested(self, status: str, code: str) -> None:
        """Count an answer to ``POST /predict``."""
        with self._lock:
            self._requests[status, code] += 1

    def answered(self, prediction: Prediction) -> None:
        """Count the statuses of an answer's features."""
        found = Counter((name.partition("__")[0], one.status.value) for name, one in prediction.features.items())
        with self._lock:
            self._features.update(found)
            self._incomplete += any(status != "PRESENT" for _, status in found)

    def swapped(self, version: int) -> None:
        """Note that another version answers."""
        self._version, self._swaps = version, self._swaps + 1

    def load_failed(self) -> None:
        """Note that a champion could not be loaded."""
        self._load_failures += 1

    def ready(self, is_ready: bool) -> None:
        """Note whether requests can be answered."""
        self._ready = is_ready

    def text(self) -> bytes:
        """Return everything as Prometheus reads it."""
        return generate_latest(self._registry)

    def families(self) -> Iterator[Metric]:
        """Return everything by its name."""
        with self._lock:
            requests, features = dict(self._requests), dict(self._features)
        yield _by_labels("serve_requests", "Answers to POST /predict", ("status", "code"), requests)
        said = "Values that answers rest on, by view and status"
        yield _by_labels("serve_features", said, ("view", "status"), features)
        seconds = HistogramMetricFamily("serve_seconds", "Seconds by step", labels=["step"])
        for step, histogram in self._histograms.items():
            seconds.add_metric([step], histogram.buckets(), histogram.sum)
        yield seconds
        version = GaugeMetricFamily("serve_model_version", "The version that answers; 0: none", labels=["model"])
        version.add_metric([self._model], self._version)
        yield version
        yield CounterMetricFamily("serve_incomplete_answers", "Answers that lacked a feature", self._incomplete)
        yield CounterMetricFamily("serve_model_swaps", "Versions that began to answer", self._swaps)
        said = "Champions that could not be loaded; the one before goes on"
        yield CounterMetricFamily("serve_model_load_failures", said, self._load_failures)
        yield GaugeMetricFamily("serve_ready", "1 where requests can be answered", int(self._ready))
        yield GaugeMetricFamily("serve_ongoing", "Requests that are worked on", self._turns[0]())
        yield GaugeMetricFamily("serve_waiting", "Requests that wait for their turn", self._turns[1]())
        if self._events is not None:
            counts = self._events()
            yield GaugeMetricFamily("serve_events_queued", "Events on their way to the topic", counts.queued)
            yield CounterMetricFamily("serve_events_delivered", "Events that the brokers have", counts.delivered)
            yield CounterMetricFamily("serve_events_failed", "Events that were lost", counts.failed)


class _Writer:
    """What the client library asks; without a word beforehand about names."""

    def __init__(self, metrics: ServeMetrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        return self._metrics.families()


def _by_labels(
    name: str, said: str, labels: tuple[str, str], values: Mapping[tuple[str, str], int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, said, labels=labels)
    for found, number in sorted(values.items()):
        family.add_metric(found, number)
    return family
