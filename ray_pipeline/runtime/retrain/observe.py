"""Look at everything that a decision of the loop is made from; what is not there yet is said to be unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ray_pipeline.config.retrain import Arming
from ray_pipeline.errors import DriftError, ModelError, UsageError
from ray_pipeline.features.training_spec import moment_text, moment_us
from ray_pipeline.gate.entries import Decision as GateDecision
from ray_pipeline.model.labelled import ASKED, LABEL, STATE, State
from ray_pipeline.model.metrics import days_of
from ray_pipeline.retrain.judge import losses, upper_bound
from ray_pipeline.retrain.observed import Champion, Observed, Signal
from ray_pipeline.retrain.records import DAY
from ray_pipeline.retrain.state import LoopState
from ray_pipeline.runtime.models.aliases import Alias
from ray_pipeline.runtime.models.words import held_out
from ray_pipeline.runtime.retrain.challenger import Asked, mature_us
from ray_pipeline.runtime.retrain.scoring import fitted_until_us
from ray_pipeline.sla.result import Disposition
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.runtime.models.registry import ModelRegistry
    from ray_pipeline.runtime.retrain.answers import Labels

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class Observer:
    """One step's look at the world: what was read once is not read again while the champion stays."""

    config: PipelineConfig
    asked: Asked
    registry: ModelRegistry
    load: Callable[[], FeatureRepo]
    now_us: int
    _signals: dict[int, tuple[Signal, ...]] = field(default_factory=dict)

    def observe(self, state: LoopState) -> Observed:
        """Return what is to be seen; of an open run only the champion matters."""
        version = self.registry.aliases(self.asked.model).get(Alias.CHAMPION)
        if version is None:
            return Observed(self.asked.model, state)
        manifest = self.registry.manifest(self.asked.model, version)
        champion = Champion(version, trained_us(manifest), _own(manifest)[0])
        if state.run is not None:
            return Observed(self.asked.model, state, champion)
        if version not in self._signals:
            self._signals[version] = tuple(self._seen(manifest))
        since = [one for one in (champion.trained_us, state.last_start_us) if one is not None]
        return Observed(
            self.asked.model,
            state,
            champion,
            signals=self._signals[version],
            red=self.red,
            new_labels=None if self.labels is None else self.labels.published_after(max(since, default=None)),
            first_us=self.asked.training.start_us,
        )

    @cached_property
    def repo(self) -> FeatureRepo:
        """The feature repository."""
        return self.load()

    @cached_property
    def labels(self) -> Labels | None:
        """What was published of the labels; None where they cannot be read."""
        from ray_pipeline.runtime.retrain.answers import Labels

        return Labels.read(self.config, self.repo.label_set(self.asked.training.labels), self.now_us)

    @cached_property
    def red(self) -> tuple[str, ...]:
        """Why the gate is red, for each dataset that labels and features are made of."""
        labels, service = (
            self.repo.label_set(self.asked.training.labels),
            self.repo.service(self.asked.training.service),
        )
        datasets = [labels.requests, labels.outcomes]
        datasets += [self.repo.view(one.view).shape.dataset for one in service.views]
        return tuple(reason for one in dict.fromkeys(datasets) for reason in gate_red(self.config, self.registry, one))

    def _seen(self, manifest: ModelManifest) -> Iterator[Signal]:
        yield from self._of_answers(manifest)
        if Arming.DETECTOR in self.config.retrain.arming:
            yield self._of_detector(manifest)
        yield self._of_drift()

    # The champion's answers, with labels and before them

    def _of_answers(self, manifest: ModelManifest) -> Iterator[Signal]:
        from ray_pipeline.runtime.predictions.landed import landed_predictions

        policy = self.config.retrain
        own, own_high = _own(manifest)
        first, last = self.now_us - round(policy.judge_days * DAY), self.now_us - mature_us(policy)
        try:
            landed = landed_predictions(
                self.config, manifest.name, version=manifest.number, since=_moment(first), until=_moment(last)
            ).frame
        except UsageError as error:
            yield from (Signal(name, said=str(error)) for name in (Arming.LABELS, Arming.ESTIMATE))
            return
        said = pl.col("probability").cast(pl.Float64)
        answers = landed.with_columns(said).filter(said.is_finite() & (said >= 0) & (said <= 1))
        if own is None or not answers.height:
            none = (
                f"{manifest.shown} has no answer" if own is not None else f"{manifest.shown} names no loss of its own"
            )
            asked = f"asked from {moment_text(first)} to {moment_text(last)}"
            yield from (Signal(name, said=f"{none} {asked}") for name in (Arming.LABELS, Arming.ESTIMATE))
            return
        frame = answers if self.labels is None else self.labels.of(answers)
        labelled = frame.filter(pl.col(STATE) == State.LABELLED) if STATE in frame.columns else frame.clear()
        yield self._of_labels(labelled, answers.height, own, own_high)
        yield self._of_estimate(manifest, answers, own, own_high)

    def _of_labels(self, labelled: pl.DataFrame, answers: int, own: float, own_high: float | None) -> Signal:
        policy = self.config.retrain
        if not labelled.height:
            return Signal(Arming.LABELS, said=f"none of {count(answers, 'answer')} has a label")
        found = losses(labelled[LABEL].to_numpy(), labelled["probability"].to_numpy())
        days = days_of(labelled[ASKED].to_numpy())
        loss, rows = float(found.mean()), len(found)
        above = upper_bound(found - loss, days, policy.level, policy.resamples, 0)
        below = upper_bound(loss - found, days, policy.level, policy.resamples, 0)
        low = None if below is None else _low(loss - own, below, own, own_high)
        high = None if above is None else loss - own + above
        facts = {"loss": loss, "own": own, "answers": answers, "interval": policy.level}
        said = f"log loss {loss:.4f} on {count(rows, 'labelled answer')}, its own was {own:.4f}"
        return Signal(Arming.LABELS, loss - own, low, high, rows, len(np.unique(days)), said=said, facts=facts)

    def _of_estimate(
        self, manifest: ModelManifest, answers: pl.DataFrame, own: float, own_high: float | None
    ) -> Signal:
        from scipy import stats  # type: ignore[import-untyped]

        from ray_pipeline.drift.estimated import estimate

        found = estimate(answers["probability"].to_numpy(), design=_design(self.registry, manifest)).log_loss
        if found is None:
            return Signal(Arming.ESTIMATE, said="the scores allow no estimate")
        doubt = float(stats.norm.ppf(self.config.retrain.level)) * found.standard_error
        days = len(np.unique(days_of(answers[ASKED].to_numpy())))
        excess = found.value - own
        facts = {"loss": found.value, "standard_error": found.standard_error, "own": own}
        said = f"log loss {found.value:.4f} is expected from the scores of {count(answers.height, 'answer')}, "
        said += f"its own was {own:.4f}"
        low, high = _low(excess, doubt, own, own_high), excess + doubt
        return Signal(Arming.ESTIMATE, excess, low, high, answers.height, days, said=said, facts=facts)

    # Detector and drift: what was written down by those who watch

    def _of_detector(self, manifest: ModelManifest) -> Signal:
        from ray_pipeline.runtime.drift.errors_watch import concept

        try:
            found = concept(
                self.config,
                model=manifest.name,
                version=manifest.number,
                now=_moment(self.now_us),
                registry=self.registry,
                repo=self.repo,
            )
        except (UsageError, DriftError, ModelError) as error:
            return Signal(Arming.DETECTOR, said=str(error))
        if found.reference is None:
            return Signal(Arming.DETECTOR, said=found.reason)
        first = found.first_alarm
        said = f"{found.detector} has read {count(found.watched, 'label')}"
        said += " and is silent" if first is None else f", and alarmed for those published on {first.published_day}"
        facts = {"detector": found.detector, "run_length": found.run_length, "alarms": len(found.alarms)}
        return Signal(Arming.DETECTOR, rows=found.watched, fired=found.fired, said=said, facts=facts)

    def _of_drift(self) -> Signal:
        from ray_pipeline.runtime.drift.baselines import BaselineLog
        from ray_pipeline.runtime.drift.log import WindowLog

        log = WindowLog(self.registry.store, self.config.pipeline)
        baselines = BaselineLog(self.registry.store, self.config.pipeline)
        fired, seen = {}, 0
        for subject in self.config.datasets:
            if (newest := baselines.newest(subject)) is None:
                continue
            records = [
                one
                for one in log.read(subject)
                if moment_us(f"{one.window.until}T00:00:00Z") <= self.now_us
                and one.baseline == newest.number  # what was against another champion's says nothing of this one
            ]
            seen += len(records)
            if records and records[-1].alarm.fired:
                fired[subject] = list(records[-1].alarm.columns)
        if not seen:
            return Signal(Arming.DRIFT, said="no window of data was watched yet")
        told = "; ".join(f"{subject} ({', '.join(columns[:5])})" for subject, columns in fired.items())
        said = f"in alarm: {told}" if fired else f"no alarm after {count(seen, 'window')}"
        return Signal(Arming.DRIFT, fired=bool(fired), said=said, facts={"alarms": fired})


