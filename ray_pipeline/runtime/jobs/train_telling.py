"""What a training tells an OpenLineage receiver."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ray_pipeline.lineage.names import name_location
from ray_pipeline.lineage.training import (
    Figure,
    TrainedModel,
    TrainRun,
    train_ended,
    train_failed,
    train_started,
)
from ray_pipeline.model.manifest import MODEL, ModelManifest
from ray_pipeline.runtime.jobs.run_telling import RunTeller
from ray_pipeline.runtime.models.keys import models_prefix
from ray_pipeline.runtime.training_sets import TrainingSet, training_set_folder

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

FIGURES = {"auc": "auc", "log_loss": "logLoss", "brier": "brier", "base_rate": "baseRate", "ece": "ece"}
"""Metric of a manifest → its name in an event."""


class TrainTeller:
    """The events of one training; without a receiver it says nothing."""

    def __init__(self, config: PipelineConfig, teller: RunTeller | None, model: str, training_set: TrainingSet) -> None:
        self._teller = teller
        if teller is None:
            return
        manifest = training_set.manifest
        self._run = TrainRun(
            run=teller.run,
            training_set=name_location(training_set_folder(config, training_set.name)),
            training_set_version=training_set.version,
            rows=manifest["rows"],
            bytes=manifest["file"]["bytes"],
            model=name_location(model_folder(config, model)),
        )

    def began(self) -> None:
        """Say that the fit begins."""
        if self._teller is not None:
            self._teller.began(train_started(self._run), partial(train_failed, self._run))

    def ended(self, version: ModelManifest, aliases: tuple[str, ...], *, created: bool) -> None:
        """Say what came of it."""
        if self._teller is not None:
            model = trained_model(version, aliases, created=created)
            self._teller.ended(lambda at: train_ended(self._run, at, model))


def model_folder(config: PipelineConfig, name: str) -> str:
    """Return the address of the folder that the versions of a model lie in: a dataset with many versions."""
    from ray_pipeline.lake.keys import quote

    return f"{config.store.rstrip('/')}/{models_prefix(config.pipeline)}/{quote(name)}"


def trained_model(version: ModelManifest, aliases: tuple[str, ...], *, created: bool) -> TrainedModel:
    """Return what an event says of a version."""
    return TrainedModel(
        name=version.name,
        number=version.number,
        created=created,
        estimator=version.estimator,
        sha256=version.files[MODEL].sha256,
        predictions_sha256=version.predictions_sha256,
        training_set=f"{version.training['name']}/{version.training['version']}",
        content_hash=version.training["content_hash"],
        bytes=sum(one.bytes for one in version.files.values()),
        files=len(version.files),
        aliases=aliases,
        metrics={split: _figures(found) for split, found in version.metrics.items()},
    )


def _figures(metrics: Any) -> dict[str, Figure]:
    return {
        name: Figure(metrics[key]["value"], metrics[key].get("low"), metrics[key].get("high"))
        for key, name in FIGURES.items()
        if key in metrics
    }
