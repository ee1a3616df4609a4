from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.errors import PartitionStoppedError, SourceUnavailableError
from ray_pipeline.types import Position, StopReason, TopicPartition
from tests.broker.kafka_records import produce, produce_transaction, read_until, values

pytestmark = pytest.mark.broker


@pytest.fixture
def source(kafka):
    opened = KafkaSource({"bootstrap.servers": kafka.bootstrap}, "readers", patience=1.0)
    yield opened
    opened.close()


def test_records_come_as_columns_in_order_and_once(kafka, make_topic, source):
    topic = make_topic(partitions=3)
    sent = {partition: [b"%d-%d" % (partition, n) for n in range(5000)] for partition in range(3)}
    for partition, wanted in sent.items():
        produce(kafka.bootstrap, topic, wanted, partition)
    ends = {TopicPartition(topic, partition): 5000 for partition in range(3)}
    source.assign({at: Position(0) for at in ends})
    found = read_until(source, ends, max_records=777)
    for at, batches in found.items():
        assert values(batches) == sent[at.partition]
        assert [offset for batch in batches for offset in batch.offsets] == list(range(5000))
        assert batches[0].start == 0
        assert batches[-1].leader_epoch == 0


def test_a_record_keeps_key_headers_and_timestamp(kafka, make_topic, source):
    topic = make_topic()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    headers = [("a", b"1"), ("a", b"2"), ("none", None), ("empty", b"")]
    producer.produce(topic, b"v", b"k", partition=0, timestamp=1_370_000_000_000, headers=headers)
    producer.produce(topic, None, None, partition=0, timestamp=1_370_000_000_001)
    producer.flush(20)
    at = TopicPartition(topic, 0)
    source.assign({at: Position(0)})
    batches = read_until(source, {at: 2})[at]
    assert [key for batch in batches for key in batch.keys] == [b"k", None]
    assert values(batches) == [b"v", None]
    assert [moment for batch in batches for moment in batch.timestamps] == [1_370_000_000_000, 1_370_000_000_001]
    assert batches[0].headers(0) == tuple(headers)
    assert batches[-1].headers(len(batches[-1]) - 1) == ()


def test_positions_pass_aborted_records_and_markers_up_to_the_end(kafka, make_topic, source):
    topic = make_topic()
    at = TopicPartition(topic, 0)
    produce(kafka.bootstrap, topic, [b"a", b"b"])
    produce_transaction(kafka.bootstrap, topic, [b"lost"] * 5, commit=False)
    produce_transaction(kafka.bootstrap, topic, [b"c"], commit=True)
    produce_transaction(kafka.bootstrap, topic, [b"lost"] * 3, commit=False)
    end = 2 + (5 + 1) + (1 + 1) + (3 + 1)
    source.assign({at: Position(0)})
    found = read_until(source, {at: end})[at]
    assert values(found) == [b"a", b"b", b"c"]
    assert found[-1].end == end


def test_markers_alone_move_the_position_of_a_reader_at_the_end(kafka, make_topic, source):
    topic = make_topic()
    at = TopicPartition(topic, 0)
    produce(kafka.bootstrap, topic, [b"a"])
    source.assign({at: Position(0)})
    read_until(source, {at: 1})
    produce_transaction(kafka.bootstrap, topic, [b"lost"], commit=False)
    (batch,) = read_until(source, {at: 3})[at]
    assert (batch.start, batch.end, len(batch)) == (1, 3, 0)
    assert batch.leader_epoch == 0


def test_partitions_that_are_kept_go_on_when_others_come_and_go(kafka, make_topic, source):
    topic = make_topic(partitions=3)
    first, second, third = (TopicPartition(topic, partition) for partition in range(3))
    for partition in range(3):
        produce(kafka.bootstrap, topic, [b"%d" % n for n in range(10)], partition)
    source.assign({first: Position(0), second: Position(4)})
    read_until(source, {first: 10, second: 10})
    source.assign({first: Position(0), third: Position(7)})  # the position of a kept one is not looked at
    produce(kafka.bootstrap, topic, [b"new"], 0)
    produce(kafka.bootstrap, topic, [b"not read"], 1)
    found = read_until(source, {first: 11, third: 10})
    assert values(found[first]) == [b"new"]
    assert values(found[third]) == [b"7", b"8", b"9"]
    source.assign({second: Position(10)})
    assert values(read_until(source, {second: 11})[second]) == [b"not read"]
    source.assign({})
    assert source.poll(10, 0.1) == []


def _stopped(source: KafkaSource) -> PartitionStoppedError:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            source.poll(100, 0.2)
        except PartitionStoppedError as stopped:
            return stopped
    raise AssertionError("nothing stopped")


def test_expired_offsets_stop_their_partition_and_no_other(kafka, make_topic, source):
    topic = make_topic(partitions=2)
    expired, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    produce(kafka.bootstrap, topic, [b"x"] * 100, 0)
    produce(kafka.bootstrap, topic, [b"y"] * 50, 1)
    client = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for answer in client.delete_records([KafkaPartition(topic, 0, 60)]).values():
        answer.result(15)
    source.assign({expired: Position(10), other: Position(0)})
    seen, stopped = [], None
    deadline = time.monotonic() + 20
    while (len(seen) < 50 or stopped is None) and time.monotonic() < deadline:
        try:
            seen += [value for batch in source.poll(1000, 0.2) for value in batch.values]
        except PartitionStoppedError as error:
            assert stopped is None
            stopped = error
    assert stopped is not None
    assert (stopped.topic, stopped.partition, stopped.reason) == (topic, 0, StopReason.OFFSETS_EXPIRED)
    assert "10" in stopped.detail
    assert "60" in stopped.detail
    assert seen == [b"y"] * 50
    produce(kafka.bootstrap, topic, [b"z"], 1)
    assert values(read_until(source, {other: 51})[other]) == [b"z"]
    source.assign({expired: Position(60), other: Position(51)})  # after `resume --accept-gap`
    assert values(read_until(source, {expired: 100})[expired]) == [b"x"] * 40


