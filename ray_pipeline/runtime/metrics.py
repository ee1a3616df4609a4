"""The names of all metrics, and the one place that sets them; Ray puts ``ray_`` in front of each."""

from __future__ import annotations

from collections.abc import Mapping

from ray.util.metrics import Counter, Gauge

from ray_pipeline.runtime.reports import PartitionReport, PartitionState, WorkerReport
from ray_pipeline.types import TopicPartition

TAGS = ("pipeline", "topic", "partition")

COUNTERS: Mapping[str, str] = {
    "pipeline_records": "Records read and judged",
    "pipeline_bad_records": "Records that their contract refused",
}
GAUGES: Mapping[str, str] = {
    "pipeline_position": "Next offset to read",
    "pipeline_committed": "Next offset after the last commit",
    "pipeline_pending_dead_letters": "Committed bad records that are not in the dead-letter topic yet",
    "pipeline_stopped": "1 while the partition waits for a person",
}
FEATURE_LAG = "pipeline_feature_lag"
"""Beside the others: set only where online values are kept."""


class WorkerMetrics:
    """Turns the reports of one partition actor into Ray metrics."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._counters = {name: Counter(name, text, tag_keys=TAGS) for name, text in COUNTERS.items()}
        self._gauges = {name: Gauge(name, text, tag_keys=TAGS) for name, text in GAUGES.items()}
        self._feature_lag: Gauge | None = None
        self._seen: dict[TopicPartition, tuple[int, int]] = {}

    def record(self, report: WorkerReport) -> None:
        """Count what is new since the last report, and set the gauges."""
        for partition in report.partitions:
            self._record(partition)
        owned = {partition.topic_partition for partition in report.partitions}
        self._seen = {tp: seen for tp, seen in self._seen.items() if tp in owned}

    def _record(self, partition: PartitionReport) -> None:
        tp = partition.topic_partition
        tags = {"pipeline": self._pipeline, "topic": tp.topic, "partition": str(tp.partition)}
        seen = self._seen.get(tp, (0, 0))
        now = (partition.records, partition.bad)
        for name, new in zip(COUNTERS, (now[0] - seen[0], now[1] - seen[1]), strict=True):
            if new > 0:
                self._counters[name].inc(new, tags)
        self._seen[tp] = now
        values = (
            partition.position,
            partition.committed,
            partition.pending_dead_letters,
            int(partition.state is PartitionState.STOPPED),
        )
        for name, value in zip(GAUGES, values, strict=True):
            self._gauges[name].set(value, tags)
        if partition.views:
            self._feature_lag = self._feature_lag or Gauge(
                FEATURE_LAG, "Committed offsets that the online values lack", tag_keys=TAGS
            )
            self._feature_lag.set(partition.feature_lag, tags)
