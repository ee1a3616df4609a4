"""What the broker tests share: producing, reading a source to its end, reading a topic as a consumer does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaPartition

from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.types import BadRecord, ContractRef, Offset, RecordBatch, TopicPartition, Violation

CONTRACT = ContractRef("urn:contract:flights", "1.2.0", "ab" * 32)


def produce(bootstrap: str, topic: str, values: Iterable[bytes], partition: int = 0, **settings: Any) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "linger.ms": 5, **settings})
    for value in values:
        producer.produce(topic, value, partition=partition)
    assert producer.flush(20) == 0


def produce_transaction(
    bootstrap: str, topic: str, values: Iterable[bytes], *, commit: bool, partition: int = 0
) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0, "transactional.id": f"writer-of-{topic}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=partition)
    producer.flush(20)
    if commit:
        producer.commit_transaction(20)
    else:
        producer.abort_transaction(20)


def read_until(
    source: KafkaSource, ends: Mapping[TopicPartition, Offset], seconds: float = 30.0, max_records: int = 1000
) -> dict[TopicPartition, list[RecordBatch]]:
    """Poll until every partition's position is at its end; the batches must be contiguous."""
    found: dict[TopicPartition, list[RecordBatch]] = {at: [] for at in ends}
    deadline = time.monotonic() + seconds
    while any(not found[at] or found[at][-1].end < end for at, end in ends.items()):
        assert time.monotonic() < deadline, f"not at the end in time: {found}"
        for batch in source.poll(max_records, 0.2):
            before = found[batch.topic_partition]
            assert not before or before[-1].end == batch.start
            before.append(batch)
    return found


def values(batches: Iterable[RecordBatch]) -> list[bytes | None]:
    return [value for batch in batches for value in batch.values]


def read_topic(bootstrap: str, topic: str, partitions: int = 1, isolation: str = "read_committed") -> list[Any]:
    """Return all messages of a topic as any consumer reads them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "log_level": 0,
            "isolation.level": isolation,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([KafkaPartition(topic, partition, 0) for partition in range(partitions)])
    messages: list[Any] = []
    ended: set[int] = set()
    deadline = time.monotonic() + 30
    while len(ended) < partitions:
        assert time.monotonic() < deadline, f"{topic} did not end"
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                messages.append(message)
            else:
                ended.add(message.partition())
    consumer.close()
    return messages


def letter(source: TopicPartition, offset: Offset, value: bytes | None = b"not json", **record: Any) -> DeadLetter:
    violations = (Violation(("items", 0, "qty"), "minimum", "/properties/items/items/minimum", "below 0"),)
    facts: dict[str, Any] = {"timestamp": 1_370_000_000_000 + offset, "key": b"k", "headers": (("h", b"v"),)}
    bad = BadRecord(offset=offset, value=value, violations=violations, **{**facts, **record})
    return DeadLetter(source, bad, CONTRACT, "s3://lake/flights/bad/1.parquet")
