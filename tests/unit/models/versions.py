"""Model versions for tests: what a training would say of them, without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from ray_pipeline.errors import StoreUnavailableError
from ray_pipeline.model.columns import ColumnKind, ModelColumn
from ray_pipeline.model.manifest import MODEL, ModelManifest, TrainedView
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore

NAME, PIPELINE = "late", "flights"
MANIFEST = ModelManifest(
    name=NAME,
    number=0,
    created_at="2013-03-01T06:00:00.000000Z",
    created_by="ann",
    estimator="sklearn.ensemble.HistGradientBoostingClassifier",
    parameters={"learning_rate": 0.06},
    seed=2013,
    columns=(
        ModelColumn("carrier", ColumnKind.CATEGORY, ("AA", "UA")),
        ModelColumn("weather__gust", ColumnKind.NUMBER),
    ),
    calibrator={"kind": "sigmoid", "a": 1.0, "b": 0.0},
    service="late_arrival",
    views=(TrainedView("weather", "weather_now", "d1", 77),),
    request="departure_request",
    request_definition="r1",
    label_set="arrived_late",
    label_key="flight_id",
    training={
        "name": "late_arrival",
        "version": "abc-1",
        "content_hash": "c0ffee",
        "sha256": "5a5a",
        "rows": 1200,
        "splits": [
            {"name": "train", "from": "2013-01-01", "to": "2013-02-01", "rows": 1000, "label_rate": 0.24},
            {"name": "test", "from": "2013-02-01", "to": "2013-02-08", "rows": 200, "label_rate": 0.2},
        ],
        "excluded": {"no outcome": 3},
        "curated": {
            "departures": {
                "snapshot": 91,
                "decision": 4,
                "contract": {"id": "flights.departures", "version": "1.2.0", "digest": "dd"},
                "rows": 1300,
                "offsets": [{"partition": 0, "first": 0, "last": 1299}],
            }
        },
        "views": [{"name": "weather", "view": "weather_now", "snapshot": 77}],
        "spec": {"name": "late_arrival"},
    },
    metrics={},
    importance=({"name": "weather__gust", "drop": 0.021, "low": 0.01, "high": 0.03},),
    predictions_sha256="p1",
    files={},
    types=("sklearn._loss.link.LogitLink",),
    code={"ray_pipeline": "0.1.0", "python": "3.11.9", "scikit-learn": "1.9.0"},
    spec={"name": NAME, "seed": 2013},
)


def version(training: str = "p1", **changes: Any) -> ModelManifest:
    """Return a version before it has a number; what ``training`` says tells two trainings apart."""
    return replace(MANIFEST, predictions_sha256=training, **changes)


def files(training: str = "p1") -> dict[str, bytes]:
    """Return the files of a version."""
    return {MODEL: f"model of {training}".encode(), "page.html": b"<html></html>"}


def registry(store: Any | None = None, seed: int = 0) -> ModelRegistry:
    """Return a registry that nobody waits for."""
    found = MemoryStore() if store is None else store
    return ModelRegistry(found, PIPELINE, clock=FrozenClock(), rng=Random(seed))


def with_versions(count: int, store: Any | None = None) -> ModelRegistry:
    """Return a registry with versions 1 to ``count`` of one model."""
    found = registry(store)
    for number in range(1, count + 1):
        found.add(version(f"p{number}"), files(f"p{number}"))
    return found


class FaultyStore:
    """A store as one caller sees it: at chosen calls its reply is lost, it does not answer, or somebody comes first."""

    def __init__(self, truth: MemoryStore, faults: Mapping[int, str | Callable[[], object]]) -> None:
        self.truth, self.faults, self.calls, self.url = truth, dict(faults), 0, truth.url

    def uri(self, key: str) -> str:
        return self.truth.uri(key)

    def get(self, key: str) -> bytes | None:
        return self._do(lambda: self.truth.get(key))

    def put(self, key: str, data: bytes) -> None:
        raise AssertionError("nothing of a registry is ever written over")

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._do(lambda: self.truth.put_if_absent(key, data), False)

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._do(lambda: list(self.truth.list(prefix))))

    def delete(self, key: str) -> None:
        raise AssertionError("a registry deletes nothing")

    def _do(self, effect: Callable[[], Any], repeated: Any = None) -> Any:
        self.calls += 1
        fault = self.faults.pop(self.calls, None)
        if fault == "no answer":
            raise StoreUnavailableError(self.url, "answer", "simulated")
        if fault == "lost reply":
            effect()
            raise StoreUnavailableError(self.url, "answer", "simulated")
        if fault == "repeated":  # the connector tried twice, and its second try met the object of its first
            effect()
            return effect() if repeated is None else repeated
        if callable(fault):
            fault()
        return effect()
