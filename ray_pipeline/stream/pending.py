"""What was read and not yet committed: the next checkpoint as it grows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ray_pipeline.types import BadRecord, Offset, RecordBatch

if TYPE_CHECKING:
    import pyarrow as pa

    from ray_pipeline.stream.judging import Sorted


@dataclass(frozen=True, slots=True)
class CommitLimits:
    """When a checkpoint is due: whichever comes first."""

    records: int = 100_000
    seconds: float = 10.0
    bytes: int = 64 * 2**20
    """Of values, as they came: what bounds an owner's memory when records are large."""


@dataclass(slots=True)
class Pending:
    """Offsets ``[start, end)``, every one of them accounted for."""

    start: Offset
    end: Offset
    leader_epoch: int | None = None
    records: int = 0
    bytes: int = 0
    tables: list[pa.Table] = field(default_factory=list)
    good: int = 0
    bad: list[BadRecord] = field(default_factory=list)
    tombstones: int = 0
    truncated: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    max_timestamp: int = -1
    since: float | None = None
    """When the first of it came, by the monotonic clock."""

    @property
    def skipped(self) -> int:
        """Offsets that the broker never delivered: markers, aborted and compacted records."""
        return self.end - self.start - self.records

    def add(self, batch: RecordBatch, result: Sorted, table: pa.Table | None, size: int, now: float) -> None:
        """Take the next batch; it must begin where the last one ended, or offsets would go missing unseen."""
        if batch.start != self.end:
            raise AssertionError(f"{batch.topic_partition}: a batch begins at {batch.start}, not at {self.end}")
        self.end = batch.end
        self.leader_epoch = batch.leader_epoch if batch.leader_epoch is not None else self.leader_epoch
        self.records += len(batch)
        self.bytes += size
        if table is not None and table.num_rows:
            self.tables.append(table)
            self.good += table.num_rows
        self.bad.extend(result.bad)
        self.tombstones += result.tombstones
        self.truncated += result.truncated
        self.by_rule.update(result.by_rule)
        self.max_timestamp = max(self.max_timestamp, max(batch.timestamps, default=-1))
        if self.since is None and self.end > self.start:
            self.since = now

    def is_due(self, limits: CommitLimits, now: float) -> bool:
        """Say whether it is time to commit."""
        if self.since is None:
            return False
        if self.records >= limits.records or self.bytes >= limits.bytes:
            return True
        return now - self.since >= limits.seconds
