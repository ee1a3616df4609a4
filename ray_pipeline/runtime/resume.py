"""A stopped partition, and a person who lets it go on; ``lake/resume.py`` decides what may be written to its log."""

from __future__ import annotations

import getpass
import socket
from random import SystemRandom
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.lake.progress import PartitionStatus, partition_status
from ray_pipeline.lake.resume import Resumed, resume_topic
from ray_pipeline.stream.start import look_at
from ray_pipeline.types import SourceId, StopReason

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.stream.ports import TopicAdmin


def resume(
    config: PipelineConfig,
    lake: ObjectStore,
    admin: TopicAdmin,
    dataset: str,
    *,
    partition: int | None = None,
    accept_gap: bool = False,
    allowed_by: str | None = None,
    clock: Clock | None = None,
) -> list[Resumed]:
    """Let the stopped partitions of a dataset go on; empty where none is stopped.

    The brokers are asked first: what has expired, and whether the topic is still the one that the log is about. A run
    that is up sees the entry within seconds; else the next one does. ``allowed_by`` stands in the log for ever.
    """
    topic = config.dataset(dataset).topic
    source, _ = look_at(admin, topic)
    before = partition_status(lake, config.pipeline, topic)
    waiting = {(one.source, one.partition) for one in before if stop_reason(one, source) is not None}
    found = resume_topic(
        lake,
        config.pipeline,
        topic,
        lambda: look_at(admin, topic),
        accept_gap=accept_gap,
        allowed_by=allowed_by or f"{getpass.getuser()}@{socket.gethostname()}",
        clock=clock or WallClock(),
        rng=SystemRandom(),
        partition=partition,
    )
    return [one for one in found if one.ways.done or (one.log.source, one.log.partition) in waiting]


def stop_reason(status: PartitionStatus, current: SourceId | None) -> str | None:
    """Return why a log waits for a person, None where it does not; ``current`` is None where no broker told."""
    if status.closed:
        return None
    return StopReason.TOPIC_RECREATED if current not in (None, status.source) else status.paused


def command_for(reason: str, dataset: str, partition: int) -> str:
    """Return the command that lets a partition go on.

    >>> command_for("offsets-expired", "departures", 3)
    'ray-pipeline resume departures --partition 3 --accept-gap'
    """
    gap = "" if reason == StopReason.BAD_SHARE else " --accept-gap"
    return f"ray-pipeline resume {dataset} --partition {partition}{gap}"
