"""What a model version says of itself: everything that it rests on, and everything that is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray_pipeline.errors import UsageError
from ray_pipeline.features.requests import request_definition
from ray_pipeline.model.manifest import ModelManifest, TrainedView
from ray_pipeline.model.spec import ModelSpec
from ray_pipeline.runtime.jobs.train_fit import FitResult
from ray_pipeline.runtime.training_sets import TrainingSet

_KEPT = ("content_hash", "rows", "questions", "splits", "excluded", "curated", "views", "spec")
_NEEDED = ("label_key", "features", "views", "curated", "splits", "columns")


def check_training_set(spec: ModelSpec, training_set: TrainingSet) -> None:
    """Refuse, before anything is fitted, a spec that asks for what the training set does not have."""
    from ray_pipeline.config.nearest import unknown
    from ray_pipeline.errors import TrainingError
    from ray_pipeline.model.choice import chosen_columns

    manifest = training_set.manifest
    if missing := [name for name in _NEEDED if name not in manifest]:
        raise UsageError(f"{training_set.place}: its manifest does not say {', '.join(missing)}; build it again")
    splits = [one["name"] for one in manifest["splits"]]
    wanted = {"fit": spec.fit, "test": spec.test}
    if spec.calibration != "none":
        wanted["calibrate"] = spec.calibrate
    for what, name in wanted.items():
        if name not in splits:
            raise UsageError(f"model {spec.name}: splits.{what}: {unknown(name, splits, 'split of the training set')}")
    try:
        chosen_columns(spec, tuple(manifest["columns"]))
    except TrainingError as error:
        raise UsageError(str(error)) from None


def model_manifest(
    spec: ModelSpec, training_set: TrainingSet, fitted: FitResult, *, created_at: str, created_by: str
) -> ModelManifest:
    """Return the manifest without number and files, which the registry adds."""
    said = training_set.manifest
    seen = {column.name for column in fitted.columns}
    view_of = {one["name"]: one["view"] for one in said["features"] if one["name"] in seen}
    request = said["request"] if None in view_of.values() else None
    return ModelManifest(
        name=spec.name,
        number=0,
        created_at=created_at,
        created_by=created_by,
        estimator=spec.estimator,
        parameters=dict(fitted.parameters),
        seed=spec.seed,
        columns=fitted.columns,
        calibrator=dict(fitted.calibrator),
        service=said["spec"]["service"],
        views=tuple(_view(one) for one in said["views"] if one["name"] in view_of.values()),
        request=request,
        request_definition=_request_definition(said, request, seen),
        label_set=said["spec"]["labels"],
        label_key=said["label_key"],
        training=training_of(training_set),
        metrics=dict(fitted.metrics),
        importance=tuple(fitted.importance),
        predictions_sha256=fitted.predictions_sha256,
        files={},
        types=fitted.types,
        code=dict(fitted.code),
        spec=spec.to_json(),
    )


def training_of(training_set: TrainingSet) -> dict[str, Any]:
    """Return what a version's manifest keeps of its training set's."""
    said = training_set.manifest
    found = {"name": training_set.name, "version": training_set.version, "sha256": said["file"]["sha256"]}
    return found | {name: said[name] for name in _KEPT if name in said}


def _request_definition(said: Mapping[str, Any], request: str | None, seen: set[str]) -> str | None:
    known = said.get("request_definitions")
    if request is None or known is None:  # a training set from before there was one
        return None
    return request_definition({name: one for name, one in known.items() if f"{request}__{name}" in seen})


def _view(said: Mapping[str, Any]) -> TrainedView:
    return TrainedView(said["name"], said["view"], said["definition"], said["snapshot"])
