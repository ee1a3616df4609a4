"""A model version that answers: its features narrowed to what it sees, its request's fields, its file verified.

Only :func:`score` makes probabilities, for a call over HTTP, a row of a batch and a test alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_pipeline.errors import UsageError
from ray_pipeline.features.service import Service
from ray_pipeline.features.shape import ViewShape
from ray_pipeline.model.manifest import MODEL, ModelManifest
from ray_pipeline.runtime.features.answers import FeatureAnswer, FeatureValue
from ray_pipeline.runtime.predictions.fitted_service import fit_service
from ray_pipeline.runtime.predictions.prediction import Prediction, PredictionRequest, Source
from ray_pipeline.runtime.predictions.request import RequestField

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.fitted import FittedModel
    from ray_pipeline.runtime.models.registry import ModelRegistry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """A version, ready to answer."""

    manifest: ModelManifest
    model: FittedModel
    service: Service
    """The views and features that the model sees, and no others."""
    shapes: Mapping[str, ViewShape]
    """By the view's own name."""
    fields: tuple[RequestField, ...]
    """What a request may say."""

    @property
    def views(self) -> dict[str, str]:
        """View as the service calls it → the dataset of its events."""
        return {one.shown: self.shapes[one.view].dataset for one in self.service.views}

    @property
    def training_set(self) -> str:
        """Name and version of what the model was trained on."""
        return f"{self.manifest.training['name']}/{self.manifest.training['version']}"


def open_predictor(
    config: PipelineConfig, manifest: ModelManifest, *, registry: ModelRegistry, repo: FeatureRepo | None = None
) -> Predictor:
    """Load a version and fit it to the feature repository, ``repo`` or the configured one.

    Raises ``ModelFileError`` where its file is not the one that was registered, or holds types that are not listed;
    ``ModelMismatchError`` where the repository does not say any more what the model was trained on.
    """
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.model.fitted import open_model

    found = load_repo(config) if repo is None else repo
    service, shapes, fields = fit_service(manifest, found)
    return Predictor(manifest, open_model(registry.file(manifest, MODEL), manifest), service, shapes, fields)


def score(
    predictor: Predictor, requests: Sequence[PredictionRequest], answers: Sequence[FeatureAnswer], source: Source
) -> list[Prediction]:
    """Return the model's answer to each request with its features; one row gives the bits that it gives among many.

    A feature that is no finite number is null to the model, and so it is in the answer.
    """
    if not requests:
        return []
    manifest = predictor.manifest
    views, training_set = predictor.views, predictor.training_set
    features = [_finite(answer.features) for answer in answers]
    moments = [_known(answer) for answer in answers]
    rows = [
        predictor.model.encode({**request.values, **_values(found)}, (moment - _EPOCH) // _MICROSECOND)
        for request, found, moment in zip(requests, features, moments, strict=True)
    ]
    matrix = rows[0] if len(rows) == 1 else np.concatenate(rows)
    probabilities = predictor.model.predict(matrix).tolist()
    return [
        Prediction(
            request,
            moment,
            probability,
            manifest.name,
            manifest.number,
            manifest.files[MODEL].sha256,
            training_set,
            found,
            views,
            source,
        )
        for request, moment, probability, found in zip(requests, moments, probabilities, features, strict=True)
    ]


def _known(answer: FeatureAnswer) -> datetime:
    if answer.as_of is None:
        raise UsageError("there is no moment to answer for: the replay has not begun")
    return answer.as_of


def _values(features: Mapping[str, FeatureValue]) -> dict[str, Any]:
    return {name: found.value for name, found in features.items()}


def _finite(features: Mapping[str, FeatureValue]) -> Mapping[str, FeatureValue]:
    """Return the features with null for what is no finite number; JSON has no word for it."""
    odd = [name for name, found in features.items() if type(found.value) is float and not math.isfinite(found.value)]
    return features if not odd else {**features, **{name: replace(features[name], value=None) for name in odd}}
