"""The same numbers as metrics: as Prometheus reads them, and as Ray keeps them in the drift actor.

Names sit here once; Ray puts ``ray_`` in front of its own, and so does the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ray_pipeline.drift.verdict import ColumnVerdict
    from ray_pipeline.runtime.drift.concept import ConceptReport
    from ray_pipeline.runtime.drift.standing import SubjectWatch
    from ray_pipeline.runtime.drift.status import DriftStatus

PREFIX = "ray_"
NAMES = {
    "pipeline_drift_alarm": "1 while the subject is in alarm",
    "pipeline_drift_windows": "Windows that were closed",
    "pipeline_drift_window_rows": "Rows of the last closed window",
    "pipeline_drift_window_moved": "1 where the last closed window moved, 0 where not; absent: it cannot be told",
    "pipeline_drift_watermark_seconds": "How far event time is everywhere, in seconds since 1970",
    "pipeline_drift_late_rows": "Rows that landed after their window was closed, or the first one was begun",
    "pipeline_drift_effect": "Distance of a column from its baseline, 0 to 1, in the last closed window",
    "pipeline_drift_p": "How rare so great a distance is, for all columns together",
    "pipeline_drift_missing": "Share of a column without a value in the last closed window",
    "pipeline_drift_column_moved": "1 where the column moved in the last closed window",
    "pipeline_drift_errors_alarm": "1 where the champion errs more than it did",
    "pipeline_drift_errors_labels": "Labels that the detector has read",
    "pipeline_drift_errors_log_loss": "Log loss of the labelled answers",
    "pipeline_drift_errors_reference": "Log loss on the rows that the champion was not fitted to",
    "pipeline_drift_estimated_log_loss": "Log loss that is expected of answers without a label",
    "pipeline_drift_estimated_log_loss_error": "Standard error of that",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One number."""

    name: str
    labels: dict[str, str]
    value: float


def samples(found: DriftStatus) -> Iterator[Sample]:
    """Yield every number of a status; what is not known is left out."""
    for one in found.subjects:
        yield from _subject(found.pipeline, one)
    if found.concept is not None:
        yield from _errors(found.pipeline, found.concept)


def prometheus(found: DriftStatus) -> str:
    """Return a status as the text that Prometheus reads."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Writer(tuple(samples(found))))
    return generate_latest(registry).decode()


class RayGauges:
    """Sets the numbers of a status as Ray's gauges, in the process of an actor."""

    def __init__(self) -> None:
        self._gauges: dict[str, object] = {}

    def record(self, found: DriftStatus) -> None:
        """Set every number."""
        from ray.util.metrics import Gauge

        for one in samples(found):
            gauge = self._gauges.get(one.name)
            if gauge is None:
                gauge = self._gauges[one.name] = Gauge(one.name, NAMES[one.name], tag_keys=tuple(one.labels))
            gauge.set(one.value, one.labels)  # type: ignore[attr-defined]


class _Writer:
    """What the client library asks."""

    def __init__(self, found: tuple[Sample, ...]) -> None:
        self._found = found

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        for name, said in NAMES.items():
            chosen = [one for one in self._found if one.name == name]
            if not chosen:
                continue
            family = GaugeMetricFamily(PREFIX + name, said, labels=list(chosen[0].labels))
            for one in chosen:
                family.add_metric(list(one.labels.values()), one.value)
            yield family


def _subject(pipeline: str, one: SubjectWatch) -> Iterator[Sample]:
    labels = {"pipeline": pipeline, "subject": one.subject}
    last = one.last
    yield Sample("pipeline_drift_windows", labels, len(one.records))
    yield Sample("pipeline_drift_late_rows", labels, one.late_rows)
    if one.watermark_us is not None:
        yield Sample("pipeline_drift_watermark_seconds", labels, one.watermark_us / 1e6)
    if last is None:
        return
    yield Sample("pipeline_drift_alarm", labels, int(last.alarm.fired))
    yield Sample("pipeline_drift_window_rows", labels, last.verdict.rows)
    if last.verdict.drift is not None:
        yield Sample("pipeline_drift_window_moved", labels, int(last.verdict.drift))
    for column in last.verdict.columns:
        yield from _column(labels | {"column": column.name}, column)


def _column(labels: dict[str, str], one: ColumnVerdict) -> Iterator[Sample]:
    found = {
        "pipeline_drift_effect": one.effect,
        "pipeline_drift_p": one.p_adjusted,
        "pipeline_drift_missing": one.missing,
        "pipeline_drift_column_moved": None if one.drift is None else int(one.drift),
    }
    yield from (Sample(name, labels, value) for name, value in found.items() if value is not None)


def _errors(pipeline: str, one: ConceptReport) -> Iterator[Sample]:
    labels = {"pipeline": pipeline, "model": one.model, "version": str(one.version)}
    waiting = None if one.unlabelled is None else one.unlabelled.log_loss
    found = {
        "pipeline_drift_errors_alarm": int(one.fired) if one.reference is not None else None,
        "pipeline_drift_errors_labels": one.watched,
        "pipeline_drift_errors_log_loss": one.loss,
        "pipeline_drift_errors_reference": None if one.reference is None else one.reference.mean,
        "pipeline_drift_estimated_log_loss": None if waiting is None else waiting.value,
        "pipeline_drift_estimated_log_loss_error": None if waiting is None else waiting.standard_error,
    }
    yield from (Sample(name, labels, value) for name, value in found.items() if value is not None)
