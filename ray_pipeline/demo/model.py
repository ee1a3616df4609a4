"""The demo's part about the model: trained, asked in a batch and over HTTP, judged by what came true."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from ray_pipeline.errors import PredictionLogError
from ray_pipeline.model.spec import read_model_spec
from ray_pipeline.runtime.ingest import ingest
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.train import train
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.performance import measure_performance
from ray_pipeline.runtime.predictions.policy import told_apart
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.publish import publish_predictions
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.runtime.predictions.rebuilt import verify_predictions
from ray_pipeline.runtime.ray_session import ray_session
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.serve.up import serving
from ray_pipeline.types import Outcome

from .events import flight_id
from .features import HOUR
from .features import SPEC as EXAMPLE
from .flights import Days, read_flights, read_zones
from .timed import timed
from .times import with_true_times

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.model.spec import ModelSpec
    from ray_pipeline.runtime.jobs.gate import GateRunReport
    from ray_pipeline.runtime.jobs.train_report import TrainReport
    from ray_pipeline.runtime.predictions.performance import PerformanceReport
    from ray_pipeline.runtime.predictions.rebuilt import VerifyReport

    from .features import FeatureStory
    from .plan import DemoPlan

DEMO, MODEL = "the demo", "late_arrival"
PREDICTIONS = "predictions"
SPEC = Path("configs/flights/late_arrival_model.yaml")
LIVE = 100
"""Flights that are asked about over HTTP."""


@dataclass(frozen=True, slots=True)
class ModelStory:
    """What became of the model."""

    trained: TrainReport
    batch: int
    """Flights that the model was asked about afterwards, each as of its own moment."""
    asked: Mapping[str, Any]
    """The first request over HTTP …"""
    answered: Mapping[str, Any]
    """… and its answer."""
    live: int
    """Requests over HTTP, one after the other."""
    seconds: Sequence[float]
    """How long each took, for the one who asked."""
    landed: int
    """Prediction events that landed: every answer has one."""
    gated: GateRunReport
    performance: PerformanceReport
    same: VerifyReport
    timings: Mapping[str, float]

    @property
    def answers(self) -> int:
        """Answers that were given, in the batch and over HTTP."""
        return self.batch + self.live

    def surprises(self) -> list[str]:
        """Return what must not be, as sentences."""
        found = []
        if self.landed != self.answers:
            found.append(f"predictions: {self.landed:,} events landed of {self.answers:,} answers")
        if self.same.outcome is Outcome.BROKEN:
            found.append("predictions: features of an answer are not those that its moment knew")
        return found


def tell_model(
    config: PipelineConfig, plan: DemoPlan, features: FeatureStory, say: Callable[[str], None]
) -> ModelStory:
    """Train on the features' training set, promote, ask in a batch and over HTTP, land the answers, judge them."""
    timings: dict[str, float] = {}
    with ray_session():
        say("model: training on the first days, calibrating on later ones, testing on the last")
        with timed(timings, "train"):
            trained = train(config, _spec(features), who=DEMO, reason="the first one", promote=True)
        registry = ModelRegistry(open_lake(config), config.pipeline)
        say("model: asking about every flight of the last days, each as of an hour before it was to leave")
        with timed(timings, "batch"):
            test = trained.version.training["splits"][-1]
            start, end = (datetime.fromisoformat(test[name]) for name in ("from", "to"))
            predictor = open_predictor(config, registry.resolve(MODEL), registry=registry)
            asked = questions(config, predictor, start, end)
            predictions, _later = told_apart(predict_batch(config, predictor, asked))
            publish_predictions(config, predictions, replay=True)
        say("model: serving it with Ray Serve, asking about the flights that leave next")
        with timed(timings, "serve"):
            coming = live_requests(plan, LIVE)
            free = config.serve.model_copy(update={"port": 0})  # whatever listens on the usual one goes on
            with serving(config.model_copy(update={"serve": free})) as served:
                answered, seconds = _ask(served.url, coming)
        say("model: its answers are events: landing and gating them")
        with timed(timings, "land"):
            landed = ingest(config, until_end=True, replay=True).datasets[PREDICTIONS].landed
            gated = run_gate(config, (PREDICTIONS,), at=plan.ends_at)
    say("model: joining its answers with what came true, and building their features once more")
    with timed(timings, "judge"):
        performance = measure_performance(config, MODEL)
        same = verify_predictions(config)
    return ModelStory(
        trained=trained,
        batch=len(predictions),
        asked=coming[0],
        answered=answered[0],
        live=len(answered),
        seconds=seconds,
        landed=landed,
        gated=gated,
        performance=performance,
        same=same,
        timings=timings,
    )


def live_requests(plan: DemoPlan, number: int) -> list[dict[str, Any]]:
    """Return what is asked about the timetable's next flights: none of them is in a topic."""
    flights = with_true_times(read_flights(Days(plan.start + timedelta(days=plan.days), 1)), read_zones())
    coming = (
        flights.filter(pl.col("scheduled_departure") >= plan.ends_at + HOUR, pl.col("tailnum").is_not_null())
        .sort("scheduled_departure", "origin", "carrier", "flight")
        .head(number)
        .with_columns(flight_id=flight_id())
    )
    return [
        {
            "origin": row["origin"],
            "destination": row["dest"],
            "carrier": row["carrier"],
            "tail_number": row["tailnum"],
            "scheduled_departure_at": row["scheduled_departure"].isoformat(),
            "flight_id": row["flight_id"],
        }
        for row in coming.iter_rows(named=True)
    ]


def _spec(features: FeatureStory) -> ModelSpec:
    """Return the example's spec, on the training set that is there."""
    spec = read_model_spec(SPEC)
    assert features.training is not None
    if features.spec == EXAMPLE:
        return spec
    return replace(spec, training_set=f"{features.training.name}/{features.training.version}")


def _ask(url: str, requests: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """Ask one question after the other over one connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    answers, seconds = [], []
    try:
        for request in requests:
            began = time.perf_counter()
            connection.request("POST", "/predict", json.dumps(request), {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
            seconds.append(time.perf_counter() - began)
            if response.status != http.client.OK:
                raise PredictionLogError(PREDICTIONS, f"the model answered {response.status}: {body.decode()[:300]}")
            answers.append(json.loads(body))
    finally:
        connection.close()
    return answers, seconds
