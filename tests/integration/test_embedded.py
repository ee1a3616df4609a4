"""The embedded broker: what the demo and quick tests rest on. It proves nothing about transactions."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer

from ray_pipeline.connectors.kafka import consumer
from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.at_least_once_sink import AtLeastOnceDeadLetterSink
from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.connectors.kafka.embedded import PARTITION_LIMIT_BYTES, EmbeddedBroker, find_librdkafka
from ray_pipeline.connectors.kafka.trouble import Trouble
from ray_pipeline.errors import PartitionStoppedError, SinkUnavailableError, SourceDeniedError, SourceUnavailableError
from ray_pipeline.types import Position, StopReason, TopicPartition, Watermarks
from tests.broker.kafka_records import letter, produce, read_topic, read_until, values


@pytest.fixture
def broker():
    with EmbeddedBroker({"t": 2, "dead": 3}) as running:
        yield running


@pytest.fixture
def options(broker):
    return {"bootstrap.servers": broker.bootstrap_servers}


def test_what_is_produced_is_read(broker, options):
    produce(broker.bootstrap_servers, "t", [b"%d" % n for n in range(3000)], 0)
    produce(broker.bootstrap_servers, "t", [b"other"], 1)
    source = KafkaSource(options, "g")
    first, second = TopicPartition("t", 0), TopicPartition("t", 1)
    source.assign({first: Position(0), second: Position(0)})
    found = read_until(source, {first: 3000, second: 1})
    assert values(found[first]) == [b"%d" % n for n in range(3000)]
    assert values(found[second]) == [b"other"]
    source.close()


def test_a_topic_has_an_identity_that_differs_from_start_to_start(options):
    described = KafkaAdmin(options).describe("t")
    assert described.partitions == 2
    assert described == KafkaAdmin(options).describe("t")
    assert described.source.topic_id != KafkaAdmin(options).describe("dead").source.topic_id
    with EmbeddedBroker({"t": 2}) as another:
        other = KafkaAdmin({"bootstrap.servers": another.bootstrap_servers}).describe("t")
        assert other.source.cluster != described.source.cluster
        assert other.source.topic_id != described.source.topic_id


def test_it_says_that_it_has_no_transactions(options):
    assert not KafkaAdmin(options).supports_transactions()


def test_a_missing_topic_is_said_and_does_not_come_into_being(options):
    for _ in range(2):
        with pytest.raises(SourceDeniedError, match="no such topic"):
            KafkaAdmin(options).describe("nope")


def test_a_topic_can_be_made_later(broker, options):
    broker.create_topic("later", 5)
    assert KafkaAdmin(options).describe("later").partitions == 5
    with pytest.raises(ValueError, match="later"):
        broker.create_topic("later", 5)


def test_watermarks_and_offsets_by_time_are_answered(broker, options):
    produce(broker.bootstrap_servers, "t", [b"1", b"2"])
    admin = KafkaAdmin(options)
    first, second = TopicPartition("t", 0), TopicPartition("t", 1)
    assert admin.watermarks([first, second]) == {first: Watermarks(0, 2), second: Watermarks(0, 0)}
    assert admin.offset_at(first, datetime(2013, 1, 1, tzinfo=UTC)) == 2  # it knows no offsets by time


def test_what_exceeds_its_limit_is_dropped_and_found_out(broker, options):
    value = bytes(100_000)
    produce(broker.bootstrap_servers, "t", [value] * (PARTITION_LIMIT_BYTES // len(value) + 20))
    source = KafkaSource(options, "g")
    source.assign({TopicPartition("t", 0): Position(0)})
    stopped = None
    deadline = time.monotonic() + 20
    while stopped is None and time.monotonic() < deadline:
        try:
            source.poll(10, 0.1)
        except PartitionStoppedError as error:
            stopped = error
    assert stopped is not None
    assert stopped.reason == StopReason.OFFSETS_EXPIRED
    source.close()


def test_dead_letters_are_there_when_send_returns(broker, options):
    sink = AtLeastOnceDeadLetterSink(options, "dead", TopicPartition("t", 4))
    assert sink.open() is None
    at = TopicPartition("t", 4)
    sink.send([letter(at, 0), letter(at, 2, value=None)], through=9)
    sink.send([], through=12)
    assert sink.open() is None
    sink.send([letter(at, 2, value=None)], through=9)  # again: readers drop doubles by the id
    sink.close()
    messages = read_topic(broker.bootstrap_servers, "dead", 3)
    assert [message.value() for message in messages] == [b"not json", None, None]
    assert {message.partition() for message in messages} == {1}
    ids = [dict(message.headers())["__contract.event_id"] for message in messages]
    assert len(set(ids)) == 2
    assert messages[0].timestamp()[1] == 1_370_000_000_000
    assert messages[0].headers()[0] == ("h", b"v")


def test_a_missing_dead_letter_topic_is_said(options):
    with pytest.raises(SinkUnavailableError, match=r"dead-letter topic nope: there is no such topic"):
        AtLeastOnceDeadLetterSink(options, "nope", TopicPartition("t", 0)).open()


def test_a_sink_that_is_not_open_says_so(options):
    with pytest.raises(SinkUnavailableError, match="opened again"):
        AtLeastOnceDeadLetterSink(options, "dead", TopicPartition("t", 0)).send([], through=0)


def test_an_outage_is_said_and_ends_by_itself(broker, options):
    produce(broker.bootstrap_servers, "t", [b"1"])
    at = TopicPartition("t", 0)
    source = KafkaSource(options, "g", patience=0.3)
    source.assign({at: Position(0)})
    read_until(source, {at: 1})
    broker.stop()
    with pytest.raises(SourceUnavailableError, match="no answer from Kafka"):
        _poll_for(source, 20)
    broker.start()
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline
        try:
            source.poll(10, 0.1)
            break
        except SourceUnavailableError:
            continue
    produce(broker.bootstrap_servers, "t", [b"2"])
    assert values(read_until(source, {at: 2})[at]) == [b"2"]
    source.close()


def test_an_outage_that_librdkafka_does_not_tell_is_found_by_the_silence(broker, options, monkeypatch):
    """It tells once, and what it had fetched before may come after that."""
    monkeypatch.setattr(Trouble, "heard", lambda _self, _error: None)
    monkeypatch.setattr(consumer, "_SILENCE_SECONDS", 0.3)
    produce(broker.bootstrap_servers, "t", [b"1"])
    at = TopicPartition("t", 0)
    source = KafkaSource(options, "g")
    source.assign({at: Position(0)})
    read_until(source, {at: 1})
    broker.stop()
    with pytest.raises(SourceUnavailableError, match="no answer from Kafka"):
        _poll_for(source, 20)
    source.close()


def test_a_sink_says_an_outage_in_time(broker, options):
    sink = AtLeastOnceDeadLetterSink(options, "dead", TopicPartition("t", 0), timeout=1.0)
    sink.open()
    broker.stop()
    started = time.monotonic()
    with pytest.raises(SinkUnavailableError):
        sink.send([letter(TopicPartition("t", 0), 0)], through=1)
    assert time.monotonic() - started < 10
    broker.start()
    until = time.monotonic() + 30  # a busy machine may need more than one of the sink's seconds to connect
    while True:
        try:
            sink.open()
            sink.send([letter(TopicPartition("t", 0), 0)], through=1)
            break
        except (SinkUnavailableError, SourceUnavailableError):
            if time.monotonic() > until:
                raise
    sink.close()


def test_another_process_can_use_it(broker):
    code = (
        "import sys; from confluent_kafka import Producer\n"
        "producer = Producer({'bootstrap.servers': sys.argv[1]})\n"
        "producer.produce('t', b'from afar', partition=0); sys.exit(producer.flush(10))"
    )
    subprocess.run([sys.executable, "-c", code, broker.bootstrap_servers], check=True, timeout=30)
    assert [message.value() for message in read_topic(broker.bootstrap_servers, "t", 2)] == [b"from afar"]


def test_it_listens_on_loopback_only(broker):
    port = int(broker.bootstrap_servers.rsplit(":", 1)[1])
    listening = [
        line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"
    ]
    assert [where for where in listening if where.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_outside_its_block_it_is_gone():
    broker = EmbeddedBroker({"t": 1})
    with pytest.raises(RuntimeError, match="with"):
        _ = broker.bootstrap_servers
    with broker:
        address = broker.bootstrap_servers
    with pytest.raises(SourceUnavailableError):
        KafkaAdmin({"bootstrap.servers": address}, timeout=1).describe("t")


def test_a_topic_that_cannot_be_is_refused_and_nothing_stays_behind():
    with pytest.raises(ValueError, match="at least one partition"), EmbeddedBroker({"t": 0}):
        pass


def test_the_library_is_the_one_that_is_loaded():
    Producer({"log_level": 0})
    assert find_librdkafka().exists()


def _poll_for(source: KafkaSource, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        source.poll(1, 0.1)