def gate_red(config: PipelineConfig, registry: ModelRegistry, dataset: str) -> Iterator[str]:
    """Yield why a dataset's gate is red: nothing published, days held back, or an error check that broke last time.

    A check that set its rows aside did its work, and a day that is pending may still turn out well: neither is red.
    """
    from ray_pipeline.runtime.curated import held_days, ledger_of
    from ray_pipeline.runtime.jobs.reporting import earlier_result

    ledger = ledger_of(config, registry.store, dataset)
    state = ledger.state()
    if state.decision < 0:
        yield f"{dataset} was never gated"
        return
    days = [
        one.day
        for one in held_days(config, registry.store, [dataset])
        if one.disposition == Disposition.HELD and one.released_by is None
    ]
    if days:
        yield f"{dataset} has {count(len(days), 'day')} held back ({', '.join(days[:3])}{', …' * (len(days) > 3)})"
    last: GateDecision = ledger.decision(state.decision)
    if last.verdict.failed:
        found = earlier_result(registry.store, last, dataset)
        checks = {one.check: one for one in (*found.checks, *(one for day in found.days for one in day.checks))}
        broken = sorted(name for name, one in checks.items() if one.broken and one.breach != "quarantine")
        if broken and not days:
            yield f"{dataset} broke {', '.join(broken[:3])} at its last gate"


