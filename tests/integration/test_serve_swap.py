"""A champion is replaced while it is asked: no request fails, and one that cannot load replaces nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.model.manifest import MODEL
from ray_pipeline.runtime.models.promotion import rollback
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.serve.client import Reply, Serving
from ray_pipeline.serve.up import serving
from tests.flight_lake import FlightLake
from tests.prediction_lake import utc
from tests.prediction_models import MODEL_NAME
from tests.served import TOPICS, ModelLake, ask_all, document, events_on, model_lake

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
PATIENCE = 60.0


@dataclass
class Load:
    """Clients that ask without a pause, one question after the other."""

    serving: Serving
    documents: list[dict[str, Any]]
    replies: list[Reply] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @contextmanager
    def running(self, clients: int = 3) -> Iterator[None]:
        stop = threading.Event()
        threads = [threading.Thread(target=self._ask, args=(stop, number)) for number in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)

    def wait(self, enough: Callable[[list[Reply]], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: enough(self.replies), PATIENCE)

    def _ask(self, stop: threading.Event, client: int) -> None:
        asked = 0
        while not stop.is_set():
            one = self.documents[(client * 7 + asked) % len(self.documents)]
            some = [{**one, "request_id": f"load-{client}-{asked + number}"} for number in range(5)]
            found = ask_all(self.serving, some, clients=1)
            asked += len(some)
            with self.changed:
                self.replies.extend(found)
                self.changed.notify_all()


def answered_by(number: int, count: int = 5) -> Callable[[list[Reply]], bool]:
    return lambda replies: all(reply.body["model"]["version"] == number for reply in replies[-count:])


def wait_ready(found: Serving, is_it: Callable[[Any], bool]) -> Any:
    """Wait until /readyz says what is waited for."""
    clock = threading.Event()
    for _ in range(int(PATIENCE * 10)):
        reply = found.ready()
        if is_it(reply.body):
            return reply.body
        clock.wait(0.1)
    raise AssertionError(reply)


def test_from_no_champion_to_one_to_another_and_back(local_ray: None, flight_lake: FlightLake, tmp_path: Path) -> None:
    models = model_lake(tmp_path, flight_lake)
    predictor = open_predictor(models.lake.config, models.first, registry=models.registry, repo=models.repo)
    asked = questions(models.lake.config, predictor, utc(5), utc(6), landed=True, repo=models.repo)[:40]
    documents = [document(one) for one in asked]
    with EmbeddedBroker(TOPICS) as broker:
        config = models.config(broker, "serve.refresh_seconds=0.2")
        with serving(config, ray_address="local", ready_within=None) as found:
            reply = found.ask(documents[0])
            assert (reply.status, reply.body["error"]["code"]) == (503, "no_champion")
            assert "champion" in found.ready().body["reasons"]

            models.promote(models.first.number)
            found.wait_ready(PATIENCE)
            load = Load(found, documents)
            with load.running():
                load.wait(lambda replies: len(replies) >= 20)
                models.promote(models.second.number)
                load.wait(answered_by(2))
                _spoil_and_promote(models, found)
                so_far = len(load.replies)
                load.wait(lambda replies: len(replies) >= so_far + 20)
                assert answered_by(2)(load.replies)
                rollback(config, MODEL_NAME, reason="a test", who="a test", repo=models.repo)
                rollback(config, MODEL_NAME, reason="a test", who="a test", repo=models.repo)
                load.wait(answered_by(1))
                wait_ready(found, lambda body: not body["warnings"])
            assert {reply.status for reply in load.replies} == {200}
            assert {reply.body["model"]["version"] for reply in load.replies} == {1, 2}
            given = {reply.body["request_id"].encode() for reply in load.replies}
        # The block has ended: everything that was answered is on the topic.
        assert given <= {key for key, _, _ in events_on(broker, "predictions", TOPICS["predictions"])}


def _spoil_and_promote(models: ModelLake, found: Serving) -> None:
    """Make champion what cannot load, past the check of ``promote``: a file of which half is there."""
    registry = models.registry
    third = replace(models.second, number=0, predictions_sha256="f" * 64)
    data = registry.file(models.second, MODEL)
    manifest, created = registry.add(replace(third, files={}), {MODEL: data[: len(data) // 2]})
    assert created and manifest.number == 3
    registry.move(MODEL_NAME, "champion", 3, expected=2, who="a test", reason="a test", kind="promote")
    body = wait_ready(found, lambda body: bool(body["warnings"]))
    assert body["ready"] and body["model"]["version"] == 2
    assert "late_arrival/3" in body["warnings"]["champion"]
