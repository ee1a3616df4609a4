"""A whole run keeps the example's online values: embedded broker, Ray, SQLite, and an actor that is killed midway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ray_pipeline.config import load_config
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.connectors.online import open_online
from ray_pipeline.demo.events import streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.features.reading import Status
from ray_pipeline.features.state import read_states
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.online_backfill import backfill
from ray_pipeline.runtime.features.status import features_status
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.testing.online import MemoryOnlineStore
from ray_pipeline.types import Outcome

ROOT = Path(__file__).parents[2]
PARTITIONS = {"departures": 2, "arrivals": 2, "weather": 1}
FEAST_WARNS = pytest.mark.filterwarnings("ignore::DeprecationWarning:feast", "ignore::DeprecationWarning:pydantic")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "configs" / "flights", tmp_path / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    datasets = "\n".join(f"  {name}: {{contract: {ROOT}/contracts/flights/{name}.odcs.yaml}}" for name in PARTITIONS)
    file = tmp_path / "config.yaml"
    file.write_text(
        "pipeline: flights\nkafka: {bootstrap.servers: '${BROKER:-127.0.0.1:1}'}\nstore: ./lake\n"
        f"ingest: {{actors: 2, commit_every: {{records: 300}}}}\nfeatures: {{repo: ./flights}}\ndatasets:\n{datasets}\n"
    )
    return file


@FEAST_WARNS
@pytest.mark.ray
@pytest.mark.slow
def test_a_run_with_a_killed_actor_leaves_every_online_value(config: Path, tmp_path: Path) -> None:
    topics = {**PARTITIONS, **{f"{name}.dead-letters": n for name, n in PARTITIONS.items()}}
    made = streams(Days(date(2013, 1, 1), 2))
    with EmbeddedBroker(topics) as broker:
        with Publisher({"bootstrap.servers": broker.bootstrap_servers}) as publisher:
            for name in PARTITIONS:
                for event in made[name].events():
                    publisher.publish(name, event.key, event.value, event.timestamp_ms)
        done = subprocess.run(
            [sys.executable, "-m", "ray_pipeline", "ingest", "-c", str(config), "--until-end", "-o", "json"],
            env={
                **os.environ,
                "BROKER": broker.bootstrap_servers,
                "RAY_PIPELINE_FAILPOINT": "before_feature_write:2",
                "RAY_PIPELINE_FAILPOINT_ONCE": str(tmp_path / "killed"),
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "killed").exists(), "nobody was killed"
    counts = json.loads(done.stdout)
    assert counts["departures"]["online"].keys() == {"origin_last_2h", "carrier_last_24h", "route_last_24h"}
    assert all(view["lag"] == 0 for dataset in counts.values() for view in dataset["online"].values())

    pipeline = load_config(config)
    assert features_status(pipeline).outcome() is Outcome.HELD
    views, settings = stream_fed(pipeline)
    assert settings is not None
    online, anew = open_online(settings), MemoryOnlineStore()
    assert backfill(pipeline, views, settings, anew, open_pipeline(pipeline).store).outcome is Outcome.HELD
    assert sorted(map(repr, anew.marks())) == sorted(map(repr, online.marks()))
    for view in views:
        entities = anew.entities(view.name, 10_000)
        assert online.entities(view.name, 10_000) == entities
        shape = view.shape
        assert online.read_states(shape.name, shape.definition, entities) == anew.read_states(
            shape.name, shape.definition, entities
        )
    _counts_as_a_plain_loop(config, views, online)
    online.close()


def _counts_as_a_plain_loop(config: Path, views, online) -> None:  # type: ignore[no-untyped-def]
    """Compare one view at one moment with a count by hand."""
    newest = max(mark.published_us for mark in online.marks("origin_last_2h"))
    at = datetime.fromtimestamp(newest // 60_000_000 * 60, UTC)  # states hold no more of the past than they must
    rows = open_pipeline(config).read("departures", ["origin", "cancelled", "occurred_at", "_timestamp"]).to_pylist()
    expected = Counter(
        row["origin"]
        for row in rows
        if not row["cancelled"] and at - timedelta(hours=2) < row["occurred_at"] <= at and row["_timestamp"] <= at
    )
    shape = next(view.shape for view in views if view.name == "origin_last_2h")
    for origin in ("EWR", "JFK", "LGA"):
        states = online.read_states(shape.name, shape.definition, [json.dumps([origin])])[0]
        found = read_states(shape, [row.state for row in states], int(at.timestamp() * 1_000_000))
        assert (found.status, found.values[0]) == (Status.PRESENT, expected[origin])
