"""``ray job submit … python -m ray_pipeline train``: a training as a job of a cluster, as any other verb."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_pipeline.runtime.models.promotion import open_registry
from ray_pipeline.runtime.training_sets import find_training_sets
from ray_pipeline.runtime.wiring import open_lake
from tests.e2e.conftest import BIN
from tests.e2e.readme_blocks import REPOSITORY
from tests.flight_lake import FIRST, FlightLake
from tests.servers.ray_head import RayHead

MODEL = """
name: late
training_set: late.yaml
parameters: {max_iter: 10}
keys: [carrier]
bootstrap: 10
"""
TRAINING_SET = """
name: late
labels: late_arrival
service: flight_delay
from: 2013-02-05T00:00:00Z
to: 2013-02-07T00:00:00Z
splits:
  train: 2013-02-06T00:00:00Z
  validation: 2013-02-06T16:00:00Z
  test: 2013-02-07T00:00:00Z
"""

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def head() -> Iterator[RayHead]:
    head = RayHead()
    head.start({"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"})
    try:
        yield head
    finally:
        head.stop()


def submitted(head: RayHead, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Submit a training with the package as its working directory, and wait for its end."""
    checkout = home / "checkout"
    checkout.mkdir(exist_ok=True)
    if not (checkout / "ray_pipeline").exists():
        (checkout / "ray_pipeline").symlink_to(REPOSITORY / "ray_pipeline")
    command = ["ray", "job", "submit", "--working-dir", ".", "--", "python", "-m", "ray_pipeline", "train", *words]
    environment = {"HOME": str(home), "PATH": f"{BIN}{os.pathsep}/usr/bin:/bin", **head.client}
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=240, check=False
    )


def test_a_training_is_a_job_of_the_cluster(head: RayHead, tmp_path: Path) -> None:
    lake = FlightLake(tmp_path)
    lake.publish_days(FIRST, 3)
    lake.gate()
    lake.build()
    (tmp_path / "model.yaml").write_text(MODEL)
    (tmp_path / "late.yaml").write_text(TRAINING_SET)
    words = (str(tmp_path / "model.yaml"), "--config", str(lake.file))

    trained = submitted(head, tmp_path, *words, "--output", "json")
    assert trained.returncode == 0, trained.stdout + trained.stderr
    [document] = [json.loads(line) for line in trained.stdout.splitlines() if line.startswith('{"outcome"')]
    assert (document["version"]["number"], document["created"]) == (1, True)
    registry = open_registry(lake.config)
    assert registry.aliases("late") == {"challenger": 1}
    [used] = find_training_sets(lake.config, open_lake(lake.config))
    assert document["training_set"] == f"{used.name}/{used.version}"

    stopped = submitted(head, tmp_path, *words, "--set", "pipeline=nothing")
    assert stopped.returncode == 1, "the job failed"
    assert "has no curated snapshot yet" in stopped.stdout + stopped.stderr
