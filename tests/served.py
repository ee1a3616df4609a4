"""A lake of real flights whose model is served on a private Ray, with the embedded broker behind it."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from confluent_kafka import Consumer, TopicPartition

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.connectors.feast.repo import FeatureRepo, load_repo
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.online.settings import default_file
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.runtime.models.promotion import promote
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from ray_pipeline.serve.client import Reply, Serving
from tests.flight_lake import FlightLake
from tests.prediction_lake import PredictionLake
from tests.prediction_models import MODEL_NAME, SPEC, online_of, registered

TOKEN = "canary-token-7f3a"
TOPICS = {"departures": 2, "arrivals": 2, "weather": 2, "predictions": 2}


@dataclass(frozen=True)
class ModelLake:
    """Two versions of a model, online values, and no champion yet."""

    lake: PredictionLake
    repo: FeatureRepo
    first: ModelManifest
    second: ModelManifest

    def config(self, broker: EmbeddedBroker, *settings: str) -> PipelineConfig:
        """The pipeline's configuration, with a broker that is there."""
        chosen = [f"kafka.bootstrap.servers={broker.bootstrap_servers}", f"serve.model={MODEL_NAME}", "serve.port=0"]
        return load_config(self.lake.file, [*chosen, *settings])

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(self.lake.store, self.lake.config.pipeline)

    def promote(self, number: int) -> None:
        promote(self.lake.config, MODEL_NAME, number, reason="a test", who="a test", repo=self.repo)


def model_lake(folder: Path, source: FlightLake) -> ModelLake:
    """Copy a lake of flights, train two versions on it, and fill its online store for all its days.

    Models and online values that other tests made in ``source`` stay there.
    """
    bare: Any = None
    lake = PredictionLake(folder, source, bare)
    path = default_file(lake.config)
    assert path is not None
    shutil.rmtree(path.parents[1] / "_models", ignore_errors=True)
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    repo = load_repo(lake.config)
    first = registered(lake, repo=repo)
    second = registered(lake, spec=replace(SPEC, seed=8, parameters={**SPEC.parameters, "max_iter": 15}), repo=repo)
    online_of(lake, path, days=5).close()
    return ModelLake(lake, repo, first, second)


def document(request: PredictionRequest) -> dict[str, Any]:
    """The request as a client sends it."""
    said = {**request.values, "request_id": request.request_id}
    said |= {} if request.as_of is None else {"as_of": request.as_of}
    said |= {} if request.label_key is None else {"flight_id": request.label_key}
    found: dict[str, Any] = json.loads(json.dumps(said, default=lambda moment: moment.isoformat()))
    return found


def ask_all(found: Serving, documents: Sequence[Mapping[str, Any]], clients: int = 4) -> list[Reply]:
    """Ask everything over a few connections that are kept, and return the answers in the questions' order."""
    with ThreadPoolExecutor(clients) as pool:
        shares = list(pool.map(lambda n: _ask_share(found, documents[n::clients]), range(clients)))
    answers: list[Reply] = [Reply(0, None)] * len(documents)
    for number, share in enumerate(shares):
        answers[number::clients] = share
    return answers


def _ask_share(found: Serving, documents: Sequence[Mapping[str, Any]]) -> list[Reply]:
    connection = http.client.HTTPConnection(urlsplit(found.url).netloc, timeout=60)
    headers = {"Content-Type": "application/json"}
    if found.token is not None:
        headers["Authorization"] = f"Bearer {found.token.get_secret_value()}"
    replies = []
    for one in documents:
        connection.request("POST", "/predict", json.dumps(one), headers)
        answer = connection.getresponse()
        replies.append(Reply(answer.status, json.loads(answer.read())))
    connection.close()
    return replies


def replicas() -> list[psutil.Process]:
    """The replicas that this process started, through Ray."""
    return [one for one in psutil.Process().children(recursive=True) if "ServeReplica" in _command(one)]


def listening(process: psutil.Process) -> set[tuple[str, int]]:
    """Addresses and ports on which a process listens."""
    found = [at.laddr for at in process.net_connections(kind="tcp") if at.status == psutil.CONN_LISTEN]
    return {(at.ip.removeprefix("::ffff:"), at.port) for at in found}


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ends
        return ""


def events_on(broker: EmbeddedBroker, topic: str, partitions: int) -> list[tuple[bytes, bytes, int]]:
    """Everything that a topic has: key, value and timestamp."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "reader"})
    found: list[tuple[bytes, bytes, int]] = []
    try:
        for number in range(partitions):
            _, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
            consumer.assign([TopicPartition(topic, number, 0)])
            seen = 0
            while seen < high:
                message = consumer.poll(10)
                assert message is not None and message.error() is None
                found.append((message.key(), message.value(), message.timestamp()[1]))
                seen += 1
    finally:
        consumer.close()
    return found
