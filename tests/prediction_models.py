"""A small model of real flights, as a version in the registry: what tests of predictions ask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray_pipeline.connectors.feast.repo import FeatureRepo, load_repo
from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.features.requests import feature_definitions, request_definition
from ray_pipeline.model.fitting import fit
from ray_pipeline.model.manifest import MODEL, FileFact, ModelManifest, TrainedView
from ray_pipeline.model.spec import ModelSpec
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.online_backfill import backfill
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.training_sets import TrainingSet
from tests.flight_lake import FlightLake

MODEL_NAME = "late_arrival"
MATERIALIZED = "destination_last_7d"
TRAINING: dict[str, Any] = {
    "name": "late_for_model",
    "labels": "late_arrival",
    "service": "flight_delay",
    "from": "2013-02-05T00:00:00Z",
    "to": "2013-02-07T00:00:00Z",
    "splits": {
        "train": "2013-02-06T10:00:00Z",
        "validation": "2013-02-06T17:00:00Z",
        "test": "2013-02-07T00:00:00Z",
    },
}
SPEC = ModelSpec(
    MODEL_NAME,
    "late_for_model",
    parameters={"max_iter": 12, "min_samples_leaf": 10},
    keys=("carrier", "origin"),
    without=(MATERIALIZED,),
    seed=7,
    bootstrap=2,
)


def registered(
    lake: FlightLake,
    *,
    spec: ModelSpec = SPEC,
    training: Mapping[str, Any] = TRAINING,
    repo: FeatureRepo | None = None,
) -> ModelManifest:
    """Train a model on a lake and put it into its registry; the champion is what it was."""
    repo = repo or load_repo(lake.config)
    built = build_training_set(lake.config, dict(training), repo=repo)
    fitted = fit(spec, built.table(), label_key=built.manifest["label_key"])
    manifest = _manifest(spec, built, fitted, repo)
    found, _ = ModelRegistry(lake.store, lake.config.pipeline).add(manifest, {MODEL: fitted.data})
    return found


def _manifest(spec: ModelSpec, built: TrainingSet, fitted: Any, repo: FeatureRepo) -> ModelManifest:
    seen = {column.name for column in fitted.columns}
    service = repo.service(built.manifest["spec"]["service"])
    views = tuple(
        TrainedView(one["name"], one["view"], one["definition"], one["snapshot"])
        for one in built.manifest["views"]
        if any(name.startswith(f"{one['name']}__") for name in seen)
    )
    request = service.request
    assert request is not None
    asks_request = any(f"{request.name}__{name}" in seen for name in request.features)
    return ModelManifest(
        name=spec.name,
        number=0,
        created_at="2026-01-01T00:00:00Z",
        created_by="tests",
        estimator=spec.estimator,
        parameters=dict(fitted.parameters),
        seed=spec.seed,
        columns=fitted.columns,
        calibrator=fitted.calibrator.to_json(),
        service=service.name,
        views=views,
        request=request.name if asks_request else None,
        request_definition=request_definition(
            {name: one for name, one in feature_definitions(request).items() if f"{request.name}__{name}" in seen}
        )
        if asks_request
        else None,
        label_set=built.manifest["spec"]["labels"],
        label_key=built.manifest["label_key"],
        training={"name": built.name, "version": built.version, "content_hash": built.manifest["content_hash"]},
        metrics={},
        importance=(),
        predictions_sha256=fitted.predictions_sha256,
        files={MODEL: FileFact(hashlib.sha256(fitted.data).hexdigest(), len(fitted.data))},
        types=fitted.types,
        code={},
        spec=spec.to_json(),
    )


def online_of(lake: FlightLake, path: Path, days: int) -> Any:
    """Return an online store of its own for all that landed, whose states reach back so many days."""
    views, settings = stream_fed(lake.config)
    assert settings is not None
    kept: OnlineSettings = replace(settings, path=path, retain_seconds=days * 86_400)
    store = open_online(kept)
    found = backfill(lake.config, views, kept, store, lake.store)
    assert int(found.outcome) == 0
    return store
