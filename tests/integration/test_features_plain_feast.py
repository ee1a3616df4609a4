"""A Feast without this package reads the same registry and the same tables, and gets the same training rows."""

from __future__ import annotations

import json
import subprocess
import sysconfig
import venv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.connectors.feast import apply_repo, feature_store, load_repo
from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog
from ray_pipeline.connectors.iceberg.feature_table import FeatureTable, build_summary
from ray_pipeline.features.history import offline_schema

ROOT = Path(__file__).parents[2]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START = datetime(2013, 3, 1, tzinfo=UTC)
VIEWS = ("weather_at_origin", "origin_last_2h", "route_last_24h")
AIRPORTS = ("EWR", "JFK", "LGA")
CHILD = """
import importlib.util, json, sys
import pandas as pd
from feast import FeatureStore

assert importlib.util.find_spec("ray_pipeline") is None, "this environment has our package"
store = FeatureStore(repo_path=sys.argv[1])
labels = pd.read_json(sys.argv[2], orient="records", convert_dates=False)
labels["event_timestamp"] = pd.to_datetime(labels["event_timestamp"], utc=True)
rows = store.get_historical_features(
    labels, json.loads(sys.argv[3]), full_feature_names=True, filter_by_created_timestamp=True
).to_df()
assert not [name for name in sys.modules if name.split(".")[0] == "ray_pipeline"]
print("ROWS", rows.to_json(orient="records", date_format="iso", date_unit="us", double_precision=15))
"""
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:feast"),
    pytest.mark.filterwarnings("ignore::UserWarning:feast"),
    pytest.mark.filterwarnings("ignore::FutureWarning:feast"),
]


def environment_without_us(folder: Path) -> Path:
    """An interpreter that has every installed package but this one; nothing is copied."""
    installed = Path(sysconfig.get_paths()["purelib"])
    shared = folder / "packages"
    shared.mkdir(parents=True)
    for package in installed.iterdir():
        if "ray_pipeline" not in package.name:
            (shared / package.name).symlink_to(package)
    venv.create(folder / "venv", symlinks=True)
    (own,) = (folder / "venv/lib").glob("python*/site-packages")
    (own / "shared.pth").write_text(f"{shared}\n")
    return folder / "venv/bin/python"


@pytest.fixture
def config(tmp_path: Path) -> PipelineConfig:
    return load_config(ROOT / "configs/local.yaml", [f"store={tmp_path / 'lake'}"])


def fill(config: PipelineConfig, rng: Random, tmp: Path) -> None:
    """Make the tables of some views: histories with corrections that became known later."""
    repo = load_repo(config)
    with open_feature_catalog(config) as catalog:
        for name in VIEWS:
            shape = repo.view(name).shape
            schema = offline_schema(shape)
            table = catalog.ensure(name, schema)
            rows: list[dict[str, Any]] = []
            for minute in sorted(rng.sample(range(3 * 24 * 60), 250)):
                event = START + timedelta(minutes=minute, microseconds=rng.randrange(1_000_000))
                for created in sorted({event + timedelta(seconds=rng.choice((0, 1, 1800))) for _ in range(2)}):
                    keys = {key.name: rng.choice(AIRPORTS) for key in shape.keys}
                    values = {one.name: rng.choice((None, rng.randrange(100))) for one in shape.features}
                    times = {"event_timestamp": event, "created_timestamp": created}
                    rows.append({**keys, **values, **times, "_offsets": [{"partition": 0, "first": 1, "last": minute}]})
            write(table, schema, rows, tmp / name)


def write(table: FeatureTable, schema: pa.Schema, rows: list[dict[str, Any]], folder: Path) -> None:
    """Publish the rows as a build does: whole days, in one snapshot."""
    folder.mkdir(parents=True)
    columns = table.columns(schema)
    days: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        days.setdefault((row["event_timestamp"] - EPOCH).days, []).append(row)
    files = {}
    for day, found in days.items():
        files[day] = [str(folder / f"{day}.parquet")]
        pq.write_table(pa.Table.from_pylist(found, schema=schema).cast(columns), files[day][0])
    summary = build_summary(run_id="test", definition="d", inputs={}, horizon_us=None, offsets=())
    table.replace_days(0, files, summary, after=-1, columns=columns)


def questions(rng: Random) -> pd.DataFrame:
    moments = [START + timedelta(seconds=rng.randrange(4 * 24 * 3600)) for _ in range(200)]
    return pd.DataFrame(
        {
            "origin": [rng.choice((*AIRPORTS, "BOS")) for _ in moments],
            "destination": [rng.choice(AIRPORTS) for _ in moments],
            "event_timestamp": pd.to_datetime(sorted(moments), utc=True),
        }
    ).drop_duplicates(ignore_index=True)


def comparable(rows: list[dict[str, Any]], names: list[str]) -> list[tuple[Any, ...]]:
    return sorted(tuple(str(row[name]) if row[name] is None else row[name] for name in names) for row in rows)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_unmodified_feast_with_duckdb_gets_the_same_training_rows(config: PipelineConfig, tmp_path: Path) -> None:
    pytest.importorskip("ibis")
    rng = Random(5)
    apply_repo(config)
    fill(config, rng, tmp_path / "files")
    labels = questions(rng)
    features = [
        f"{view.name}:{one.name}"
        for view in load_repo(config).views
        if view.name in VIEWS
        for one in view.shape.features
    ]
    ours = (
        feature_store(config)
        .get_historical_features(labels, features, full_feature_names=True, filter_by_created_timestamp=True)
        .to_df()
    )

    repo = tmp_path / "plain"
    repo.mkdir()
    registry = Path(config.store, "flights/_features/registry.db")
    (repo / "feature_store.yaml").write_text(
        f"project: flights\nprovider: local\nregistry: {{registry_type: file, path: {registry}}}\n"
        f"offline_store: {{type: duckdb}}\nonline_store: {{type: sqlite, path: {repo}/online.db}}\n"
        "entity_key_serialization_version: 3\n"
    )
    labels.to_json(repo / "labels.json", orient="records", date_format="iso", date_unit="us")
    done = subprocess.run(
        [environment_without_us(tmp_path / "env"), "-I", "-c", CHILD, repo, repo / "labels.json", json.dumps(features)],
        cwd=repo,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (said,) = (line for line in done.stdout.splitlines() if line.startswith("ROWS "))
    theirs = json.loads(said.removeprefix("ROWS "))
    told = json.loads(ours.to_json(orient="records", date_format="iso", date_unit="us", double_precision=15))
    names = ["event_timestamp", "origin", "destination", *(one.replace(":", "__") for one in features)]
    assert len(told) == len(labels)
    assert any(row["origin_last_2h__departures"] is not None for row in told)
    assert comparable(theirs, names) == comparable(told, names)
