"""Measure one landed file: its bytes are checked against the log, then each batch goes through every measure once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.schema_union import conform, fits
from ray_pipeline.sla.measure import Measure, Where
from ray_pipeline.sla.sql.row_predicate import RowPredicate, evaluate_together

BATCH_ROWS = 131_072
"""Rows per batch: large enough that what a batch costs as such does not count."""


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
    return measure_batches(
        batches_of(parquet, task.file.key, _needed(measures), schema), measures, topic, task.committed_at
    )


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
                found[name] = found[name].merge(partial)
        first_row += batch.num_rows
    return found


def batches_of(
    parquet: pq.ParquetFile, key: str, columns: Sequence[str] | None, schema: pa.Schema
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
        for start in range(0, parquet.metadata.num_rows, BATCH_ROWS):
            rows = min(BATCH_ROWS, parquet.metadata.num_rows - start)
            yield pa.table([pa.nulls(rows, field.type) for field in wanted], schema=wanted)
        return
    for batch in read_batches(parquet, key, known, rows=BATCH_ROWS):
        yield conform(batch, wanted)


def _needed(measures: Iterable[Measure]) -> list[str]:
    return sorted({column for measure in measures for column in measure.columns} | {"_partition", "_offset"})


def same(one: Mapping[str, Any], other: Mapping[str, Any], measures: Iterable[Measure]) -> list[str]:
    """Return the ids of the measures whose partials differ, by the states that would be stored."""
    from ray_pipeline.sla.state_codec import encode

    return [m.id for m in measures if encode({"": one[m.id].state()}) != encode({"": other[m.id].state()})]
