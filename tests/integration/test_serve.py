"""A champion on Ray Serve, asked over HTTP: what is answered, what is kept of it, and who may ask."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.event import event_of
from ray_pipeline.runtime.predictions.policy import told_apart
from ray_pipeline.runtime.predictions.prediction import Source
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.publish import timestamp_ms
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.runtime.predictions.same import Rebuilt, compare
from ray_pipeline.serve.app import answer_json
from ray_pipeline.serve.client import Serving
from ray_pipeline.serve.up import serving
from ray_pipeline.types import Outcome
from tests.flight_lake import ROOT, FlightLake
from tests.prediction_lake import utc
from tests.served import TOKEN, TOPICS, ModelLake, ask_all, document, events_on, listening, model_lake, replicas

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass(frozen=True)
class Served:
    models: ModelLake
    broker: EmbeddedBroker
    serving: Serving

    def get(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Ask as anybody can."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.serving.url + path, data=body, headers=named)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)


@pytest.fixture(scope="module")
def served(local_ray: None, flight_lake: FlightLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = model_lake(tmp_path_factory.mktemp("served"), flight_lake)
    models.promote(models.first.number)
    with EmbeddedBroker(TOPICS) as broker:
        config = models.config(broker, f"serve.token={TOKEN}", "serve.max_ongoing=8")
        with serving(config, ray_address="local") as found:
            yield Served(models, broker, found)


@pytest.mark.parametrize(("first", "count"), [(0, 60), pytest.param(60, 1100, marks=pytest.mark.slow)])
def test_requests_over_http_are_what_a_batch_answers_and_their_events_keep_the_contract(
    served: Served, first: int, count: int
) -> None:
    models = served.models
    predictor = open_predictor(models.lake.config, models.first, registry=models.registry, repo=models.repo)
    asked = questions(models.lake.config, predictor, utc(5), utc(7), landed=True, repo=models.repo)
    asked = asked[first : first + count]
    assert len(asked) == count
    replies = ask_all(served.serving, [document(one) for one in asked])
    batch, refused = told_apart(predict_batch(models.lake.config, predictor, asked))
    assert not refused
    assert {reply.status for reply in replies} == {200}
    assert [reply.body for reply in replies] == [json.loads(json.dumps(answer_json(one))) for one in batch]

    ids = {one.request.request_id.encode() for one in batch}
    events = [one for one in events_on(served.broker, "predictions", TOPICS["predictions"]) if one[0] in ids]
    by_id = {json.loads(value)["request_id"]: json.loads(value) for _, value, _ in events}
    assert len(events) == len(by_id) == len(asked)
    expected = {one.request.request_id: event_of(one) | {"source": Source.ONLINE.value} for one in batch}
    assert by_id == json.loads(json.dumps(expected))
    verdicts = load_contract(ROOT / "contracts" / "flights" / "predictions.odcs.yaml").validate(
        [value for _, value, _ in events]
    )
    assert verdicts.by_rule() == {}
    moments = {one.request.request_id.encode(): timestamp_ms(one.as_of) for one in batch}
    assert {key: at for key, _, at in events} == moments
    report = compare(by_id.values(), {one.request.request_id: Rebuilt.of(one) for one in batch})
    assert report.outcome is Outcome.HELD, "\n".join(report.as_lines())
    assert report.share == 1.0


def test_the_pages_say_what_a_replica_is_and_what_can_be_asked(served: Served) -> None:
    holder = {"Authorization": f"Bearer {TOKEN}"}
    assert served.get("/healthz")[0] == 200
    status, body, _ = served.get("/readyz")
    assert status == 200 and json.loads(body)["model"] == {"name": "late_arrival", "version": 1}
    served.serving.ask({})
    text = served.get("/metrics", **holder)[1].decode()
    assert 'serve_model_version{model="late_arrival"} 1.0' in text
    assert 'serve_requests_total{code="missing_field",status="422"}' in text
    found: Any = json.loads(served.get("/openapi.json", **holder)[1])
    schema = found["components"]["schemas"]["Request"]
    assert {"origin", "carrier", "flight_id", "request_id", "as_of"} <= set(schema["properties"])
    assert "origin" in schema["required"] and schema["additionalProperties"] is False
    assert b"<code>origin</code>" in served.get("/docs", **holder)[1]


def test_whoever_has_no_token_learns_nothing(served: Served) -> None:
    for path in ("/metrics", "/openapi.json", "/docs"):
        assert served.get(path)[0] == 401
    assert served.get("/predict", b"{}", content_type="application/json")[0] == 401


def test_ten_megabytes_are_refused_and_the_next_request_is_answered(served: Served) -> None:
    headers = {"content_type": "application/json", "authorization": f"Bearer {TOKEN}"}
    status, body, _ = served.get("/predict", b'{"a": "' + b"x" * 10_000_000 + b'"}', **headers)
    assert (status, json.loads(body)["error"]["code"]) == (413, "body_too_large")
    status, body, _ = served.get("/predict", b"[" * 60_000, **headers)
    assert (status, json.loads(body)["error"]["code"]) == (400, "not_json")


def test_no_replica_listens_to_other_machines(served: Served) -> None:
    found = {address for one in replicas() for address, _ in listening(one)}
    assert found
    assert found <= {"127.0.0.1", "::1"}


def test_rays_control_store_and_its_logs_know_no_secret(served: Served) -> None:
    import ray
    from ray.experimental import internal_kv

    kept = [
        internal_kv._internal_kv_get(key, namespace=space) or b""
        for space in (b"serve", None)
        for key in internal_kv._internal_kv_list(b"", namespace=space)
    ]
    assert any(b"predictions" in one for one in kept)  # the deployment itself is there
    assert not [one for one in kept if TOKEN.encode() in one]
    logs = Path(ray._private.worker._global_node.get_session_dir_path(), "logs")
    found = [path for path in logs.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert found == []
