from __future__ import annotations

import time

import pytest
from confluent_kafka import Producer

from ray_pipeline.connectors.kafka.transactional_sink import TransactionalDeadLetterSink
from ray_pipeline.errors import SinkFencedError, SinkUnavailableError
from ray_pipeline.types import TopicPartition
from tests.broker.kafka_records import CONTRACT, letter, read_topic

pytestmark = pytest.mark.broker


@pytest.fixture
def make_sink(kafka, make_topic):
    sinks = []

    def make(topic: str, partition: int = 0, source: str = "flights", **settings) -> TransactionalDeadLetterSink:
        identity = f"p.{source}.{partition}.{topic}"
        at = TopicPartition(source, partition)
        options = {"bootstrap.servers": kafka.bootstrap, **settings}
        sinks.append(TransactionalDeadLetterSink(options, identity, topic, at, f"p.{topic}.dlq"))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def _source_topic(make_topic) -> TopicPartition:
    return TopicPartition(make_topic(), 0)


def test_records_and_progress_are_stored_together_and_found_again(kafka, make_topic, make_sink):
    at = _source_topic(make_topic)
    topic = make_topic(partitions=2)
    sink = make_sink(topic, source=at.topic)
    assert sink.open() is None
    sink.send([letter(at, 3), letter(at, 5)], through=9)
    sink.send([letter(at, 9)], through=20)
    sink.send([], through=30)
    assert make_sink(topic, source=at.topic).open() == 30
    messages = read_topic(kafka.bootstrap, topic, 2)
    assert [dict(message.headers())["__connect.errors.offset"] for message in messages] == [b"3", b"5", b"9"]


def test_a_letter_keeps_key_value_headers_and_timestamp(kafka, make_topic, make_sink):
    at = _source_topic(make_topic)
    topic = make_topic()
    sink = make_sink(topic, source=at.topic)
    sink.open()
    headers = (("x", b"\xff"), ("x", None), ("__connect.errors.topic", b"first"))
    sink.send([letter(at, 0, value=None, key=None, headers=headers), letter(at, 1, value=b"", key=b"")], through=2)
    first, second = read_topic(kafka.bootstrap, topic)
    assert (first.value(), first.key(), first.timestamp()[1]) == (None, None, 1_370_000_000_000)
    assert (second.value(), second.key()) == (b"", b"")
    assert tuple(first.headers()[:3]) == headers
    found = dict(first.headers())
    assert found["__connect.errors.topic"] == b"first"
    assert found["__contract.digest"] == CONTRACT.digest.encode()


def test_the_partition_is_the_sources_modulo_the_topics(kafka, make_topic, make_sink):
    topic = make_topic(partitions=2)
    source = make_topic(partitions=6)
    sink = make_sink(topic, partition=5, source=source)
    sink.open()
    sink.send([letter(TopicPartition(source, 5), 0)], through=1)
    assert [message.partition() for message in read_topic(kafka.bootstrap, topic, 2)] == [1]


def test_a_newer_twin_fences_the_older_one_and_nothing_is_written_twice(kafka, make_topic, make_sink):
    at = _source_topic(make_topic)
    topic = make_topic()
    old, new = make_sink(topic, source=at.topic), make_sink(topic, source=at.topic)
    assert old.open() is None
    old.send([letter(at, 0)], through=1)
    assert new.open() == 1
    with pytest.raises(SinkFencedError):
        old.send([letter(at, 1)], through=2)
    with pytest.raises(SinkUnavailableError, match="opened again"):
        old.send([letter(at, 1)], through=2)
    new.send([letter(at, 1)], through=2)
    assert old.open() == 2  # whoever opens last reads the truth
    with pytest.raises(SinkFencedError):
        new.send([letter(at, 2)], through=3)
    old.send([letter(at, 2)], through=3)
    offsets = [dict(message.headers())["__connect.errors.offset"] for message in read_topic(kafka.bootstrap, topic)]
    assert offsets == [b"0", b"1", b"2"]


