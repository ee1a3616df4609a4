from __future__ import annotations

from confluent_kafka import Message

from ray_pipeline.connectors.kafka.columns import UNREADABLE_HEADERS, by_partition, record_batch
from ray_pipeline.types import TopicPartition

AT = TopicPartition("t", 0)


def _message(partition: int, offset: int, topic: str | None = "t", **facts: object) -> Message:
    return Message(topic=topic, partition=partition, offset=offset, value=b"%d" % offset, **facts)


def test_messages_are_split_by_partition_in_their_order():
    messages = [_message(0, 1), _message(0, 2), _message(1, 9), _message(0, 3), _message(1, 10)]
    split = by_partition(messages)
    assert {at.partition: [one.offset() for one in run] for at, run in split.items()} == {0: [1, 2, 3], 1: [9, 10]}


def test_an_event_without_a_topic_belongs_to_no_partition():
    assert by_partition([_message(-1, -1, topic=None)]) == {}
    assert by_partition([]) == {}


def test_columns_have_the_length_of_the_records():
    records = [
        _message(0, 5, key=b"k", timestamp=(1, 77), headers=[("h", b"v"), ("n", None)]),
        _message(0, 8, timestamp=(0, 0)),
    ]
    batch = record_batch(AT, 4, 10, 2, records)
    assert (batch.start, batch.end, len(batch), batch.leader_epoch) == (4, 10, 2, 2)
    assert batch.offsets == [5, 8]
    assert batch.timestamps == [77, -1]
    assert batch.keys == [b"k", None]
    assert batch.values == [b"5", b"8"]
    assert batch.headers(0) == (("h", b"v"), ("n", None))
    assert batch.headers(1) == ()


def test_headers_that_the_client_cannot_decode_do_not_end_the_reader():
    class Undecodable:
        def headers(self) -> None:
            raise SystemError("returned a result with an exception set")

        offset = timestamp = key = value = lambda _self: (1, 1)

    assert record_batch(AT, 0, 1, None, [Undecodable()]).headers(0) == UNREADABLE_HEADERS
