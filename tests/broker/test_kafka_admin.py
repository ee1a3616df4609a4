from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.errors import SourceDeniedError, SourceUnavailableError
from ray_pipeline.types import TopicPartition, Watermarks
from tests.broker.kafka_records import produce, produce_transaction

pytestmark = pytest.mark.broker


@pytest.fixture
def admin(kafka):
    return KafkaAdmin({"bootstrap.servers": kafka.bootstrap})


def test_a_topic_made_again_is_another_topic(kafka, make_topic, admin):
    topic = make_topic(partitions=3)
    first = admin.describe(topic)
    assert (first.topic, first.partitions) == (topic, 3)
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    client.delete_topics([topic])[topic].result(15)
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            admin.describe(topic)
        except SourceDeniedError:
            break
    make_topic(partitions=3, name=topic)
    again = admin.describe(topic)
    assert again.source.cluster == first.source.cluster
    assert again.source.topic_id != first.source.topic_id


def test_a_missing_topic_is_one_sentence_at_once_and_does_not_come_into_being(admin):
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(SourceDeniedError, match=r"^no-such-topic: there is no such topic .*check the name$"):
            admin.describe("no-such-topic")
    assert time.monotonic() - started < 10


def test_a_topic_name_that_cannot_be_is_refused(admin):
    with pytest.raises(SourceDeniedError, match="no valid topic name"):
        admin.describe("a b/c")


def test_an_added_partition_is_seen(kafka, make_topic, admin):
    from confluent_kafka.admin import NewPartitions

    topic = make_topic(partitions=1)
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    assert admin.describe(topic).partitions == 1
    client.create_partitions([NewPartitions(topic, 4)])[topic].result(15)
    deadline = time.monotonic() + 10
    while admin.describe(topic).partitions != 4:
        assert time.monotonic() < deadline


def test_watermarks_are_of_committed_records_and_include_markers(kafka, make_topic, admin):
    topic = make_topic(partitions=2)
    produce(kafka.bootstrap, topic, [b"1", b"2"])
    produce_transaction(kafka.bootstrap, topic, [b"3"], commit=False)
    open_transaction = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"open-{topic}", "log_level": 0}
    )
    open_transaction.init_transactions(20)
    open_transaction.begin_transaction()
    open_transaction.produce(topic, b"4", partition=0)
    open_transaction.flush(20)
    low = TopicPartition(topic, 0)
    assert admin.watermarks([low, TopicPartition(topic, 1)]) == {
        low: Watermarks(0, 4),  # two records, an aborted one, its marker; not the open one
        TopicPartition(topic, 1): Watermarks(0, 0),
    }
    open_transaction.abort_transaction(20)
    assert admin.watermarks([]) == {}


def test_an_offset_by_time_is_the_first_record_not_before_it_or_the_end(kafka, make_topic, admin):
    topic = make_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for second in range(10):
        producer.produce(topic, b"x", partition=0, timestamp=1_000_000 + second * 1000)
    producer.flush(20)
    at = TopicPartition(topic, 0)
    assert admin.offset_at(at, datetime.fromtimestamp(1005, UTC)) == 5
    assert admin.offset_at(at, datetime.fromtimestamp(1004.0005, UTC)) == 5
    assert admin.offset_at(at, datetime.fromtimestamp(0, UTC)) == 0
    assert admin.offset_at(at, datetime.fromtimestamp(2000, UTC)) == 10


def test_a_topic_is_made_once_and_can_be_described_at_once(kafka, admin):
    name = f"made-{time.time_ns()}"
    admin.create_topic(name, 2)
    admin.create_topic(name, 2)
    assert admin.describe(name).partitions == 2
    assert admin.supports_transactions()


def test_where_nobody_answers_the_sentence_says_so_in_time():
    started = time.monotonic()
    with pytest.raises(SourceUnavailableError, match=r"127\.0\.0\.1:1: .*Connection refused"):
        KafkaAdmin({"bootstrap.servers": "127.0.0.1:1"}, timeout=2).describe("t")
    assert time.monotonic() - started < 6


def test_a_host_that_is_not_known_is_said_at_once():
    with pytest.raises(SourceUnavailableError, match=r"not known; check bootstrap\.servers"):
        KafkaAdmin({"bootstrap.servers": "nowhere.invalid:9092"}).describe("t")
