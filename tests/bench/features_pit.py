"""The point-in-time join beside one polars as-of join of the same files, and beside Feast's own Ray store.

    python -m tests.bench.features_pit [labels, default 1,000,000] [rows, default 10,000,000]

A million labels of 100,000 entities meet ten million rows of a year. Both sides read the same Parquet files and give
the same table. The join runs as tasks on a Ray that is up; what starting one takes is printed apart. Feast's Ray store
is asked at a size it survives, through Feast's API, as ours is; both on the same Ray, each once before it is timed.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.connectors.feast.ray_join import FeatureFile, ViewPlan, join_views
from ray_pipeline.runtime.ray_session import ray_session
from tests.bench.cpu import Meter, run

KIND = pa.timestamp("us", "UTC")
FIRST = datetime(2013, 1, 1, tzinfo=UTC)
YEAR = 365 * 86_400_000_000
TTL = timedelta(days=7)
FILES = 12
SMALL = (1_000, 50_000)
SCHEMA = pa.schema(
    [
        ("user", pa.int64()),
        ("event_timestamp", KIND),
        ("created_timestamp", KIND),
        ("count", pa.int64()),
        ("mean", pa.float64()),
    ]
)


class Bare(Meter):
    """Without what looking at the processes takes: on a machine with many of them that is a good part."""

    def _poll(self) -> None:
        super()._poll()
        self._own = time.thread_time()

    def __exit__(self, *seen: object) -> None:
        super().__exit__(*seen)
        self.cpu_seconds -= self._own


def make(folder: Path, labels: int, rows: int, files: int, entities: int) -> None:
    """Write the labels as one file and the rows as some, each a part of the year as a table by day would have them."""
    random = np.random.default_rng(2013)
    begin = int(FIRST.timestamp() * 1_000_000)
    (folder / "rows").mkdir(parents=True)
    for i in range(files):
        count = rows // files
        event = begin + YEAR * i // files + random.integers(0, YEAR // files, count)
        columns = [
            random.integers(0, entities, count),
            pa.array(event).cast(KIND),
            pa.array(event + random.integers(0, 3_600_000_000, count)).cast(KIND),
            random.integers(0, 1_000, count),
            random.normal(size=count),
        ]
        pq.write_table(pa.table(columns, schema=SCHEMA), folder / "rows" / f"{i:02}.parquet")
    asked = pa.array(begin + random.integers(0, YEAR, labels)).cast(KIND)
    table = pa.table({"user": random.integers(0, entities, labels), "event_timestamp": asked})
    pq.write_table(table, folder / "labels.parquet")


def ours(folder: Path, known: bool) -> pa.Table:
    """Join as the store does."""
    labels = pq.read_table(folder / "labels.parquet")
    held = sorted((folder / "rows").glob("*.parquet"))
    plan = ViewPlan(
        "spending",
        {"user": "user"},
        {"count": "count", "mean": "mean"},
        SCHEMA,
        "event_timestamp",
        "created_timestamp",
        TTL // timedelta(microseconds=1),
        known,
        tuple(FeatureFile(str(path), path.stat().st_size) for path in held),
    )
    return join_views(labels, [plan])


def theirs(folder: Path) -> pl.DataFrame:
    """Join as a person would in polars: both sides by time, one as-of join, the labels' order again."""
    labels = pl.read_parquet(folder / "labels.parquet").with_row_index("label").sort("event_timestamp")
    rows = pl.read_parquet(folder / "rows" / "*.parquet").drop("created_timestamp").sort("event_timestamp")
    joined = labels.join_asof(rows, on="event_timestamp", by="user", tolerance=TTL, check_sortedness=False)
    return joined.sort("label").drop("label")


def polars_alone(folder: Path) -> None:
    """Time polars in a process of its own, the second time, and print it."""
    for _ in range(2):
        with Bare() as meter:
            theirs(folder)
    print(json.dumps({"wall": meter.wall_seconds, "cpu": meter.cpu_seconds, "peak": meter.peak_rss_bytes}))


def feast_seconds(folder: Path, section: dict[str, Any], known: int = 2) -> tuple[float, float]:
    """Ask one of Feast's stores for the small table, through Feast's API; return wall and CPU seconds of the last."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64, Int64

    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(folder / f"{section['type'].rpartition('.')[2]}.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store=section,
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    source = FileSource(
        path=str(folder / "rows" / "00.parquet"),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    schema = [Field(name="user", dtype=Int64), Field(name="count", dtype=Int64), Field(name="mean", dtype=Float64)]
    store.apply([user, FeatureView(name="spending", entities=[user], ttl=TTL, schema=schema, source=source)])
    labels = pd.read_parquet(folder / "labels.parquet")
    for _ in range(known):
        with Bare() as meter:
            store.get_historical_features(labels, features=["spending:count", "spending:mean"]).to_arrow()
    return meter.wall_seconds, meter.cpu_seconds


def main() -> None:
    """Run both comparisons and print their ratios."""
    if sys.argv[1:2] == ["polars"]:
        polars_alone(Path(sys.argv[2]))
        return
    labels, rows = (int(sys.argv[i].replace(",", "")) if len(sys.argv) > i else n for i, n in ((1, 10**6), (2, 10**7)))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make(folder / "large", labels, rows, FILES, max(1, labels // 10))
        make(folder / "small", *SMALL, 1, 1_000)
        alone = json.loads(
            run([sys.executable, "-m", "tests.bench.features_pit", "polars", str(folder / "large")]).output
        )
        began = time.monotonic()
        with ray_session("local"):
            ours(folder / "large", known=False)  # workers start, and import what they need
            print(f"starting Ray and a first join: {time.monotonic() - began:.1f} s")
            large(folder / "large", alone, labels, rows)
            small(folder / "small")


def large(folder: Path, alone: dict[str, float], labels: int, rows: int) -> None:
    """Print what a join of many labels costs beside polars."""
    print(f"{labels:,} labels x {rows:,} rows; polars: {alone['wall']:.1f} s, {alone['cpu']:.1f} CPU-s")
    for known in (False, True):
        with Bare() as meter:
            found = ours(folder, known)
        said = "as of known" if known else "as of event"
        print(
            f"join_views, {said}: {meter.wall_seconds:.1f} s, {meter.cpu_seconds:.1f} CPU-s; "
            f"{meter.wall_seconds / alone['wall']:.2f} x polars' wall, "
            f"{meter.cpu_seconds / alone['cpu']:.2f} x its CPU (goal: <= 2)"
        )
        if not known:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(f"the driver's peak memory: {peak:.2f} GiB (goal: < 1.86, which is 2 GB)")
            same = pl.DataFrame(found).select("count", "mean").equals(theirs(folder).select("count", "mean"))
            print(f"the same table as polars': {'yes' if same else 'NO'}")


def small(folder: Path) -> None:
    """Print what Feast's Ray store takes beside ours, and beside the join alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wall, cpu = feast_seconds(folder, {"type": "ray", "storage_path": str(folder / "ray")})
        own_wall, own_cpu = feast_seconds(
            folder, {"type": "ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore"}, known=5
        )
    print(
        f"{SMALL[0]:,} labels x {SMALL[1]:,} rows through Feast: its Ray store {wall:.2f} s, {cpu:.2f} CPU-s; "
        f"ours {own_wall:.3f} s, {own_cpu:.3f} CPU-s: {wall / own_wall:.0f} x in wall, {cpu / own_cpu:.0f} x in CPU "
        "(goal: >= 100)"
    )


if __name__ == "__main__":
    main()
