"""A month's questions, answered twice: by the champion, whose answers are published, and by the frozen first model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ray_pipeline.runtime.predictions.batch import predict_versions
from ray_pipeline.runtime.predictions.policy import told_apart
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.publish import publish_predictions
from ray_pipeline.runtime.predictions.questions import questions

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.model.manifest import ModelManifest
    from ray_pipeline.runtime.models.registry import ModelRegistry

    from .year_plan import YearPlan


@dataclass(frozen=True, slots=True)
class Answered:
    """What was asked of a month, and what the first model would have said."""

    flights: int
    """Of the timetable, asked about or not."""
    published: int
    refused: int
    champion: str
    """Who answered, as ``late_arrival/2``."""
    frozen: Mapping[str, float]
    """Request id → probability by the first model."""


def answer_month(
    config: PipelineConfig,
    plan: YearPlan,
    registry: ModelRegistry,
    repo: FeatureRepo,
    champion: ModelManifest,
    frozen: ModelManifest,
    start: datetime,
    end: datetime,
) -> Answered:
    """Ask about the plan's share of the flights that are asked about at ``start <= t < end``, and publish the answers.

    Each question is answered as of its own moment. The first model's answers are compared, and not published.
    """
    predictors = [open_predictor(config, champion, registry=registry, repo=repo)]
    if frozen.number != champion.number:
        predictors.append(open_predictor(config, frozen, registry=registry, repo=repo))
    every = questions(config, predictors[0], start, end, repo=repo)
    asked = [one for one in every if one.label_key is not None and plan.is_asked(one.label_key)]
    answers = predict_versions(config, predictors, asked)
    predictions, refusals = told_apart(answers[0])
    said = {one.request.request_id: one.probability for one in told_apart(answers[-1])[0]}
    publish_predictions(config, predictions, replay=True)
    return Answered(len(every), len(predictions), len(refusals), champion.shown, said)
