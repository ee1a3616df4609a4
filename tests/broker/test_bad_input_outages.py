"""Servers that go away under a run: it pauses, says so, and goes on alone when they are back."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.broker.solo import run_solo
from tests.broker.support import mixed

pytestmark = [pytest.mark.broker, pytest.mark.ray]


def test_kafka_and_the_store_go_down_and_come_back_and_a_signal_commits_what_is_in_hand(site, own_kafka, durable_s3):
    site.ingest = {"commit_every": {"records": 50, "seconds": 3600}}
    site.write_config()
    site.produce(mixed(100))
    live = site.start("ingest", "--output", "json")
    live.commits(site, 100)

    own_kafka.kill()
    try:
        live.says("paused: no answer from Kafka", 60)
    finally:
        own_kafka.start()
    live.says("Kafka answers again", 60)  # before there is anything new to read
    site.produce(mixed(100, first=100))
    live.commits(site, 200)

    durable_s3.kill()
    try:
        site.produce(mixed(100, first=200))
        live.says(f"] paused: {site.store} did not", 60)  # a partition, and the supervisor: it says when it is over
        live.says(f"\npaused: {site.store} did not", 60)
    finally:
        durable_s3.start()
    live.says("the store answers again", 60)
    live.commits(site, 300)

    site.produce(mixed(20, first=300))
    live.says("20 offsets not committed yet", 30)
    live.signal(signal.SIGTERM)
    done = live.wait(60)
    assert done.code == 0, done.err
    assert done.counts["read"] == 320
    assert "secret-of-a-person" not in done.err
    assert site.options["secret"] not in done.err
    site.check()


def test_the_second_signal_ends_at_once_and_loses_nothing(site):
    site.ingest = {"commit_every": {"records": 100_000, "seconds": 3600}}
    site.write_config()
    site.produce(mixed(100))
    live = site.start("ingest")
    live.says("100 records read", 60)
    [actor] = live.descendants("Partitions")
    actor.suspend()  # so that the drain that is asked for first does not end
    live.signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        live.wait_for_exit(2)
    live.signal(signal.SIGTERM)
    done = live.wait(20)
    assert done.code == 3, done.err
    assert "ended at once" in done.err
    run_solo(site.pipeline.config)
    site.check()


def test_a_run_ends_after_its_time_with_everything_committed(site):
    site.ingest = {"commit_every": {"records": 100_000, "seconds": 3600}}
    site.write_config()
    site.produce(mixed(100))
    done = site.run("ingest", "--timeout", "8", "--output", "json")
    assert (done.code, done.counts["read"]) == (0, 100), done.err
    site.check()
