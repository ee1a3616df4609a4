"""From what a consumer delivered to columns per partition: the only Python that runs per record on the way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray_pipeline.types import Headers, Offset, RecordBatch, TopicPartition

UNREADABLE_HEADERS: Headers = (("__contract.unreadable_headers", None),)
"""Stands for the headers of a record that has one whose name is not UTF-8: confluent_kafka gives none of them."""

_TIMESTAMP_MISSING = 0  # rd_kafka_timestamp_type_t


def by_partition(messages: Sequence[Any]) -> dict[TopicPartition, list[Any]]:
    """Split messages (records and partition events alike) by partition, in the order in which they came."""
    found: dict[tuple[str | None, int | None], list[Any]] = {}
    topic: str | None = None
    partition: int | None = None
    run: Callable[[Any], None] | None = None
    for message in messages:
        # a consumer hands out runs of one partition, so looking the list up again is the rare case
        if run is None or message.partition() != partition or message.topic() != topic:
            topic, partition = message.topic(), message.partition()
            run = found.setdefault((topic, partition), []).append
        run(message)
    return {
        TopicPartition(topic, partition): run
        for (topic, partition), run in found.items()
        if topic is not None and partition is not None
    }


def record_batch(at: TopicPartition, start: Offset, end: Offset, epoch: int | None, records: list[Any]) -> RecordBatch:
    """Return the records of one partition as columns; they keep their messages alive for the sake of headers."""

    def headers(i: int) -> Headers:
        return _headers(records[i])

    return RecordBatch(
        topic_partition=at,
        start=start,
        end=end,
        offsets=[record.offset() for record in records],
        timestamps=_timestamps([record.timestamp() for record in records]),
        keys=[record.key() for record in records],
        values=[record.value() for record in records],
        headers=headers,
        leader_epoch=epoch,
    )


def _timestamps(pairs: Sequence[tuple[int, int]]) -> list[int]:
    return [moment if kind != _TIMESTAMP_MISSING else -1 for kind, moment in pairs]


def _headers(record: Any) -> Headers:
    try:
        found = record.headers()
    except (SystemError, UnicodeDecodeError):  # the client cannot decode a name; a record must not end its reader
        return UNREADABLE_HEADERS
    return tuple((name, value) for name, value in found) if found else ()
