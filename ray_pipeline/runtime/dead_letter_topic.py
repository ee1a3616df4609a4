"""What a dead-letter topic holds, read back for the audit (I8): which record of which partition, and how often."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from ray_pipeline.connectors.kafka.admin import KafkaAdmin
from ray_pipeline.connectors.kafka.consumer import KafkaSource
from ray_pipeline.connectors.kafka.dead_letters import event_id
from ray_pipeline.errors import SourceDeniedError, SourceUnavailableError
from ray_pipeline.lake.keys import FileKey, parse_file_key
from ray_pipeline.lake.verify_dead_letters import DeadLetterReader, DeadLetterTopic
from ray_pipeline.types import ContractRef, Headers, Offset, Position, SourceId, TopicPartition

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.stream.ports import RecordSource

_BATCH = 10_000
_SILENCE = 30
"""Polls of a second without a record, after which the brokers count as silent."""


def dead_letter_group(pipeline: str, source: SourceId) -> str:
    """Return the group in which a projection keeps its progress: one per topic that ever was.

    >>> dead_letter_group("flights", SourceId("c", "t"))
    'flights.dlq.t'
    """
    return f"{pipeline}.dlq.{source.topic_id}"


def dead_letter_reader(config: PipelineConfig, lake: ObjectStore) -> DeadLetterReader:
    """Return the reader that the audit asks; each topic is read once, to where it ends now, read committed."""
    topics = {dataset.topic: dataset.dead_letter_topic for dataset in config.datasets.values()}
    read: dict[str, DeadLetterTopic | None] = {}

    def reader(topic: str) -> DeadLetterTopic | None:
        if topic not in read:
            read[topic] = _read_topic(config, lake, topic, topics[topic]) if topic in topics else None
        return read[topic]

    return reader


def _read_topic(config: PipelineConfig, lake: ObjectStore, topic: str, letters: str) -> DeadLetterTopic:
    admin = KafkaAdmin(config.kafka)
    try:
        source = admin.describe(topic)
        exactly_once = admin.supports_transactions()
        found = DeadLetterTopic(letters, exactly_once=exactly_once)
        try:
            partitions = admin.describe(letters).partitions
        except SourceDeniedError:
            return found  # nothing was refused yet, or nothing could be written: the audit compares
        marks = admin.watermarks([TopicPartition(letters, number) for number in range(partitions)])
        found.expired = any(mark.low > 0 for mark in marks.values())
        if exactly_once:
            group = dead_letter_group(config.pipeline, source.source)
            for number in range(source.partitions):
                through = admin.group_offset(group, TopicPartition(topic, number))
                if through is not None:
                    found.through[number] = through
        ours = lake.uri("x").removesuffix("x")
        spans = {at: (mark.low, mark.high) for at, mark in marks.items() if mark.high > mark.low}
        _collect(config, spans, lambda headers: _source_of(headers, ours, config.pipeline, topic), found)
        return found
    finally:
        admin.close()


def _collect(
    config: PipelineConfig,
    spans: Mapping[TopicPartition, tuple[Offset, Offset]],
    source_of: Callable[[Headers], tuple[int, Offset] | None],
    found: DeadLetterTopic,
) -> None:
    consumer: RecordSource = KafkaSource(config.kafka, f"{config.pipeline}.verify")
    waiting = {at: Position(low) for at, (low, _) in spans.items()}
    silent = 0
    try:
        consumer.assign(waiting)
        while waiting:
            batches = consumer.poll(_BATCH, 1.0)
            silent = 0 if batches else silent + 1
            if silent > _SILENCE:
                raise SourceUnavailableError(found.name, f"no record came for {_SILENCE} seconds")
            for batch in batches:
                for i in range(len(batch)):
                    source = source_of(batch.headers(i))
                    if source is not None:
                        found.ids.setdefault(source[0], array("q")).append(source[1])
                if batch.end >= spans[batch.topic_partition][1]:
                    waiting.pop(batch.topic_partition, None)
                    consumer.assign(waiting)
    finally:
        consumer.close()


def _source_of(headers: Headers, root: str, pipeline: str, topic: str) -> tuple[int, Offset] | None:
    """Return source partition and offset of a letter that this pipeline wrote for this topic; None of any other."""
    newest = {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
    bad_file = newest.get("__contract.bad_file", "")
    key = parse_file_key(bad_file.removeprefix(root)) if bad_file.startswith(root) else None
    if key is None or (key.pipeline, key.topic, key.kind) != (pipeline, topic, "bad"):
        return None
    written = newest.get("__connect.errors.offset", "")
    guess = int(written) if written.isdecimal() and len(written) < 20 else key.start
    identity, digest = newest.get("__contract.event_id", ""), newest.get("__contract.digest", "")
    return None if (offset := _offset(key, guess, identity, digest)) is None else (key.partition, offset)


def _offset(key: FileKey, guess: Offset, identity: str, digest: str) -> Offset | None:
    """Return the offset that an event id was made of.

    A record that failed before kept the Connect headers of its first failure, so the offset in them is only a guess:
    then the id is tried against every offset of its bad file.
    """
    at, contract = TopicPartition(key.topic, key.partition), ContractRef("", "", digest)
    candidates: Iterable[Offset] = chain((guess,), range(key.start, key.end))
    return next((it for it in candidates if key.start <= it < key.end and event_id(at, it, contract) == identity), None)
