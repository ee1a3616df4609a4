"""A shop whose orders are sent back or not, by an amount; from a day on the other way round. With views and a model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.runtime.jobs.features_build import build_features
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.train import train
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.event import event_of
from ray_pipeline.runtime.predictions.policy import told_apart
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.testing.clock import FrozenClock
from tests.gate_lake import GateLake

FLIGHTS = Path(__file__).parent.parent / "contracts" / "flights"
MODEL = "sent_back"
FIRST = datetime(2026, 3, 1, tzinfo=UTC)
PER_DAY = 48
_HEAD = "apiVersion: v3.2.0\nkind: DataContract\nid: shop.NAME\nversion: 1.0.0\nstatus: active\nschema:\n"
ORDERS = (
    _HEAD.replace("NAME", "orders")
    + """\
  - id: orders
    name: orders
    logicalType: object
    properties:
      - {name: order_id, logicalType: string, required: true, unique: true}
      - {name: customer_id, logicalType: string, required: true}
      - {name: placed_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: amount, logicalType: number, required: true}
    quality:
      - {id: volume, type: library, metric: rowCount, mustBeBetween: [3, 1000], unit: rows, severity: error}
customProperties:
  - {property: eventTime, value: placed_at}
"""
)
RETURNS = (
    _HEAD.replace("NAME", "returns")
    + """\
  - id: returns
    name: returns
    logicalType: object
    properties:
      - {name: order_id, logicalType: string, required: true, unique: true}
      - {name: decided_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: sent_back, logicalType: boolean, required: true}
customProperties:
  - {property: eventTime, value: decided_at}
"""
)
REPO = """\
from datetime import timedelta

from feast import Entity, ValueType

from ray_pipeline.connectors.feast import feature_service, feature_view
from ray_pipeline.features import count, field, label_set, request_features

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
customer_last_day = feature_view(
    "customer_last_day",
    entity=customer,
    dataset="orders",
    keys={"customer_id": "customer_id"},
    features={"orders": count()},
    window=timedelta(hours=24),
)
basket = request_features("basket", inputs={"amount": "float64"}, features={"price": field("amount")})
shopping = feature_service("shopping", [customer_last_day], request=basket)
sent_back = label_set(
    "sent_back",
    requests="orders",
    keys={"customer_id": "customer_id", "amount": "amount"},
    asked_at="placed_at",
    outcomes="returns",
    on="order_id",
    label="sent_back",
)
"""
STORE = """\
project: shop
provider: local
offline_store: {type: ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore, pipeline: ../config.yaml}
online_store: {type: ray_pipeline.connectors.feast.sqlite.GuardedSqliteOnlineStore}
batch_engine: ray_pipeline.connectors.feast.engine.ReconcilingComputeEngine
registry: {registry_store_type: ray_pipeline.connectors.feast.registry.LakeRegistryStore}
entity_key_serialization_version: 3
"""
TRAINING = """\
name: sent_back
labels: sent_back
service: shopping
from: 2026-03-01T00:00:00Z
to: 2026-03-15T00:00:00Z
splits: {train: 2026-03-08T00:00:00Z, validation: 2026-03-11T00:00:00Z, test: 2026-03-15T00:00:00Z}
"""
SPEC = """\
name: sent_back
training_set: sent_back.yaml
parameters: {max_iter: 20, min_samples_leaf: 10}
seed: 7
bootstrap: 50
"""
POLICY = {
    "spec": "./repo/model.yaml",
    "judge_days": 8,
    "calibrate_days": 3,
    "history_days": 20,
    "min_judged": 100,
    "min_new_labels": 100,
    "resamples": 200,
    "cooldown_days": 3,
    "watch_days": 7,
}


class RetrainLake(GateLake):
    """The shop: orders and returns of some days landed, gated and built; a champion of the first two weeks."""

    def __init__(self, folder: Path, policy: dict[str, Any] | None = None) -> None:
        repo = folder / "repo"
        repo.mkdir(parents=True)
        for name, text in {
            "feature_store.yaml": STORE,
            "features.py": REPO,
            "sent_back.yaml": TRAINING,
            "model.yaml": SPEC,
        }.items():
            (repo / name).write_text(text)
        sections = {
            "features": {"repo": "./repo", "online": False},
            "serve": {"model": MODEL},
            "retrain": {**POLICY, **(policy or {})},
        }
        more = "\n".join(f"{name}: {json.dumps(section)}" for name, section in sections.items())
        contracts = {"orders": ORDERS, "returns": RETURNS, "predictions": FLIGHTS / "predictions.odcs.yaml"}
        super().__init__(folder, contracts, more=more)
        self.clock = FrozenClock(FIRST + timedelta(days=90))
        self.registry = ModelRegistry(self.store, self.config.pipeline)

    def live(self, days: Iterable[int], *, turned: Iterable[int] = (), seed: int = 1) -> None:
        """Land some days (0 is the first of March); of those that are ``turned`` the concept is the opposite."""
        orders: list[tuple[int, dict[str, Any]]] = []
        returns: list[tuple[int, dict[str, Any]]] = []
        other = set(turned)
        for day in days:
            rng = np.random.default_rng([seed, day])
            for number in range(PER_DAY):
                placed = FIRST + timedelta(days=day, minutes=number * (1440 // PER_DAY))
                decided = placed + timedelta(hours=2)
                amount = round(float(rng.uniform(1, 100)), 2)
                likely = (amount > 50) != (day in other)
                name = f"d{day}-{number}"
                order = {"order_id": name, "customer_id": f"c{number % 7}", "placed_at": _text(placed)}
                orders.append((_ms(placed), order | {"amount": amount}))
                back = bool(rng.random() < (0.85 if likely else 0.15))
                answer = {"order_id": name, "decided_at": _text(decided), "sent_back": back}
                returns.append((_ms(decided), answer))
        for dataset, events in (("orders", orders), ("returns", returns)):
            landed = self.land(dataset, [one for _, one in events], published=[ms for ms, _ in events])
            assert landed.bad == 0, landed.by_rule

    def prepare(self) -> None:
        """Gate what landed, and build the features."""
        run_gate(self.config, ("orders", "returns"), at=self.clock.now())
        build_features(self.config)

    def crown(self) -> None:
        """Train the first champion."""
        train(self.config, self.file.parent / "repo" / "model.yaml", who="ann", reason="the first", promote=True)

    def answer(self, first: int, until: int) -> None:
        """Let the champion answer the orders of some days, each as of its moment, and land the answers."""
        predictor = open_predictor(self.config, self.registry.resolve(MODEL), registry=self.registry)
        asked = questions(self.config, predictor, day(first), day(until))
        predictions, refused = told_apart(predict_batch(self.config, predictor, asked))
        assert not refused
        events = [json.loads(json.dumps(event_of(one))) for one in predictions]
        moments = [_ms(datetime.fromisoformat(one["occurred_at"])) for one in events]
        assert self.land("predictions", events, published=moments).bad == 0

    def champion(self) -> int | None:
        return self.registry.aliases(MODEL).get("champion")

    def with_policy(self, **changes: Any) -> PipelineConfig:
        """Return the configuration with another policy."""
        return load_config(self.file, [f"retrain.{name}={json.dumps(value)}" for name, value in changes.items()])


def day(number: float) -> datetime:
    """Return midnight of a day; 0 is the first of March."""
    return FIRST + timedelta(days=number)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