def test_a_position_past_the_end_is_a_truncated_log(kafka, make_topic, source):
    topic = make_topic()
    produce(kafka.bootstrap, topic, [b"x"] * 5)
    source.assign({TopicPartition(topic, 0): Position(50)})
    stopped = _stopped(source)
    assert stopped.reason == StopReason.LOG_TRUNCATED
    assert "50" in stopped.detail
    assert "5" in stopped.detail


def test_a_leader_epoch_that_the_log_does_not_have_is_a_truncated_log(kafka, make_topic, source):
    topic = make_topic()
    produce(kafka.bootstrap, topic, [b"x"] * 50)
    source.assign({TopicPartition(topic, 0): Position(10, leader_epoch=7)})
    assert _stopped(source).reason == StopReason.LOG_TRUNCATED


def test_a_partition_assigned_anew_on_the_same_consumer_is_checked_as_well(kafka, make_topic, source):
    topic = make_topic()
    at = TopicPartition(topic, 0)
    produce(kafka.bootstrap, topic, [b"x"] * 50)
    source.assign({at: Position(0)})
    read_until(source, {at: 50})
    source.assign({})
    source.assign({at: Position(10, leader_epoch=7)})
    assert _stopped(source).reason == StopReason.LOG_TRUNCATED


def test_the_right_leader_epoch_reads_on(kafka, make_topic, source):
    topic = make_topic()
    at = TopicPartition(topic, 0)
    produce(kafka.bootstrap, topic, [b"x"] * 50)
    source.assign({at: Position(10, leader_epoch=0)})
    assert len(values(read_until(source, {at: 50})[at])) == 40


def test_a_hint_is_the_groups_offset(kafka, make_topic, source):
    from ray_pipeline.connectors.kafka.admin import KafkaAdmin

    topic = make_topic()
    at = TopicPartition(topic, 0)
    admin = KafkaAdmin({"bootstrap.servers": kafka.bootstrap})
    produce(kafka.bootstrap, topic, [b"x"] * 5)
    source.assign({at: Position(0)})
    read_until(source, {at: 5})
    source.hint(at, Position(5, 0))
    deadline = time.monotonic() + 15
    while admin.group_offset("readers", at) != 5:
        assert time.monotonic() < deadline
        source.poll(1, 0.1)


def test_after_a_restart_of_the_broker_it_reads_on_by_itself(own_kafka, make_topic):
    topic = make_topic()
    at = TopicPartition(topic, 0)
    source = KafkaSource({"bootstrap.servers": own_kafka.bootstrap}, "readers", patience=0.5)
    produce(own_kafka.bootstrap, topic, [b"before"])
    source.assign({at: Position(0)})
    read_until(source, {at: 1})
    own_kafka.kill()
    deadline = time.monotonic() + 20
    refused = 0
    while refused < 2:  # it says so as long as it lasts
        assert time.monotonic() < deadline
        try:
            assert source.poll(100, 0.1) == []
        except SourceUnavailableError as error:
            refused += 1
            sentence = str(error)
    assert own_kafka.bootstrap in sentence
    own_kafka.start()
    deadline = time.monotonic() + 30
    while True:  # back without a single new record
        assert time.monotonic() < deadline
        try:
            assert source.poll(100, 0.1) == []
            break
        except SourceUnavailableError:
            continue
    produce(own_kafka.bootstrap, topic, [b"after"])
    assert values(read_until(source, {at: 2})[at]) == [b"after"]
    source.close()


def test_a_restart_shorter_than_the_patience_is_not_worth_a_word(own_kafka, make_topic):
    topic = make_topic()
    at = TopicPartition(topic, 0)
    source = KafkaSource({"bootstrap.servers": own_kafka.bootstrap}, "readers", patience=30)
    produce(own_kafka.bootstrap, topic, [b"before"])
    source.assign({at: Position(0)})
    read_until(source, {at: 1})
    own_kafka.terminate()
    restart = threading.Thread(target=own_kafka.start)
    restart.start()
    found = []
    while restart.is_alive():
        found += source.poll(100, 0.1)
    restart.join()
    produce(own_kafka.bootstrap, topic, [b"after"])
    assert values(read_until(source, {at: 2})[at]) == [b"after"]
    source.close()


def test_closing_while_no_broker_answers_ends_in_time(own_kafka, make_topic):
    topic = make_topic()
    source = KafkaSource({"bootstrap.servers": own_kafka.bootstrap}, "readers")
    source.assign({TopicPartition(topic, 0): Position(0)})
    source.poll(1, 0.5)
    own_kafka.kill()
    try:
        started = time.monotonic()
        source.hint(TopicPartition(topic, 0), Position(0))
        source.close()
        assert time.monotonic() - started < 11
    finally:
        own_kafka.start()
