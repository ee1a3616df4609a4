"""How far a topic is, partition by partition, from the log alone.

Ages and lag are the caller's business: they need a clock and brokers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ray_pipeline.lake.entries import Tail
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log_reader import LogReader
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.types import ContractRef, Offset, SourceId


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One log as of its last entry."""

    topic: str
    partition: int
    source: SourceId
    """Which incarnation of the topic."""
    entries: int
    start: Offset
    """Where reading began."""
    committed: Offset
    """Where reading goes on: everything before is landed, dead-lettered, skipped or given up."""
    rows: int
    dead_letters: int
    by_rule: dict[str, int] = field(repr=False)
    tombstones: int = 0
    skipped: int = 0
    """Offsets that hold no record: markers, aborted and compacted ones."""
    gaps: int = 0
    """Offsets that a person gave up."""
    owner: str | None = None
    """None: nobody yet, or the last one left in order."""
    epoch: int = 0
    contract: ContractRef | None = None
    paused: str | None = None
    """Why it waits for a person, a :class:`ray_pipeline.types.StopReason`; None where it does not."""
    paused_detail: str = ""
    paused_at: Offset | None = None
    closed: bool = False
    """This incarnation of the topic is over."""
    committed_at: str | None = None
    """When the last commit was made, RFC 3339; None before the first."""
    event_time_max: str | None = None
    dlq_through: Offset = 0
    """Up to where dead letters were known to be in the topic when the last commit was written."""
    dlq_backlog: int = 0
    """Dead letters that the log does not know to be in the topic: those of the last commit are always among them."""


def partition_status(store: ObjectStore, pipeline: str, topic: str) -> list[PartitionStatus]:
    """Return the state of every partition of the topic, closed incarnations too; a log without an entry is left out."""
    found = (_status(store, log) for log in find_logs(store, pipeline, topic))
    return sorted(
        (status for status in found if status is not None), key=lambda s: (s.closed, s.partition, s.source.topic_id)
    )


def _status(store: ObjectStore, log: LogId) -> PartitionStatus | None:
    reader = LogReader(store, log)
    tail = reader.load()
    if tail is None:
        return None
    waiting = 0
    if tail.bad:
        waiting = sum(data.bad for data in reader.data_since(tail.dlq_through))
    return _of_tail(log, tail, waiting)


def _of_tail(log: LogId, tail: Tail, dlq_backlog: int) -> PartitionStatus:
    pause = tail.pause
    return PartitionStatus(
        topic=log.topic,
        partition=log.partition,
        source=log.source,
        entries=tail.n + 1,
        start=tail.source_start,
        committed=tail.end,
        rows=tail.good,
        dead_letters=tail.bad,
        by_rule=dict(tail.by_rule),
        tombstones=tail.tombstones,
        skipped=tail.skipped,
        gaps=tail.gaps,
        owner=None if tail.released or not tail.owner else tail.owner,
        epoch=tail.epoch,
        contract=tail.contract,
        paused=None if pause is None else pause.reason,
        paused_detail="" if pause is None else pause.detail,
        paused_at=None if pause is None else pause.offset,
        closed=tail.closed,
        committed_at=tail.committed_at,
        event_time_max=tail.event_time_max,
        dlq_through=tail.dlq_through,
        dlq_backlog=dlq_backlog,
    )
