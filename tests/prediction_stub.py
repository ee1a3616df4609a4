"""A predictor of one small view without a lake: what unit tests ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from ray_pipeline.features import aggregates
from ray_pipeline.features.requests import feature_definitions, request_definition, request_features
from ray_pipeline.features.service import Service, ServiceView
from ray_pipeline.features.shape import KeyShape, ValueType
from ray_pipeline.model.columns import ColumnKind, ModelColumn, RowEncoder
from ray_pipeline.model.manifest import MODEL, FileFact, ModelManifest, TrainedView
from ray_pipeline.runtime.features.answers import FeatureValue
from ray_pipeline.runtime.predictions.prediction import Prediction, PredictionRequest, Source
from ray_pipeline.runtime.predictions.predictor import Predictor
from ray_pipeline.runtime.predictions.request import RequestField
from ray_pipeline.testing.online import MemoryOnlineStore
from tests.feature_oracle import BASE, HOUR, MINUTE, OracleEvent, feature_shape, view_shape
from tests.online_states import write_events

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AT = EPOCH + timedelta(microseconds=BASE + 10 * MINUTE)
LIVE = replace(
    view_shape([feature_shape("n", aggregates.Kind.COUNT, "")], window=2 * HOUR, ttl=4 * HOUR),
    name="live",
    keys=(KeyShape("origin", ValueType.STRING),),
)
CALENDAR = request_features("calendar", inputs={"due": "timestamp"}, features={"hour": pl.col("due").dt.hour()})
FIELDS = (
    RequestField("origin", ValueType.STRING, "key", required=True),
    RequestField("due", ValueType.TIMESTAMP, "request", required=True),
    RequestField("carrier", ValueType.STRING, "key", required=True),
    RequestField("flight_id", ValueType.STRING, "label_key", required=False),
)
COLUMNS = (
    ModelColumn("live__n", ColumnKind.NUMBER),
    ModelColumn("calendar__hour", ColumnKind.NUMBER),
    ModelColumn("carrier", ColumnKind.CATEGORY, ("AA", "UA")),
)
SERVICE = Service("asked", (ServiceView("live", ("n",)),), CALENDAR)
MANIFEST = ModelManifest(
    name="late",
    number=3,
    created_at="2026-01-01T00:00:00Z",
    created_by="tests",
    estimator="stub",
    parameters={},
    seed=0,
    columns=COLUMNS,
    calibrator={"kind": "none"},
    service="asked",
    views=(TrainedView("live", "live", LIVE.definition, 1),),
    request="calendar",
    request_definition=request_definition(feature_definitions(CALENDAR)),
    label_set="labels",
    label_key="flight_id",
    training={"name": "set", "version": "v1"},
    metrics={},
    importance=(),
    predictions_sha256="0" * 64,
    files={MODEL: FileFact("a" * 64, 1)},
    types=(),
    code={},
)


class StubModel:
    """Says a hundredth of the sum of what it is given, and what it was given."""

    columns = COLUMNS

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._row = RowEncoder(COLUMNS)

    def encode(self, values: Mapping[str, Any], asked_us: int) -> Any:
        return self._row(values, asked_us)

    def predict(self, rows: Any) -> Any:
        self.seen.append(rows)
        return np.nansum(rows, axis=1) / 100


def predictor(model: Any = None) -> Predictor:
    return Predictor(MANIFEST, model or StubModel(), SERVICE, {"live": LIVE}, FIELDS)


def request(number: int = 1, as_of: datetime | None = AT, **values: Any) -> PredictionRequest:
    said = {"origin": "EWR", "due": EPOCH + timedelta(hours=7), "carrier": "UA"}
    return PredictionRequest(f"r{number}", said | values, as_of, f"f{number}")


def store() -> MemoryOnlineStore:
    """A store with six events of EWR in two partitions."""
    made = MemoryOnlineStore()
    events = [OracleEvent('["EWR"]', BASE + n * MINUTE, BASE + n * MINUTE, n % 2, n, (None,)) for n in range(6)]
    write_events(made, LIVE, events, newest=BASE + 10 * MINUTE)
    return made


def prediction(features: Mapping[str, FeatureValue], **more: Any) -> Prediction:
    return Prediction(
        request=more.get("request", request()),
        as_of=more.get("as_of", AT),
        probability=more.get("probability", 0.25),
        model="late",
        version=3,
        file_sha256="a" * 64,
        training_set="set/v1",
        features=features,
        views=more.get("views", {"live": "data"}),
        source=Source.ONLINE,
    )
