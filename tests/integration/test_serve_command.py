"""``ray-pipeline serve up``, ``status`` and ``down``, as a person types them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.serve.client import Serving
from ray_pipeline.serve.listening import free_port
from tests.flight_lake import FlightLake
from tests.served import TOPICS, model_lake
from tests.servers.ray_head import RayHead

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_up_says_where_status_says_what_and_down_ends_it(flight_lake: FlightLake, tmp_path: Path) -> None:
    models = model_lake(tmp_path, flight_lake)
    topics = {name: count for name, count in TOPICS.items() if name != "predictions"}
    with EmbeddedBroker(topics) as broker:
        sets = [f"kafka.bootstrap.servers={broker.bootstrap_servers}", "serve.model=late_arrival", "serve.port=0"]
        chosen = ["--config", str(models.lake.file), *(word for one in sets for word in ("--set", one))]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        environment.pop("RAY_ADDRESS", None)
        # Ray's sockets need a short path, so its own files stay where they are.
        environment["RAY_TMPDIR"] = "/tmp"

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "ray_pipeline", "serve", *words, *chosen]
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

        assert (run("status").returncode, run("down").stdout) == (3, "nothing is served\n")
        command = [sys.executable, "-m", "ray_pipeline", "serve", "up", *chosen]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            line = process.stdout.readline()
            assert line.startswith("http://127.0.0.1:") and "POST /predict" in line
            status = run("status", "--output", "json")
            found = json.loads(status.stdout)
            assert (status.returncode, found["up"], found["ready"], found["pid"]) == (3, True, False, process.pid)
            assert found["reasons"]["champion"].startswith("model late_arrival: no version is champion")
            again = run("up")
            assert again.returncode == 2 and "served on this machine already" in again.stderr
            models.promote(models.first.number)
            said = next(line for line in process.stderr if line.startswith("ready"))
            assert said == "ready: late_arrival/1 answers\n"
            status = run("status")
            assert status.returncode == 0 and "ready: late_arrival/1" in status.stdout
            down = run("down")
            assert (down.returncode, down.stdout) == (0, "ended\n")
            assert process.wait(60) == 0
            left = process.stderr.read()
            assert "ending" in left and "Traceback" not in left
        assert run("status").returncode == 3


def test_on_a_cluster_up_deploys_and_returns_and_once_more_takes_new_settings(
    flight_lake: FlightLake, tmp_path: Path
) -> None:
    models = model_lake(tmp_path, flight_lake)
    models.promote(models.first.number)
    head = RayHead()
    with EmbeddedBroker(TOPICS) as broker:
        head.start({})
        try:
            environment = {**os.environ, **head.client}
            port = free_port("127.0.0.1", 0)
            sets = [f"kafka.bootstrap.servers={broker.bootstrap_servers}", "serve.model=late_arrival"]
            sets += [f"serve.port={port}", "serve.token=canary-4d1e"]
            chosen = ["--config", str(models.lake.file), *(word for one in sets for word in ("--set", one))]

            def run(*words: str) -> subprocess.CompletedProcess[str]:
                command = [sys.executable, "-m", "ray_pipeline", "serve", *words, *chosen]
                command += ["--ray-address", f"127.0.0.1:{head._ports['port']}"]
                return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150)

            def replica() -> str:
                found = Serving(f"http://127.0.0.1:{port}", "late_arrival", SecretStr("canary-4d1e")).ready()
                return str(found.body["replica"])

            first = run("up")
            assert first.returncode == 0, first.stderr
            assert first.stdout.startswith(f"http://127.0.0.1:{port}: POST /predict")
            status = run("status", "--output", "json")
            found = json.loads(status.stdout)
            assert (status.returncode, found["version"], found["replicas"]) == (0, 1, {"RUNNING": 1})
            name = replica()
            assert run("up", "--set", "serve.on_missing=refuse").returncode == 0
            assert replica() != name
            assert [path for path in head.logs() if b"canary-4d1e" in path.read_bytes()] == []
            assert run("down").stdout == "ended\n"
            assert run("status").returncode == 3
            assert run("down").stdout == "nothing is served\n"
        finally:
            head.stop()
