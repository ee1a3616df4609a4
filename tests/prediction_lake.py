"""A copy of the three days of flights that answers may land in, and outcomes that come late or are corrected."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ray_pipeline.demo.events import TOPICS
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.event import event_of
from ray_pipeline.runtime.predictions.policy import told_apart
from ray_pipeline.runtime.predictions.prediction import Prediction
from ray_pipeline.runtime.predictions.predictor import Predictor, open_predictor
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.testing.clock import FrozenClock
from tests.flight_lake import FlightLake
from tests.gate_lake import GateLake
from tests.gate_shop import LATER

FLIGHTS = Path(__file__).parent.parent / "contracts" / "flights"
FEATURES = Path(__file__).parent.parent / "configs" / "flights"


class PredictionLake(FlightLake):
    """What landed is the copy's own; curated and feature tables stay where they were made, and are only read."""

    def __init__(self, folder: Path, source: FlightLake, manifest: ModelManifest) -> None:
        shutil.copytree(source.file.parent / "lake", folder / "lake")
        contracts: dict[str, Path | str] = {name: FLIGHTS / f"{name}.odcs.yaml" for name in (*TOPICS, "predictions")}
        GateLake.__init__(self, folder, contracts, pipeline="flights", more=f"features: {{repo: '{FEATURES}'}}")
        self.clock = FrozenClock(LATER)
        self.manifest = manifest

    @cached_property
    def predictor(self) -> Predictor:
        registry = ModelRegistry(self.store, self.config.pipeline)
        return open_predictor(self.config, self.manifest, registry=registry)

    def predict(self, start: datetime, end: datetime) -> list[Prediction]:
        """Answer every question that landed of a range."""
        asked = questions(self.config, self.predictor, start, end, landed=True)
        return told_apart(predict_batch(self.config, self.predictor, asked))[0]

    def land_predictions(self, events: Iterable[Mapping[str, Any]], at: datetime | None = None) -> None:
        """Land events, as published when they were asked for, or all at one moment."""
        shares: dict[int, list[tuple[int, Mapping[str, Any]]]] = {0: [], 1: []}
        for event in events:
            moment = datetime.fromisoformat(event["occurred_at"]) if at is None else at
            shares[len(event["request_id"]) % 2].append((int(moment.timestamp() * 1000), event))
        for partition, share in shares.items():
            if share:
                landed = self.land(
                    "predictions", [event for _, event in share], partition=partition, published=[ms for ms, _ in share]
                )
                assert landed.bad == 0, landed.by_rule


def events_of(predictions: Iterable[Prediction]) -> list[dict[str, Any]]:
    """Return the events as a client would read them."""
    return [json.loads(json.dumps(event_of(one))) for one in predictions]


def utc(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """Return a moment of February 2013."""
    return datetime(2013, 2, day, hour, minute, tzinfo=UTC)
