"""``serve.direct``: clients talk to the replicas, on the port that the configuration names and on no other machine."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.serve.client import NotServedError
from ray_pipeline.serve.listening import free_port
from ray_pipeline.serve.up import serving
from tests.flight_lake import FlightLake
from tests.served import TOPICS, listening, model_lake, replicas

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
MORNING = {"as_of": "2013-02-06T08:00:00Z"}


def test_replicas_share_the_configured_port_and_one_that_crashed_comes_back_to_it(
    local_ray: None, flight_lake: FlightLake, tmp_path: Path
) -> None:
    models = model_lake(tmp_path, flight_lake)
    models.promote(models.first.number)
    port = free_port("127.0.0.1", 0)
    with EmbeddedBroker(TOPICS) as broker:
        config = models.config(broker, "serve.direct=true", f"serve.port={port}")
        with serving(config, ray_address="local") as found:
            assert found.url == f"http://127.0.0.1:{port}"
            reply = found.ask(MORNING)
            assert (reply.status, reply.body["error"]["code"]) == (422, "missing_field")
            for one in replicas():
                found_at = listening(one)
                assert ("127.0.0.1", port) in found_at
                assert {address for address, _ in found_at} <= {"127.0.0.1", "::1"}
            before = {one.pid for one in replicas()}
            for one in replicas():
                one.kill()
            clock = threading.Event()
            for _ in range(600):
                now = {one.pid for one in replicas()} - before
                try:
                    if now and found.ready().status == 200:
                        break
                except NotServedError:
                    pass
                clock.wait(0.1)
            assert found.ready().status == 200
        with pytest.raises(NotServedError):
            found.ready()
