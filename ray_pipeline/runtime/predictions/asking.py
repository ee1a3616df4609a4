"""Ask a model by its name: one question of the online store, or many of the offline tables; and publish the answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.live import answer
from ray_pipeline.runtime.predictions.policy import Answer, Policies
from ray_pipeline.runtime.predictions.prediction import Prediction
from ray_pipeline.runtime.predictions.predictor import Predictor, open_predictor
from ray_pipeline.runtime.predictions.publish import PublishedPredictions, publish_predictions
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.runtime.predictions.request import AS_OF, read_request
from ray_pipeline.runtime.predictions.request_file import read_request_file, written_values

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.connectors.online import OnlineSettings


def open_model_version(
    config: PipelineConfig, which: str, *, repo: FeatureRepo | None = None
) -> tuple[Predictor, FeatureRepo]:
    """Open ``NAME``, which is its champion, or ``NAME/VERSION``, and return the feature repository with it."""
    from ray_pipeline.connectors.feast.repo import load_repo
    from ray_pipeline.runtime.models.promotion import open_registry

    name, _, version = which.partition("/")
    registry = open_registry(config)
    manifest = registry.resolve(name, version or "champion")
    found = load_repo(config) if repo is None else repo
    return open_predictor(config, manifest, registry=registry, repo=found), found


def ask_one(
    config: PipelineConfig,
    predictor: Predictor,
    values: Mapping[str, str],
    *,
    new_id: Callable[[], str],
    as_of: datetime | None = None,
) -> Answer:
    """Answer one question, whose values are written as text, from the online store: now, or as of ``as_of``."""
    from ray_pipeline.connectors.online import open_online

    document = written_values(predictor.fields, values)
    if as_of is not None:
        document[AS_OF] = as_of
    request = read_request(predictor.fields, document, allow_as_of=True, new_id=new_id)
    settings = _online(config)
    store = open_online(settings)
    try:
        return answer(predictor, store, [request], Policies.of(config.serve), clock=settings.clock)[0]
    finally:
        store.close()


def ask_batch(
    config: PipelineConfig, predictor: Predictor, file: Path, *, as_of: datetime | None = None
) -> list[Answer]:
    """Answer the requests of a file, each as of its own moment; ``as_of`` is that of those that name none."""
    return predict_batch(
        config, predictor, read_request_file(file, predictor.fields, predictor.manifest.name, as_of=as_of)
    )


def ask_questions(
    config: PipelineConfig,
    predictor: Predictor,
    start: datetime,
    end: datetime,
    *,
    repo: FeatureRepo | None = None,
) -> list[Answer]:
    """Answer the questions of the model's label set that were asked at ``start <= t < end``."""
    return predict_batch(config, predictor, questions(config, predictor, start, end, repo=repo))


def publish_answers(config: PipelineConfig, predictions: Sequence[Prediction]) -> PublishedPredictions:
    """Publish the answers as events: as of now, or where the online store's clock is a replay's, as they were asked."""
    from ray_pipeline.connectors.online.settings import ClockKind

    return publish_predictions(config, predictions, replay=_online(config).clock is ClockKind.REPLAY)


def _online(config: PipelineConfig) -> OnlineSettings:
    from ray_pipeline.connectors.feast.repo import repo_folder
    from ray_pipeline.connectors.online import online_settings

    return online_settings(repo_folder(config), config)
