"""Measure one landed file: its bytes are checked against the log, then each batch goes through every measure once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.schema_union import conform, fits
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measure import Measure, Where
from ray_pipeline.sla.measures.profile import ColumnProfileMeasure
from ray_pipeline.sla.sql.errors import RowPredicateError
from ray_pipeline.sla.sql.row_predicate import RowPredicate, evaluate_together

BATCH_ROWS = 131_072
"""Rows per batch: large enough that what a batch costs as such does not count."""
_OURS = ("_partition", "_offset")


@dataclass(frozen=True, slots=True)
class Task:
    """One file to measure."""

    dataset: str
    file: DataFile
    committed_at: int
    bad: bool = False
    """A file of refused records: only when they were published is looked at."""


def measure_file(
    store: ObjectStore, task: Task, topic: str, measures: Sequence[Measure], schema: pa.Schema
) -> dict[str, Any]:
    """Return the partial of each measure over a file's rows, read as the contract of today has them.

    Raises ``FileCorruptError`` where the file is not the one that was committed, or has another type in a column.
    """
    parquet = open_verified(store.get(task.file.key), task.file)
    for name in _OURS:
        if name in schema.names and name not in parquet.schema_arrow.names:
            raise FileCorruptError(task.file.key, f"has no column {name!r}, by which a row is known")
    key, at = task.file.key, task.committed_at
    looks = [measure for measure in measures if isinstance(measure, ColumnProfileMeasure)]
    others = [measure for measure in measures if not isinstance(measure, ColumnProfileMeasure)]
    found = measure_batches(batches_of(parquet, key, _needed(others), schema), others, topic, at)
    for look in looks:  # all columns, and a few rows: most files have columns that no check reads
        first = islice(batches_of(parquet, key, _needed([look]), schema, rows=look.sample_rows), 1)
        found |= measure_batches(first, [look], topic, at)
    return found


def measure_batches(
    batches: Iterable[pa.Table], measures: Sequence[Measure], source: str, committed_at: int | None
) -> dict[str, Any]:
    """Return the partial of each measure over all batches, whose rows are numbered from 0."""
    predicates = [measure for measure in measures if isinstance(measure, RowPredicate)]
    others = [measure for measure in measures if not isinstance(measure, RowPredicate)]
    found: dict[str, Any] = {measure.id: measure.zero() for measure in measures}
    first_row = 0
    for batch in batches:
        where = Where(source, first_row, committed_at)
        for measure in others:
            found[measure.id] = found[measure.id].merge(measure.of(batch, where))
        if predicates:
            for name, partial in evaluate_together(predicates, batch, where).items():
                if isinstance(partial, RowPredicateError):
                    partial = FlaggedRows(batch.num_rows, problem=partial.sentence)
                found[name] = found[name].merge(partial)
        first_row += batch.num_rows
    return found


def batches_of(
    parquet: pq.ParquetFile, key: str, columns: Sequence[str] | None, schema: pa.Schema, *, rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    """Yield the rows with exactly these columns of ``schema``: null where the file, of an older contract, has none."""
    there = parquet.schema_arrow
    names = schema.names if columns is None else [name for name in columns if name in schema.names]
    wanted = pa.schema([schema.field(name) for name in names])
    known = [name for name in wanted.names if name in there.names]
    for name in known:
        if not fits(there.field(name).type, wanted.field(name).type):
            raise FileCorruptError(
                key, f"column {name!r} is {there.field(name).type} in it, and {schema.field(name).type} by the contract"
            )
    if not known:  # a file of rows, none of whose columns is asked for
        for start in range(0, parquet.metadata.num_rows, rows):
            count = min(rows, parquet.metadata.num_rows - start)
            yield pa.table([pa.nulls(count, field.type) for field in wanted], schema=wanted)
        return
    for batch in read_batches(parquet, key, known, rows=rows):
        yield conform(batch, wanted)


def _needed(measures: Iterable[Measure]) -> list[str]:
    return sorted({column for measure in measures for column in measure.columns} | set(_OURS))
