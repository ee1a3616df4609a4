"""What actors tell the supervisor and the supervisor tells the driver: small frozen values, cheap to send."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from ray_pipeline.types import Offset, TopicPartition


class PartitionState(StrEnum):
    """Where a partition stands with the actor that was given it."""

    OPENING = "opening"
    """Not claimed yet, or being claimed again after an error."""
    READING = "reading"
    STOPPED = "stopped"
    """Waits for a person; ``detail`` says why and what to do."""


@dataclass(frozen=True, slots=True)
class ViewReport:
    """How far one view's online values are with one partition."""

    view: str
    through: Offset
    """Every record before it is in the online store's states."""
    lag: int
    """Offsets that are committed, and not in them yet."""
    trouble: str = ""
    """Why they lag; empty while they only follow."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Landed rows that are no events of the view, by reason; those that this owner folded."""


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """One partition as its owner sees it now; counts are of this owner alone, totals lie in the log."""

    topic_partition: TopicPartition
    state: PartitionState
    position: Offset
    """Records before it were read and judged."""
    committed: Offset
    """Records before it are in the log."""
    records: int
    bad: int
    pending_dead_letters: int = 0
    """Committed bad records that are not in the dead-letter topic yet."""
    reason: str = ""
    detail: str = ""
    views: tuple[ViewReport, ...] = ()
    """The stream-fed views of its dataset; none where this pipeline keeps no online values."""

    @property
    def feature_lag(self) -> int:
        """Committed offsets that the view which is furthest behind lacks online."""
        return max((view.lag for view in self.views), default=0)


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One partition actor."""

    incarnation: str
    """Changes when the process does: a restarted actor must be given its partitions again."""
    configured: bool
    partitions: tuple[PartitionReport, ...] = ()
    released: tuple[PartitionReport, ...] = ()
    """Partitions that it let go, as it left them."""
    trouble: str = ""
    """An outside system that does not answer now; the actor goes on alone when it does."""
    fenced: str = ""
    """Another owner took over; this actor writes nothing any more."""
    drained: bool = False
    messages: tuple[str, ...] = ()
    """Sentences for people since the last report, oldest first."""


class RunState(StrEnum):
    """Where a whole ingest run stands."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunReport:
    """The supervisor's view of the run."""

    configured: bool
    state: RunState
    supervisor: int = 0
    partitions: tuple[PartitionReport, ...] = ()
    owners: dict[TopicPartition, str] = field(default_factory=dict)
    targets: dict[TopicPartition, Offset] = field(default_factory=dict)
    """Where a bounded run ends, by partition."""
    error: str = ""
    """Why the run failed, one sentence."""
    messages: tuple[tuple[int, str], ...] = ()
    """Numbered sentences for people; the driver prints those that it has not seen."""

    @property
    def stopped(self) -> tuple[PartitionReport, ...]:
        return tuple(p for p in self.partitions if p.state is PartitionState.STOPPED)