def trained_us(manifest: ModelManifest) -> int | None:
    """Return up to when labels counted in a version's training set: ``labels_by``, else the end of its questions."""
    spec = manifest.training.get("spec", {})
    said = spec.get("labels_by") or spec.get("to")
    return fitted_until_us(manifest) if said is None else moment_us(said)


def _own(manifest: ModelManifest) -> tuple[float | None, float | None]:
    """Return the version's log loss on the rows that nothing was fitted to, and the high end of its interval."""
    found = manifest.metrics.get(held_out(manifest.spec), {}).get("log_loss") or {}
    return found.get("value"), found.get("high")


def _low(excess: float, doubt: float, own: float, own_high: float | None) -> float:
    """Return the low end of a difference of two independent estimates, from the ends of both.

    G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures" (Statistics in Medicine 27,
    2008): the distances to the ends add up as squares.
    """
    spread = 0.0 if own_high is None else max(own_high - own, 0.0)
    return excess - math.hypot(max(doubt, 0.0), spread)


def _design(registry: ModelRegistry, manifest: ModelManifest) -> float:
    """Return how many rows weigh as one in the version's held-out errors; 1 where its predictions were not kept."""
    from ray_pipeline.drift.error_reference import design_effect
    from ray_pipeline.lake.parquet import decode_parquet
    from ray_pipeline.model.manifest import PREDICTIONS

    if PREDICTIONS not in manifest.files:
        return 1.0
    frame: Any = pl.from_arrow(decode_parquet(registry.file(manifest, PREDICTIONS)))
    rows = frame.filter(pl.col("split") == held_out(manifest.spec))
    days = days_of(rows["asked_at"].dt.epoch("us").to_numpy())
    if len(np.unique(days)) < 2:
        return 1.0
    return design_effect(losses(rows["label"].cast(pl.Boolean).to_numpy(), rows["probability"].to_numpy()), days)


def _moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
