"""Two owners of one partition: whoever came later has it, the other one ends, and nothing is doubled."""

from __future__ import annotations

import signal

import pytest

from tests.broker.solo import run_solo
from tests.broker.support import mixed

pytestmark = pytest.mark.broker


def test_a_worker_that_was_frozen_wakes_up_fenced_and_leaves_only_orphans(site):
    site.ingest = {"commit_every": {"records": 100_000, "seconds": 3600}}
    site.write_config()
    site.produce(mixed(100))
    frozen = site.solo("--hold")
    frozen.says("read")
    frozen.signal(signal.SIGSTOP)
    run_solo(site.pipeline.config)
    site.check()
    before = site.objects()
    frozen.signal(signal.SIGTERM)  # commits what it has in its hands, as soon as it wakes up
    frozen.signal(signal.SIGCONT)
    done = frozen.wait(30)
    assert done.code == 3, done.err
    assert "owns the partition now" in done.err
    assert {key.split("/")[1] for key in site.objects() - before} <= {"data", "bad"}
    site.check()


@pytest.mark.ray
def test_of_two_runs_the_older_one_ends_and_says_who_took_over(site):
    site.ingest = {"commit_every": {"records": 40, "seconds": 0.3}}
    site.write_config()
    site.produce(mixed(100))
    older = site.start("ingest")
    older.commits(site, 100)
    site.produce(mixed(100, first=100))
    newer = site.start("ingest", "--until-end", "--output", "json")
    ended = older.wait(60)
    assert ended.code == 3, ended.err
    assert f":{newer.pid}" in ended.err
    assert "secret-of-a-person" not in ended.err
    done = newer.wait(60)
    assert done.code == 0, done.err
    site.check()
