"""A desk with fakes behind it, and a client that speaks ASGI to the application itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ray_pipeline.config.serve import ServeConfig
from ray_pipeline.errors import NoModelError, PredictionLogError
from ray_pipeline.features.reading import Status
from ray_pipeline.features.shape import ValueType
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.features.answers import FeatureValue
from ray_pipeline.runtime.predictions.policy import Answer
from ray_pipeline.runtime.predictions.prediction import Prediction, PredictionRequest, Source
from ray_pipeline.runtime.predictions.request import RequestField, read_request
from ray_pipeline.serve.app import App, make_app
from ray_pipeline.serve.desk import Desk

MODEL = "late_arrival"
NOON = datetime(2013, 2, 23, 12, tzinfo=UTC)
FIELDS = (
    RequestField("origin", ValueType.STRING, "key", True),
    RequestField("distance", ValueType.INT64, "request", True),
    RequestField("due", ValueType.TIMESTAMP, "request", False),
    RequestField("flight_id", ValueType.STRING, "label_key", False),
)
GOOD: dict[str, Any] = {"origin": "EWR", "distance": 719}


def manifest(number: int) -> ModelManifest:
    """A version that says no more than it has to."""
    return ModelManifest(
        name=MODEL,
        number=number,
        created_at="2013-03-01T00:00:00Z",
        created_by="a test",
        estimator="none",
        parameters={},
        seed=0,
        columns=(),
        calibrator={},
        service="flight_delay",
        views=(),
        request=None,
        request_definition=None,
        label_set="late_arrival",
        label_key="flight_id",
        training={"name": "late", "version": "1"},
        metrics={},
        importance=(),
        predictions_sha256="",
        files={},
        types=(),
        code={},
    )


def prediction(request: PredictionRequest, version: int, statuses: Mapping[str, Status] | None = None) -> Prediction:
    """An answer of a version, with a feature of each kind."""
    said = statuses or {}
    values: dict[str, Any] = {
        "origin_last_2h__departures": 12,
        "tail__late": True,
        "tail__seen": NOON,
        "tail__note": "x",
    }
    features = {
        name: FeatureValue(
            value if name not in said else None, said.get(name, Status.PRESENT), NOON if name not in said else None
        )
        for name, value in values.items()
    }
    return Prediction(
        request=request,
        as_of=request.as_of or NOON,
        probability=0.25,
        model=MODEL,
        version=version,
        file_sha256="0" * 64,
        training_set="late/1",
        features=features,
        views={"origin_last_2h": "departures", "tail": "arrivals"},
        source=Source.ONLINE,
    )


@dataclass
class FakeVersion:
    """A version that answers as it is told to."""

    number: int = 1
    replay: bool = False
    fields: Sequence[RequestField] = FIELDS
    then: Callable[[PredictionRequest], Answer] | None = None
    trouble: Exception | None = None

    @property
    def manifest(self) -> ModelManifest:
        return manifest(self.number)

    def read(self, document: Mapping[str, Any]) -> PredictionRequest:
        return read_request(self.fields, document, allow_as_of=self.replay, new_id=lambda: "made-1")

    def answer(self, request: PredictionRequest) -> Answer:
        return self.then(request) if self.then is not None else prediction(request, self.number)

    def probe(self) -> None:
        if self.trouble is not None:
            raise self.trouble


@dataclass
class FakeRegistry:
    """A registry of numbers: the champion can be moved, and the store be away."""

    champion: int | None = 1
    moves: int = 1
    away: Exception | None = None
    asked: int = 0

    def promote(self, number: int | None) -> None:
        self.champion, self.moves = number, self.moves + 1

    def revision(self, name: str) -> int:
        self.asked += 1
        if self.away is not None:
            raise self.away
        return self.moves

    def resolve(self, name: str) -> ModelManifest:
        if self.champion is None:
            raise NoModelError(name, "no version is champion")
        return manifest(self.champion)


@dataclass
class Counts:
    queued: int = 0
    delivered: int = 0
    failed: int = 0


@dataclass
class FakeLog:
    """A topic whose brokers answer when the test says so."""

    events: list[tuple[bytes, dict[str, Any], int]] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    reports: list[Callable[[str | None], None]] = field(default_factory=list)
    full: str | None = None
    trouble: str | None = None
    lossy: bool = False
    acknowledge: bool = True
    """Whether the brokers have an event at once; else a test settles ``reports``."""
    refuse: str | None = None
    closed: bool = False

    @property
    def counts(self) -> Counts:
        return Counts(delivered=len(self.events))

    def put(
        self, key: bytes, value: bytes, timestamp_ms: int, report: Callable[[str | None], None] | None = None
    ) -> None:
        if self.full is not None:
            raise PredictionLogError("predictions", self.full)
        self.events.append((key, json.loads(value), timestamp_ms))
        self.values.append(value)
        if report is not None and self.acknowledge:
            threading.Thread(target=report, args=(self.refuse,)).start()
        elif report is not None:
            self.reports.append(report)

    def probe(self, seconds: float = 1.0) -> str | None:
        return self.trouble

    def close(self, seconds: float = 5.0) -> int:
        self.closed = True
        return 0


@dataclass
class World:
    """One replica, its parts, and its application."""

    desk: Desk
    app: App
    registry: FakeRegistry
    log: FakeLog
    version: FakeVersion

    def settle(self) -> None:
        """Do once what the threads of a desk do again and again."""
        self.desk.champion.look()
        self.desk.health.check("online_store")
        self.desk.health.check("topic")


def world(version: FakeVersion | None = None, *, champion: bool = True, **settings: Any) -> World:
    """A desk whose threads do not run: what they would find out is looked at once, here."""
    registry, log, first = FakeRegistry(1 if champion else None), FakeLog(), version or FakeVersion()
    config = ServeConfig(model=MODEL, **settings)
    desk = Desk(
        config,
        pipeline="flights",
        registry=registry,
        open_version=lambda found: first if found.number == first.number else FakeVersion(found.number),
        log=log,
        replica="r1",
    )
    made = World(desk, make_app(desk), registry, log, first)
    made.settle()
    return made


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


async def call(
    app: App,
    path: str = "/predict",
    body: bytes | Sequence[bytes] | dict[str, Any] = b"",
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
    stall: bool = False,
    leave: bool = False,
) -> Got:
    """Make one request. ``stall``: the body never ends; ``leave``: the client goes before it does."""
    method = method or ("POST" if path == "/predict" else "GET")
    chunks = (
        [json.dumps(body).encode()] if isinstance(body, dict) else [body] if isinstance(body, bytes) else list(body)
    )
    sent = {"content-type": "application/json", **(headers or {})}
    messages: list[dict[str, Any]] = []
    waiting = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    waiting[-1]["more_body"] = stall or leave

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        if not leave:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(dict(message))

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
    }
    await app(scope, receive, send)
    if not messages:
        return Got(0, {}, b"")
    start, end = messages
    return Got(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, end["body"])


@asynccontextmanager
async def alive(app: App) -> AsyncIterator[None]:
    """Let the application live as a server does: startup before, shutdown after."""
    to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def send(message: Any) -> None:
        await from_app.put(dict(message))

    task = asyncio.create_task(app({"type": "lifespan"}, to_app.get, send))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await to_app.put({"type": "lifespan.shutdown"})
        assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
        await task
