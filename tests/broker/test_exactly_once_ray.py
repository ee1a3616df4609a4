"""Processes of a run on Ray are killed: Ray and the supervisor bring them back, and the run ends right."""

from __future__ import annotations

import psutil
import pytest

from tests.broker.solo import run_solo
from tests.broker.support import eventually, mixed

pytestmark = [pytest.mark.broker, pytest.mark.ray]


def test_a_partition_actor_killed_in_its_last_commit_comes_back_inside_the_run(site, tmp_path):
    site.produce(mixed(200))
    once = tmp_path / "died"
    done = site.ingest_to_end(RAY_PIPELINE_FAILPOINT="after_upload:1", RAY_PIPELINE_FAILPOINT_ONCE=str(once))
    assert once.exists()
    assert done.code == 0, done.err
    assert done.counts["read"] == 200, done.err
    site.check()


def test_a_supervisor_killed_comes_back_inside_the_run(site):
    site.ingest = {"commit_every": {"records": 40, "seconds": 0.3}}
    site.write_config()
    site.produce(mixed(100))
    live = site.start("ingest", "--max-records", "200", "--output", "json")
    live.commits(site, 100)
    [supervisor] = eventually(lambda: live.descendants("Supervision"), what="a supervisor process")
    supervisor.kill()
    site.produce(mixed(100, first=100))
    done = live.wait(60)
    assert done.code == 0, done.err
    site.check()


def test_a_driver_killed_takes_its_actors_along_and_the_next_run_goes_on(site):
    site.ingest = {"commit_every": {"records": 40, "seconds": 0.3}}
    site.write_config()
    site.produce(mixed(100))
    live = site.start("ingest")
    live.commits(site, 100)
    actors = [*live.descendants("Partitions"), *live.descendants("Supervision")]
    assert len(actors) == 2
    live.kill_alone()
    _, left = psutil.wait_procs(actors, timeout=30)
    assert not left
    site.produce(mixed(100, first=100))
    run_solo(site.pipeline.config)
    site.check()
