"""The events of ``train``: from a training set to a model version.

The standard has no word for a model: it is a dataset, named by its place in the store, whose version is the model
version's number, and what else is known of it stands in the facet ``rayPipeline_model``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .facets import Event, Facet, facet
from .names import DatasetName
from .runs import BatchRun, Kind, Part, batch_event
from .training_sets import plain_storage

MODEL_FORMAT = "skops"


@dataclass(frozen=True, slots=True)
class TrainRun:
    """One training: what is known before the fit begins."""

    run: BatchRun
    training_set: DatasetName
    training_set_version: str
    rows: int
    bytes: int
    """Of the training set."""
    model: DatasetName


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number with its interval; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What came of it."""

    name: str
    number: int
    created: bool
    """False: the same training had made it before, so nothing was written."""
    estimator: str
    sha256: str
    """Of the model file."""
    predictions_sha256: str
    training_set: str
    """``name/version``."""
    content_hash: str
    """Of the training set's rows."""
    bytes: int
    files: int
    aliases: tuple[str, ...]
    """That this training moved to the version."""
    metrics: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    """Split → name → figure."""


def train_started(run: TrainRun) -> Event:
    """Return the START event: from what, to what."""
    return _event(run, "START", run.run.started_at)


def train_ended(run: TrainRun, finished_at: str, model: TrainedModel) -> Event:
    """Return the COMPLETE event."""
    return _event(run, "COMPLETE", finished_at, model)


def train_failed(run: TrainRun, finished_at: str, error: str) -> Event:
    """Return the FAIL event; ``error`` is its sentence, without a payload."""
    return _event(run, "FAIL", finished_at, error=error)


def _event(run: TrainRun, kind: Kind, at: str, model: TrainedModel | None = None, error: str | None = None) -> Event:
    read = facet("dataQualityMetrics", rowCount=run.rows, bytes=run.bytes, fileCount=1, columnMetrics={})
    source = Part(run.training_set, run.training_set_version, plain_storage(run.training_set, "parquet"), read)
    facets = plain_storage(run.model, MODEL_FORMAT)
    if model is None:
        return batch_event(run.run, kind, at, [source], [Part(run.model, None, facets)], error)
    written = facet("outputStatistics", size=model.bytes, fileCount=model.files) if model.created else {}
    made = Part(run.model, str(model.number), facets | _model(model), written)
    return batch_event(run.run, kind, at, [source], [made])


def _model(model: TrainedModel) -> dict[str, Facet]:
    return facet(
        "rayPipeline_model",
        name=model.name,
        number=model.number,
        created=model.created,
        estimator=model.estimator,
        sha256=model.sha256,
        predictionsSha256=model.predictions_sha256,
        trainingSet=model.training_set,
        contentHash=model.content_hash,
        aliases=list(model.aliases),
        metrics={split: {name: _figure(one) for name, one in found.items()} for split, found in model.metrics.items()},
    )


def _figure(one: Figure) -> dict[str, Any]:
    bounds = {"low": one.low, "high": one.high}
    return {"value": one.value} | {name: bound for name, bound in bounds.items() if bound is not None}
