"""Answers to many requests at once, each as of its own moment, by the code that answers a call over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ray_pipeline.runtime.features.answers import FeatureAnswer
from ray_pipeline.runtime.predictions.live import let_through, scored
from ray_pipeline.runtime.predictions.offline import read_offline
from ray_pipeline.runtime.predictions.policy import Answer, Policies
from ray_pipeline.runtime.predictions.prediction import PredictionRequest, Source
from ray_pipeline.runtime.predictions.predictor import Predictor

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig


def predict_batch(
    config: PipelineConfig,
    predictor: Predictor,
    requests: Sequence[PredictionRequest],
    *,
    policies: Policies | None = None,
    blocks: int | None = None,
    ray_address: str | None = None,
) -> list[Answer]:
    """Return for each request its prediction, or why there is none; in their order.

    Features are read from the offline tables. A request that is later than one of them knows is refused, and so is
    one that ``policies`` (by default those of the configuration) do not let through; see
    :func:`~ray_pipeline.runtime.predictions.policy.told_apart`.
    """
    chosen = Policies.of(config.serve) if policies is None else policies
    found = read_offline(config, predictor, requests, blocks=blocks, ray_address=ray_address)
    judged = [
        let_through(request, one, chosen) if isinstance(one, FeatureAnswer) else one
        for request, one in zip(requests, found, strict=True)
    ]
    return scored(predictor, requests, judged, Source.OFFLINE)
