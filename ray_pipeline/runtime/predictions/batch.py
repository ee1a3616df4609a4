"""Answers to many requests at once, each as of its own moment, by the code that answers a call over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ray_pipeline.runtime.features.answers import FeatureAnswer
from ray_pipeline.runtime.predictions.live import Found, let_through, scored
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
    [answers] = predict_versions(
        config, (predictor,), requests, policies=policies, blocks=blocks, ray_address=ray_address
    )
    return answers


def predict_versions(
    config: PipelineConfig,
    predictors: Sequence[Predictor],
    requests: Sequence[PredictionRequest],
    *,
    policies: Policies | None = None,
    blocks: int | None = None,
    ray_address: str | None = None,
) -> list[list[Answer]]:
    """Return what each version answers to the same requests, as :func:`predict_batch` does.

    Versions that see the same features have them read once: that is what takes the time.
    """
    chosen = Policies.of(config.serve) if policies is None else policies
    known: list[tuple[Predictor, list[Found]]] = []
    answers = []
    for predictor in predictors:
        judged = next((found for other, found in known if _sees_the_same(other, predictor)), None)
        if judged is None:
            judged = [
                let_through(request, one, chosen) if isinstance(one, FeatureAnswer) else one
                for request, one in zip(
                    requests,
                    read_offline(config, predictor, requests, blocks=blocks, ray_address=ray_address),
                    strict=True,
                )
            ]
            known.append((predictor, judged))
        answers.append(scored(predictor, requests, judged, Source.OFFLINE))
    return answers


def _sees_the_same(one: Predictor, other: Predictor) -> bool:
    if one.service.views != other.service.views or one.shapes != other.shapes:
        return False
    asked, others = one.service.request, other.service.request
    if asked is None or others is None:
        return asked is others
    # Expressions compare as themselves: of one repository they are the same objects.
    return (asked.name, asked.inputs, asked.features) == (others.name, others.inputs, others.features)
