"""Where every partition stands: from the commit logs, and from the brokers where they answer."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import SourceDeniedError, SourceUnavailableError
from ray_pipeline.lake import supervisors
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.progress import PartitionStatus, partition_status
from ray_pipeline.runtime.resume import command_for, stop_reason
from ray_pipeline.types import Offset, SourceId, StopReason, TopicPartition, Watermarks

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore
    from ray_pipeline.stream.ports import TopicAdmin

_READERS = 16
"""Topics that are read at the same time: each log is a few small objects, and a far store answers slowly."""


class Standing(StrEnum):
    """What is the matter with a partition."""

    WAITING = "waiting"
    """The brokers have it, and no run has begun its log."""
    OWNED = "owned"
    """Claimed and not given back. Whether its owner still lives, only the age of the last commit can tell."""
    RELEASED = "released"
    """The last owner left in order."""
    PAUSED = "paused"
    """Waits for a person; ``reason``, ``detail`` and ``way_on`` say for what."""
    REPLACED = "replaced"
    """The log of a topic that was deleted and made again, not closed yet."""
    CLOSED = "closed"
    """The log of such a topic, closed by a person. Its rows stay."""


@dataclass(frozen=True, slots=True)
class PartitionStanding:
    """One partition's log in numbers. None: not known, because there is no commit or no broker answered."""

    dataset: str
    topic: str
    partition: int
    standing: Standing
    committed: Offset | None = None
    """Every record before this offset is accounted for."""
    lag: int | None = None
    """Offsets that a reader could get now and that are not committed."""
    rows: int = 0
    dead_letters: int = 0
    dead_letter_backlog: int = 0
    """Dead letters that the log does not know to be in the topic; those of the last commit are always among them."""
    tombstones: int = 0
    owner: str = ""
    committed_at: str | None = None
    commit_age_seconds: float | None = None
    event_time_max: str | None = None
    contract: str = ""
    reason: str = ""
    detail: str = ""
    way_on: str = ""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """A whole pipeline as it stands."""

    pipeline: str
    store: str
    as_of: str
    supervisor: str
    """The run that is, or was, in charge."""
    brokers: str
    """Empty where the brokers answered, else why lag is not known."""
    missing: dict[str, str]
    """Dataset → why the brokers have no topic for it."""
    partitions: tuple[PartitionStanding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what ``status --output json`` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Topic:
    """What the brokers say of one topic."""

    source: SourceId
    watermarks: dict[int, Watermarks]


@dataclass(frozen=True, slots=True)
class _Brokers:
    topics: dict[str, _Topic]
    missing: dict[str, str]
    trouble: str


def read_status(config: PipelineConfig, lake: ObjectStore, admin: TopicAdmin | None, now: datetime) -> PipelineStatus:
    """Return where every partition stands; without ``admin`` from the logs alone.

    Brokers that do not answer cost their time-out once, and are no error: the logs alone say what is committed.
    """
    brokers = _ask_brokers(config, admin)
    names = {dataset.topic: name for name, dataset in config.datasets.items()}
    with ThreadPoolExecutor(_READERS) as pool:
        logs = [log for logs in pool.map(lambda it: partition_status(lake, config.pipeline, it), names) for log in logs]
    found = [_partition(names[log.topic], log, brokers.topics.get(log.topic), now) for log in logs]
    begun = {(log.topic, log.source, log.partition) for log in logs}
    for topic, answer in brokers.topics.items():
        found += [
            PartitionStanding(names[topic], topic, number, Standing.WAITING, lag=marks.high - marks.low)
            for number, marks in answer.watermarks.items()
            if (topic, answer.source, number) not in begun
        ]
    order = list(config.datasets)
    found.sort(key=lambda status: (order.index(status.dataset), status.standing is Standing.CLOSED, status.partition))
    newest = supervisors.latest(lake, config.pipeline)
    in_charge = "" if newest is None else f"{newest.number} ({newest.owner}, since {newest.started_at})"
    return PipelineStatus(
        config.pipeline, lake.url, timestamp_text(now), in_charge, brokers.trouble, brokers.missing, tuple(found)
    )


def _ask_brokers(config: PipelineConfig, admin: TopicAdmin | None) -> _Brokers:
    topics: dict[str, _Topic] = {}
    missing: dict[str, str] = {}
    if admin is None:
        return _Brokers(topics, missing, "not asked")
    try:
        for name, dataset in config.datasets.items():
            try:
                described = admin.describe(dataset.topic)
                marks = admin.watermarks([TopicPartition(dataset.topic, n) for n in range(described.partitions)])
            except SourceDeniedError as denied:
                missing[name] = str(denied)
                continue
            topics[dataset.topic] = _Topic(described.source, {at.partition: mark for at, mark in marks.items()})
    except SourceUnavailableError as error:
        return _Brokers(topics, missing, str(error))
    return _Brokers(topics, missing, "")


def _partition(dataset: str, log: PartitionStatus, topic: _Topic | None, now: datetime) -> PartitionStanding:
    current = topic is not None and topic.source == log.source
    marks = topic.watermarks.get(log.partition) if topic is not None and current else None
    reason = stop_reason(log, None if topic is None else topic.source) or ""
    detail = log.paused_detail
    if reason == StopReason.TOPIC_RECREATED and not detail:
        detail = f"the topic was deleted and made again; this log of the old one ends at offset {log.committed}"
    return PartitionStanding(
        dataset,
        log.topic,
        log.partition,
        _standing(log, reason),
        committed=log.committed,
        lag=None if marks is None else max(0, marks.high - max(log.committed, marks.low)),
        rows=log.rows,
        dead_letters=log.dead_letters,
        dead_letter_backlog=log.dlq_backlog,
        tombstones=log.tombstones,
        owner=log.owner or "",
        committed_at=log.committed_at,
        commit_age_seconds=None if log.committed_at is None else _age(log.committed_at, now),
        event_time_max=log.event_time_max,
        contract="" if log.contract is None else f"{log.contract.id} {log.contract.version}",
        reason=reason,
        detail=detail if reason else "",
        way_on=command_for(reason, dataset, log.partition) if reason else "",
    )


def _standing(log: PartitionStatus, reason: str) -> Standing:
    if log.closed:
        return Standing.CLOSED
    if reason:
        return Standing.REPLACED if reason == StopReason.TOPIC_RECREATED else Standing.PAUSED
    return Standing.OWNED if log.owner else Standing.RELEASED


def _age(moment: str, now: datetime) -> float:
    return round(max(0.0, (now - datetime.fromisoformat(moment)).total_seconds()), 3)


def stopped(partitions: Sequence[PartitionStanding]) -> list[PartitionStanding]:
    """Return the partitions that wait for a person."""
    return [status for status in partitions if status.standing in (Standing.PAUSED, Standing.REPLACED)]
