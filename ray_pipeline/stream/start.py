"""What is asked of the brokers before anything is read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from ray_pipeline.errors import SourceUnavailableError
from ray_pipeline.stream.ports import TopicAdmin, TopicDescription
from ray_pipeline.types import Offset, SourceId, TopicPartition, Watermarks

StartPolicy = Literal["earliest", "latest"] | datetime


def resolve_starts(policy: StartPolicy, admin: TopicAdmin, topic: TopicDescription) -> list[Offset]:
    """Return the first offset to read of each partition that the topic has now."""
    partitions = [TopicPartition(topic.topic, number) for number in range(topic.partitions)]
    if isinstance(policy, datetime):
        return [admin.offset_at(tp, policy) for tp in partitions]
    marks = admin.watermarks(partitions)
    return [marks[tp].low if policy == "earliest" else marks[tp].high for tp in partitions]


def look_at(admin: TopicAdmin, topic: str) -> tuple[SourceId, dict[int, Watermarks]]:
    """Return which topic this is and what its partitions hold, both of one and the same topic.

    Watermarks are asked by name: where the id changed around the question, nobody can tell whose they are.
    """
    described = admin.describe(topic)
    marks = admin.watermarks([TopicPartition(topic, number) for number in range(described.partitions)])
    if admin.describe(topic).source != described.source:
        raise SourceUnavailableError(topic, "the topic is being made again; ask once more")
    return described.source, {tp.partition: mark for tp, mark in marks.items()}
