"""What closes the circle: windows judged for drift after each week, the decision to train again after each month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ray_pipeline.retrain.records import Kind
from ray_pipeline.runtime.drift.baselines import follow_champion
from ray_pipeline.runtime.drift.errors_watch import concept
from ray_pipeline.runtime.drift.text import alarm_words, moved_words
from ray_pipeline.runtime.drift.watch import watch
from ray_pipeline.runtime.retrain.step import retrain_step

from .events import TOPICS
from .year_report import Mark

if TYPE_CHECKING:
    from ray_pipeline.clock import Clock
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.retrain.records import LoopEntry
    from ray_pipeline.runtime.drift.log import WindowRecord

DEMO = "the demo"
_MARKS = {
    Kind.TRIGGERED: "training",
    Kind.PROMOTED: "promotion",
    Kind.REFUSED: "refusal",
    Kind.FAILED: "failure",
    Kind.ROLLED_BACK: "rollback",
}


class Loop:
    """Drift and retraining of the year, with what they said as marks."""

    def __init__(self, config: PipelineConfig, repo: FeatureRepo, clock: Clock) -> None:
        self._config, self._repo, self._clock = config, repo, clock
        self._began = False
        self._firing: set[str] = set()
        """Subjects in alarm."""
        self._heard: set[tuple[int, str]] = set()
        """Version and day of the alarms of its errors."""
        self.windows = self.in_alarm = 0
        """Windows that were closed, and those after which their subject was in alarm."""

    def begin(self, first: ModelManifest) -> None:
        """Compare everything with what the first model was trained on, from now on."""
        follow_champion(self._config, who=DEMO, clock=self._clock, manifest=first)
        self._began = True

    def week(self, at: datetime) -> list[Mark]:
        """Judge the windows of the inputs that are over."""
        return self._watched(at, TOPICS) if self._began else []

    def month(self, at: datetime) -> list[Mark]:
        """Judge the windows of the answers, and the errors of the champion."""
        marks = self._watched(at, (self._config.serve.predictions,))
        found = concept(self._config, now=at, repo=self._repo)
        for alarm in found.alarms:
            if (found.version, alarm.published_day) not in self._heard:
                self._heard.add((found.version, alarm.published_day))
                since = f", more since {alarm.since_day}" if alarm.since_day else ""
                said = f"errors of {found.model}/{found.version}: {found.detector} after {alarm.labels:,} labels{since}"
                marks.append(Mark("alarm", datetime.fromisoformat(alarm.published_day).replace(tzinfo=UTC), said))
        return marks

    def decide(self, at: datetime) -> list[Mark]:
        """Let the controller go as far as it can; return what it wrote down."""
        report = retrain_step(self._config, now=at, who=DEMO, clock=self._clock, repo=self._repo)
        return [mark for entry in report.entries for mark in _marks(entry)]

    def _watched(self, at: datetime, subjects: tuple[str, ...]) -> list[Mark]:
        closed = watch(self._config, now=at, subjects=subjects, clock=self._clock).closed
        return [mark for record in closed for mark in self._alarms(record, at)]

    def _alarms(self, record: WindowRecord, at: datetime) -> Iterator[Mark]:
        """Yield a mark where a subject goes into alarm; while it stays there nothing new is said."""
        subject = record.verdict.subject
        self.windows += 1
        self.in_alarm += record.alarm.fired
        if record.alarm.fired and subject not in self._firing:
            yield Mark("alarm", at, f"{subject}: {alarm_words(record.alarm)}; {moved_words(record)}")
        (self._firing.add if record.alarm.fired else self._firing.discard)(subject)


def _marks(entry: LoopEntry) -> Iterator[Mark]:
    kind = _MARKS.get(Kind(entry.kind))
    if kind is not None:
        yield Mark(kind, datetime.fromisoformat(entry.at).astimezone(UTC), entry.reason)
