"""The pass as a Ray Data job: the same tables, and an error arrives as itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ray_pipeline.errors import FeatureComputeError, FileCorruptError
from ray_pipeline.runtime.failpoints import BUILD_NAMES
from tests.feature_shop import FeatureShop, expected, moment

PROGRAM = """
import json, os, sys
from pathlib import Path
from tests.feature_shop import FeatureShop
import ray_pipeline.connectors.iceberg.feature_publication, ray_pipeline.features.history
from ray_pipeline.runtime.jobs import features_build
from ray_pipeline.config import load_config
import polars as pl

job = json.loads(sys.argv[1])
shop = FeatureShop.__new__(FeatureShop)
shop.config, shop._contracts = load_config(Path(job["config"])), {}
os.environ["RAY_PIPELINE_FAILPOINT"] = job["point"]
shop.views = shop.compiled(where=pl.col("items") != job["not"])
shop.build(run_id=job["run_id"])
"""


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_a_ray_data_job_makes_the_same_tables_and_raises_the_same_errors(tmp_path: Path) -> None:
    shop = FeatureShop(tmp_path)
    shop.place([(i, moment(1 + i % 4, i / 4), f"c{i % 7}") for i in range(80)])
    shop.gated()
    progress: list[Any] = []
    shop.build(local_bytes=0, unit_bytes=10_000, on_progress=progress.append)
    assert progress[-1].units == progress[-1].of > 2
    for view in shop.views:
        assert shop.features(view.name).equals(expected(shop, view))

    infinite = shop.compiled(where=(pl.col("amount") / 0).is_infinite(), bad=_infinite())
    with pytest.raises(FeatureComputeError, match="view customer_day, bad: "):
        shop.build(local_bytes=0, compiled=infinite)
    Path(shop.config.store, shop.landed_files()[0].key).write_bytes(b"PAR1")
    with pytest.raises(FileCorruptError):
        shop.build(local_bytes=0, recreate=True)
    assert shop.table("customer_day").info().build == 0


@pytest.mark.slow
@pytest.mark.parametrize("point", [*BUILD_NAMES, "before_snapshot_commit:2", "after_snapshot_commit:3"])
def test_a_build_that_is_killed_leaves_the_old_tables_or_the_new_ones(tmp_path: Path, point: str) -> None:
    shop = FeatureShop(tmp_path)
    shop.place([(i, moment(1 + i % 4, i / 4), f"c{i % 7}") for i in range(40)])
    shop.gated()
    shop.build()
    old = shop.all_features()
    shop.views = shop.compiled(where=pl.col("items") != 1)
    new = {view.name: expected(shop, view) for view in shop.views}
    job = json.dumps({"config": str(shop.file), "point": point, "not": 1, "run_id": "nightly"})
    died = subprocess.run(
        [sys.executable, "-c", PROGRAM, job], cwd=Path(__file__).parents[2], env=dict(os.environ), check=False
    )
    assert died.returncode == -signal.SIGKILL
    for name, rows in shop.all_features().items():
        assert rows in (old[name], new[name])
    shop.build(run_id="nightly")
    assert shop.all_features() == new
    assert [len(shop.table(view.name).snapshots()) for view in shop.views] == [2, 2, 2]


def _infinite() -> Any:
    from ray_pipeline.features.aggregates import mean

    return mean(pl.col("amount") / 0)