def test_what_a_killed_writer_left_open_is_ended_by_its_successor(kafka, make_topic, make_sink):
    at = _source_topic(make_topic)
    topic = make_topic()
    sink = make_sink(topic, source=at.topic)
    abandoned = Producer(
        {"bootstrap.servers": kafka.bootstrap, "transactional.id": f"p.{at.topic}.0.{topic}", "log_level": 0}
    )
    abandoned.init_transactions(20)
    abandoned.begin_transaction()
    abandoned.produce(topic, b"half", partition=0)
    abandoned.flush(20)
    assert sink.open() is None
    sink.send([letter(at, 0, value=b"whole")], through=1)
    assert [message.value() for message in read_topic(kafka.bootstrap, topic)] == [b"whole"]


def test_a_missing_topic_is_one_sentence_and_does_not_come_into_being(kafka, make_sink):
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(SinkUnavailableError, match=r"dead-letter topic gone: there is no such topic .*create it"):
            make_sink("gone").open()
        assert time.monotonic() - started < 30


def test_a_letter_too_large_for_the_topic_goes_without_its_value_and_points_to_the_bad_file(
    kafka, make_topic, make_sink
):
    at = _source_topic(make_topic)
    topic = make_topic(config={"max.message.bytes": "20000"})
    sink = make_sink(topic, source=at.topic)
    sink.open()
    letters = [letter(at, 0, b"a" * 10_000), letter(at, 1, b"b" * 30_000), letter(at, 2, b"c", key=b"k" * 30_000)]
    sink.send([*letters, *(letter(at, n, b"d" * 1500) for n in range(3, 100))], through=100)
    small, large, large_key, *others = read_topic(kafka.bootstrap, topic)
    assert small.value() == b"a" * 10_000
    assert (large.value(), large.key()) == (b"", b"k")
    assert dict(large.headers())["__contract.value_at"] == b"s3://lake/flights/bad/1.parquet"
    assert (large_key.value(), large_key.key()) == (b"", None)
    assert len(others) == 97


def test_a_limit_that_is_lowered_meanwhile_is_found_out(kafka, make_topic, make_sink):
    from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

    at = _source_topic(make_topic)
    topic = make_topic()
    sink = make_sink(topic, source=at.topic, **{"compression.type": "none"})
    sink.open()
    entry = ConfigEntry("max.message.bytes", "20000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    client.incremental_alter_configs([resource])[resource].result(15)
    with pytest.raises(SinkUnavailableError, match="too large"):
        sink.send([letter(at, 0, b"a" * 30_000)], through=1)
    assert sink.open() is None
    sink.send([letter(at, 0, b"a" * 30_000)], through=1)
    (message,) = read_topic(kafka.bootstrap, topic)
    assert message.value() == b""


def test_many_letters_go_in_several_transactions_and_progress_never_runs_ahead(kafka, make_topic, make_sink):
    at = _source_topic(make_topic)
    topic = make_topic()
    sink = make_sink(topic, source=at.topic)
    sink.open()
    sink.send([letter(at, 2 * n) for n in range(25_000)], through=60_000)
    messages = read_topic(kafka.bootstrap, topic)
    assert [int(dict(message.headers())["__connect.errors.offset"]) for message in messages] == [
        2 * n for n in range(25_000)
    ]
    assert sink.open() == 60_000


def test_a_broker_that_is_away_is_said_in_time_and_nothing_is_lost_or_doubled(own_kafka, make_topic):
    source = make_topic()
    at = TopicPartition(source, 0)
    topic = make_topic()
    sink = TransactionalDeadLetterSink(
        {"bootstrap.servers": own_kafka.bootstrap}, f"p.{topic}", topic, at, "g", timeout=3
    )
    sink.open()
    sink.send([letter(at, 0)], through=1)
    own_kafka.kill()
    started = time.monotonic()
    try:
        with pytest.raises(SinkUnavailableError):
            sink.send([letter(at, 1)], through=2)
        with pytest.raises(SinkUnavailableError, match=own_kafka.bootstrap):
            sink.open()
        assert time.monotonic() - started < 30
    finally:
        own_kafka.start()
    reached = sink.open()
    assert reached in (1, 2)  # the commit may have got through before the power cut
    if reached == 1:
        sink.send([letter(at, 1)], through=2)
    offsets = [dict(message.headers())["__connect.errors.offset"] for message in read_topic(own_kafka.bootstrap, topic)]
    assert offsets == [b"0", b"1"]
    sink.close()
