"""Where the first run over a topic begins."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from ray_pipeline.stream.ports import TopicAdmin, TopicDescription
from ray_pipeline.types import Offset, TopicPartition

StartPolicy = Literal["earliest", "latest"] | datetime


def resolve_starts(policy: StartPolicy, admin: TopicAdmin, topic: TopicDescription) -> list[Offset]:
    """Return the first offset to read of each partition that the topic has now."""
    partitions = [TopicPartition(topic.topic, number) for number in range(topic.partitions)]
    if isinstance(policy, datetime):
        return [admin.offset_at(tp, policy) for tp in partitions]
    marks = admin.watermarks(partitions)
    return [marks[tp].low if policy == "earliest" else marks[tp].high for tp in partitions]
