"""The challenger of a run: what it is trained on, and how it does against the champion.

::

    from                    T − w − c         T − w            T − m    T
      │ fit ···················│ calibrate ······│ judged ········│ ······ │
                                                                 m: labels of these have not matured

One training set holds all three splits. A split that another one follows counts only answers that were published
before its end, so no label of after T − w is fitted to or calibrated on. What the version was tested on is what both
are judged on, and the file that was judged is the one that is promoted: nothing is fitted again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock
from ray_pipeline.config.retrain import RetrainConfig
from ray_pipeline.errors import RetrainError, UsageError
from ray_pipeline.features.training_spec import Split, TrainingSpec, moment_text, read_spec, spec_of
from ray_pipeline.model.manifest import MODEL
from ray_pipeline.model.spec import ModelSpec, read_model_spec
from ray_pipeline.retrain.judge import Judgement, judge, nothing_to_judge
from ray_pipeline.retrain.records import DAY
from ray_pipeline.retrain.state import Run
from ray_pipeline.runtime.models.words import held_out
from ray_pipeline.runtime.retrain.scoring import Scored, Scorer

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.runtime.jobs.train_report import TrainReport


@dataclass(frozen=True, slots=True)
class Asked:
    """What the policy trains: the model's spec, and the spec of its training set as it was written."""

    spec: ModelSpec
    training: TrainingSpec

    @property
    def model(self) -> str:
        """The model's name."""
        return self.spec.name


def read_asked(config: PipelineConfig, store: ObjectStore) -> Asked:
    """Return what ``retrain.spec`` names; ``UsageError`` where it names nothing, ``ConfigError`` for a wrong spec."""
    from ray_pipeline.runtime.training_sets import open_training_set, read_manifest

    if config.retrain.spec is None:
        raise UsageError("retrain.spec is not in the configuration: name the model spec that is to be trained again")
    spec = read_model_spec(config.retrain.spec)
    file = (spec.folder or Path()) / spec.training_set
    if file.suffix in (".yaml", ".yml"):
        return Asked(spec, read_spec(file))
    if file.suffix == ".json":
        return Asked(spec, spec_of(read_manifest(file)["spec"], str(file)))
    return Asked(spec, spec_of(open_training_set(config, store, spec.training_set).manifest["spec"], spec.training_set))


def mature_us(policy: RetrainConfig) -> int:
    """Return how long ago a question must be for its label to count: a day, or a quarter of a short window.

    Labels of flights that are late come later: of the newest questions only those that went well have one.
    """
    return min(DAY, round(policy.judge_days * DAY / 4))


def challenger_set(asked: Asked, policy: RetrainConfig, at_us: int) -> TrainingSpec:
    """Return the training set of a challenger at T; ``UsageError`` where there is nothing to fit."""
    spec, base = asked.spec, asked.training
    cut = at_us - round(policy.judge_days * DAY)
    fitted = cut - round(policy.calibrate_days * DAY) if spec.calibration != "none" else cut
    start = max(base.start_us, at_us - round(policy.history_days * DAY))
    if start >= fitted:
        raise UsageError(
            f"nothing is left to fit: data counts from {moment_text(start)}, and calibration begins at "
            f"{moment_text(fitted)}"
        )
    end = at_us - mature_us(policy)
    splits = [Split(spec.fit, start, fitted), Split(spec.calibrate, fitted, cut), Split(spec.test, cut, end)]
    return replace(
        base,
        start_us=start,
        end_us=end,
        splits=tuple(one for one in splits if one.start_us < one.end_us),
        labels_by_us=at_us,
        curated={},
        features={},
    )


def train_challenger(
    config: PipelineConfig,
    asked: Asked,
    run: Run,
    *,
    ray_address: str | None,
    who: str,
    repo: FeatureRepo | None,
    on_message: Callable[[str], None],
    clock: Clock,
) -> TrainReport:
    """Train the run's challenger. The same run once more finds the same training set and the same version again."""
    from ray_pipeline.runtime.jobs.train import train
    from ray_pipeline.runtime.jobs.training_set import build_training_set

    wanted = challenger_set(asked, config.retrain, run.at_us)
    data = build_training_set(config, wanted, ray_address=ray_address, repo=repo, on_message=on_message, clock=clock)
    return train(
        config,
        replace(asked.spec, training_set=f"{data.name}/{data.version}", folder=None),
        ray_address=ray_address,
        who=who,
        reason=f"run {run.id} of the loop, armed by {run.signal}",
        timeout=config.retrain.timeout_seconds,
        on_message=on_message,
        repo=repo,
        clock=clock,
    )


def training_evidence(report: TrainReport) -> dict[str, Any]:
    """Return what the ledger keeps of a training."""
    version = report.version
    return {
        "version": version.number,
        "created": report.created,
        "model_sha256": version.files[MODEL].sha256,
        "training_set": report.training_set,
        "splits": [dict(one) for one in version.training.get("splits", ())],
        "labels_by": version.training["spec"].get("labels_by"),
        "rows": dict(report.rows),
        "metrics": {split: _short(one) for split, one in version.metrics.items()},
        "seconds": {step: round(seconds, 3) for step, seconds in report.seconds.items()},
        "notices": list(report.notices),
    }


def judge_challenger(scorer: Scorer, asked: Asked, run: Run) -> dict[str, Any]:
    """Judge champion and challenger on the challenger's test rows, and return the evidence.

    Raises ``RetrainError`` where the two cannot be compared, and what ``open_predictor`` raises where one of them
    cannot answer any more.
    """
    from ray_pipeline.runtime.training_sets import open_training_set

    assert run.challenger is not None
    config, registry = scorer.config, scorer.registry
    champion, challenger = (registry.manifest(asked.model, one) for one in (run.champion, run.challenger))
    trained = challenger.training
    data = open_training_set(config, registry.store, f"{trained['name']}/{trained['version']}")
    rows = scorer.both(champion, challenger, data, held_out(challenger.spec))
    names = (champion.shown, challenger.shown)
    found = judged(rows, config.retrain, challenger.seed, config.retrain.level, names)
    return {
        "judgement": found.to_json(),
        "first": champion.shown,
        "second": challenger.shown,
        "model_sha256": {one.shown: one.files[MODEL].sha256 for one in (champion, challenger)},
        "rows_of": list(rows.sets),
        "seen_before": rows.seen,
        "asked": span(rows),
        "labels_by": moment_text(run.at_us),
    }


def judged(rows: Scored, policy: RetrainConfig, seed: int, level: float, names: tuple[str, str]) -> Judgement:
    """Judge the second version's answers against the first one's; ``RetrainError`` where they are no probabilities."""
    from ray_pipeline.model.metrics import days_of

    if not len(rows.labels):
        return nothing_to_judge(level, policy.min_judged, names=names)
    try:
        return judge(
            rows.labels,
            rows.first,
            rows.second,
            days_of(rows.asked_us),
            level=level,
            resamples=policy.resamples,
            min_rows=policy.min_judged,
            seed=seed,
            names=names,
        )
    except ValueError as error:
        raise RetrainError("judged", str(error)) from None


def span(rows: Scored) -> list[str]:
    """Return the first and the last moment asked; nothing where there is no row."""
    if not len(rows.asked_us):
        return []
    return [moment_text(int(rows.asked_us.min())), moment_text(int(rows.asked_us.max()))]


def _short(metrics: Any) -> dict[str, Any]:
    """Return rows, days, and the three figures that versions are compared by."""
    return {name: metrics.get(name) for name in ("rows", "days", "auc", "log_loss", "brier")}
