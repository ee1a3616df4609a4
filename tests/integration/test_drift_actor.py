"""The drift actor on a real Ray: one for a pipeline, which closes what is due and ends when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.runtime.drift.actor import drift_actor, watch_forever
from ray_pipeline.runtime.drift.baselines import dataset_baseline
from ray_pipeline.runtime.drift.log import WindowLog
from ray_pipeline.runtime.drift.standing import WatchReport
from tests.drift_lake import BASE_DAYS, DATASET, WIDE, DriftLake, day, iso

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


@pytest.fixture
def lake(tmp_path: Path) -> DriftLake:
    found = DriftLake(tmp_path)
    found.read_days(day(0), BASE_DAYS, each=20)
    dataset_baseline(found.config, DATASET, iso(0), iso(BASE_DAYS), who="tests")
    found.read_days(day(BASE_DAYS), WIDE + 2, each=20)
    return found


def test_one_actor_of_a_pipeline_looks_for_all_who_ask_and_survives_its_death(lake: DriftLake, local_ray: None) -> None:
    reports: list[WatchReport] = []
    actor: Any = drift_actor(lake.config.pipeline)
    watch_forever(lake.config, 0.5, on_report=reports.append, looks=1)
    assert [one.window.first for one in reports[0].closed] == [iso(BASE_DAYS)]
    assert drift_actor(lake.config.pipeline)._actor_id == actor._actor_id
    ray.kill(actor, no_restart=False)
    lake.read_days(day(BASE_DAYS + WIDE + 2), WIDE, each=20)
    watch_forever(lake.config, 0.5, on_report=reports.append, looks=2)
    assert len(WindowLog(lake.store, "plant").read(DATASET)) == 2
    file = Path(lake.store.uri("plant/_drift/readings/windows/00000001.json"))
    file.write_bytes(b"{}")
    with pytest.raises(FileCorruptError, match=r"00000001\.json"):
        watch_forever(lake.config, 0.5, looks=1)
    ray.kill(drift_actor(lake.config.pipeline))


@pytest.mark.slow
def test_the_command_watches_until_sigterm(lake: DriftLake) -> None:
    words = ["-m", "ray_pipeline", "drift", "watch", "--every", "1", "--config", str(lake.file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"{DATASET} {iso(BASE_DAYS)} to {iso(BASE_DAYS + WIDE)}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
