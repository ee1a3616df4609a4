"""From a batch of records to what may land and what may not: each record counted once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ray_pipeline.types import BadRecord, RecordBatch, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ray_pipeline.contracts.model import DataContract
    from ray_pipeline.contracts.verdicts import Judgement


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch and its verdicts, on their way from the reading thread to the writing one."""

    batch: RecordBatch
    judgement: Judgement | None
    """None where the batch has no records."""
    bytes: int
    """Of the values."""
    refused: int
    """How many records the contract refuses; a few more may have no column that holds them unchanged."""

    def __len__(self) -> int:
        return len(self.batch)


@dataclass(frozen=True, slots=True)
class Sorted:
    """A judged batch, sorted out: ``len(rows) + len(bad) + tombstones`` records."""

    rows: Sequence[int]
    """Index of the record behind each row of the table."""
    table: pa.Table | None
    bad: tuple[BadRecord, ...]
    refused: tuple[tuple[int, str], ...]
    """Of each bad record: its index, and the rule of its first violation."""
    tombstones: int
    """Records without a value that the contract skips."""
    truncated: int

    @property
    def by_rule(self) -> Counter[str]:
        """Bad records by the rule of their first violation."""
        return Counter(rule for _, rule in self.refused)


def judge_batch(contract: DataContract, batch: RecordBatch) -> Judged:
    """Judge every record. It touches Python objects only, so it holds the GIL."""
    if not len(batch):
        return Judged(batch, None, 0, 0)
    size = sum(map(len, filter(None, batch.values)))
    judgement = contract.judge(batch.values)
    skipped = batch.values.count(None) if contract.tombstones == "skip" else 0
    return Judged(batch, judgement, size, len(judgement.violations) - skipped)


def sort_out(contract: DataContract, judged: Judged) -> Sorted:
    """Make columns of the valid records and dead letters of the others; mostly outside the GIL."""
    if judged.judgement is None:
        return Sorted((), None, (), (), 0, 0)
    batch = judged.batch
    columns = contract.columns(judged.judgement)
    reasons = {**judged.judgement.violations, **columns.violations}
    skipped: set[int] = set()
    if contract.tombstones == "skip":
        skipped = {i for i, value in enumerate(batch.values) if value is None}
    refused = sorted(reasons.keys() - skipped)
    bad = tuple(_bad_record(batch, i, reasons[i]) for i in refused)
    counted = len(columns.rows) + len(bad) + len(skipped)
    if counted != len(batch) or columns.table.num_rows != len(columns.rows):
        raise AssertionError(f"{len(batch)} records of {batch.topic_partition}, but {counted} verdicts")
    first_rules = tuple((i, reasons[i][0].rule) for i in refused)
    return Sorted(columns.rows, columns.table, bad, first_rules, len(skipped), columns.truncated)


def _bad_record(batch: RecordBatch, i: int, violations: tuple[Violation, ...]) -> BadRecord:
    return BadRecord(
        batch.offsets[i], batch.timestamps[i], batch.keys[i], batch.values[i], batch.headers(i), violations
    )
