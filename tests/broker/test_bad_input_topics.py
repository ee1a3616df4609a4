"""What happens to a topic behind a pipeline's back: the partition stops with one sentence, and a person decides."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.broker.solo import SoloFailedError, run_solo
from tests.broker.support import eventually, good, mixed

pytestmark = pytest.mark.broker


@pytest.fixture
def admin(kafka):
    return AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})


@pytest.fixture
def recreate(admin, make_topic):
    def recreate(topic, partitions):
        admin.delete_topics([topic])[topic].result(15)
        eventually(lambda: _made(make_topic, partitions, topic), what="the new topic")

    return recreate


def _made(make_topic, partitions, topic):
    try:
        make_topic(partitions=partitions, name=topic)
    except Exception:  # the broker still deletes the old one
        return False
    return True


def stopped(site):
    with pytest.raises(SoloFailedError) as failed:
        run_solo(site.pipeline.config)
    return str(failed.value)


def test_offsets_that_expired_between_two_runs_stop_the_partition(site, admin):
    site.produce(mixed(100))
    run_solo(site.pipeline.config)
    site.produce(mixed(100, first=100), partition=1)
    admin.delete_records([KafkaPartition(site.topic, 1, 80)])[KafkaPartition(site.topic, 1)].result(15)

    said = stopped(site)
    assert "offsets 50 to 79 were removed from the topic before they were read" in said
    assert "resume orders --accept-gap" in said

    assert site.run("resume", "orders").code == 2
    resumed = site.run("resume", "orders", "--accept-gap")
    assert (resumed.code, "recorded as a gap" in resumed.out) == (0, True), resumed
    run_solo(site.pipeline.config)
    site.verify()
    assert site.committed() == {0: 50, 1: 150}
    assert {row[1] for row in site.landed() if row[0] == 1} | {
        one.record.offset for one in site.refused() if one.partition == 1
    } == {*range(50), *range(80, 150)}


def test_a_topic_made_again_between_two_runs_stops_until_a_person_accepts_it(site, recreate):
    site.produce(mixed(100))
    run_solo(site.pipeline.config)
    before = len(site.landed())
    recreate(site.topic, 2)
    site.produce(mixed(60, first=500))

    said = stopped(site)
    assert "was deleted and made again" in said
    assert "--accept-gap" in said
    assert len(site.landed()) == before
    resumed = site.run("resume", "orders", "--accept-gap")
    assert resumed.code == 0, resumed
    run_solo(site.pipeline.config)
    site.verify()
    assert site.committed() == {0: 30, 1: 30}
    assert len(site.landed()) + len(site.refused()) == 160


@pytest.mark.ray
def test_a_topic_made_again_while_it_is_read_stops_and_takes_nothing_of_the_new_one(site, recreate):
    site.ingest = {"commit_every": {"records": 40, "seconds": 0.3}}
    site.write_config()
    site.produce(mixed(100))
    live = site.start("ingest", "--timeout", "60", "--output", "json")
    live.commits(site, 100)
    recreate(site.topic, 2)
    site.produce([good(number) for number in range(900, 1300)])  # longer than the old one: offsets alone look right
    live.says("stopped (topic-recreated)", 45, times=2)
    live.signal(15)
    done = live.wait(60)
    assert done.code == 3, done.err
    assert json.loads(done.out)["orders"]["read"] == 100
    assert not [row for row in site.landed() if row[2] >= 900]

    assert site.run("resume", "orders", "--accept-gap").code == 0
    run_solo(site.pipeline.config)
    site.verify()
    assert len([row for row in site.landed() if row[2] >= 900]) == 400


@pytest.mark.ray
def test_partitions_that_are_added_are_found_and_read_from_their_beginning(site, admin):
    site.ingest = {"start": "latest", "commit_every": {"records": 40, "seconds": 0.3}}
    site.write_config()
    site.produce(mixed(40))  # before the first run: not wanted
    live = site.start("ingest")
    eventually(lambda: len(site.committed()) == 2, 60, "the first run")
    admin.create_partitions([NewPartitions(site.topic, 3)])[site.topic].result(15)
    site.partitions = 3
    eventually(lambda: _published(site), what="the new partition at the producer")
    live.says("1 new partition", 30)
    eventually(lambda: site.committed().get(2) == 30, 30, "its commit")
    live.signal(2)
    done = live.wait(60)
    assert done.code == 0, done.err
    assert [row[1] for row in site.landed()] == [*range(30)]
    site.verify()


def _published(site):
    try:
        site.produce([good(number) for number in range(30)], partition=2)
    except Exception:  # an unknown partition, for a moment
        return False
    return True
