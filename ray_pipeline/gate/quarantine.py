"""Quarantined rows: as they landed, with why they were set aside and by which gate. Reading and finding them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.keys import parse_file_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.sla.measure import Array

from .entries import GateState, Selection
from .manifest import FileFate, read_manifests
from .plan import Drop

REASON = pa.struct([pa.field(name, pa.string()) for name in ("check", "dimension", "message")])
REASONS_FIELD = pa.field("_reasons", pa.list_(REASON))
RUN_FIELD = pa.field("_gate_run", pa.string())
OURS = (REASONS_FIELD.name, RUN_FIELD.name)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was set aside."""

    check: str
    dimension: str | None
    message: str


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """One row that was set aside, for people and commands."""

    day: str
    partition: int
    offset: int
    reasons: tuple[Reason, ...]
    run_id: str
    """The gate that set it aside."""
    row: dict[str, Any]
    """The landed columns. Mask what is classified before showing it."""


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """How many rows of a day one check set aside; a row with two reasons counts for both checks."""

    day: str
    check: str
    dimension: str | None
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Rows of one quarantine file that a selection means."""

    day: str
    fate: FileFate
    file: DataFile
    """The quarantine file."""
    positions: Array
    """Row numbers in it, ascending."""
    rows: pa.Table
    """These rows, with ``_reasons`` and ``_gate_run``."""


def with_reasons(rows: pa.Table, positions: Array, drops: Sequence[Drop], run_id: str) -> pa.Table:
    """Return the rows, which are those at ``positions`` of their file, with why each was set aside.

    A row's reasons are in the order of ``drops``. Raises ``UsageError`` where a column has one of our two names.
    """
    taken_names = [name for name in OURS if name in rows.column_names]
    if taken_names:
        raise UsageError(f"column {taken_names[0]!r} has a name that quarantine files need; rename it in the contract")
    found = [np.searchsorted(positions, np.intersect1d(drop.positions, positions)) for drop in drops]
    row = np.concatenate(found) if found else np.empty(0, np.int64)
    drop_number = np.repeat(np.arange(len(found)), [len(part) for part in found])
    order = np.argsort(row, kind="stable")
    ends = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=rows.num_rows))])
    told = [
        pa.array([drop.check for drop in drops], pa.string()),
        pa.array([drop.dimension for drop in drops], pa.string()),
        pa.array([drop.message for drop in drops], pa.string()),
    ]
    taken = pa.array(drop_number[order])
    items = pa.StructArray.from_arrays([texts.take(taken) for texts in told], fields=list(REASON))
    reasons = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), items)
    run = pa.repeat(pa.scalar(run_id, pa.string()), rows.num_rows)
    return rows.append_column(REASONS_FIELD, reasons).append_column(RUN_FIELD, run)


def read_quarantine(store: ObjectStore, file: DataFile, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield the rows of a quarantine file; it is checked against its SHA-256 before a byte of it is parsed."""
    parquet = open_verified(store.get(file.key), file)
    schema = parquet.schema_arrow
    for field in (REASONS_FIELD, RUN_FIELD):
        i = schema.get_field_index(field.name)
        if i < 0 or schema.field(i).type != field.type:
            raise FileCorruptError(file.key, f"is no quarantine file: column {field.name} is absent or of another type")
    yield from read_batches(parquet, file.key, columns)


def find_rows(
    store: ObjectStore, state: GateState, selection: Selection, columns: Sequence[str] | None = None
) -> Iterator[Found]:
    """Yield the quarantined rows that the selection means, file by file, by day; files without any are left out.

    ``columns`` are those that are wanted; by default all.
    """
    days = [day for day, at in state.days.items() if at.quarantined and selection.day in (None, day)]
    for manifest in read_manifests(store, state, days):
        for fate in manifest.files:
            if fate.quarantined is not None and _may_hold(fate.file, selection):
                found = _select(store, manifest.day, fate, fate.quarantined, selection, columns)
                if len(found.positions):
                    yield found


def count_rows(store: ObjectStore, state: GateState, selection: Selection | None = None) -> list[QuarantineCount]:
    """Return how many rows are set aside, by day and check."""
    counts: dict[tuple[str, str, str | None], int] = {}
    for found in find_rows(store, state, selection or Selection(), OURS):
        items = pc.list_flatten(found.rows.column("_reasons"))
        pairs = zip(
            pc.struct_field(items, "check").to_pylist(), pc.struct_field(items, "dimension").to_pylist(), strict=True
        )
        for check, dimension in pairs:
            counts[found.day, check, dimension] = counts.get((found.day, check, dimension), 0) + 1
    return [
        QuarantineCount(*key, rows) for key, rows in sorted(counts.items(), key=lambda item: (*item[0][:2], item[1]))
    ]


def show_rows(store: ObjectStore, state: GateState, selection: Selection, limit: int = 100) -> list[QuarantinedRow]:
    """Return the first rows that the selection means, by day, in the order in which they landed."""
    shown: list[QuarantinedRow] = []
    for found in find_rows(store, state, selection):
        for row in found.rows.slice(0, limit - len(shown)).to_pylist():
            reasons = tuple(Reason(**reason) for reason in row.pop("_reasons"))
            run_id = row.pop("_gate_run")
            shown.append(QuarantinedRow(found.day, row["_partition"], row["_offset"], reasons, run_id, row))
        if len(shown) >= limit:
            break
    return shown


def _may_hold(landed: DataFile, selection: Selection) -> bool:
    """Say whether the landed file can hold one of the chosen offsets, going by its name."""
    said = parse_file_key(landed.key)
    if not selection.offsets or said is None:
        return True
    return any(
        span.partition == said.partition and span.start < said.end and said.start < span.end
        for span in selection.offsets
    )


def _select(
    store: ObjectStore,
    day: str,
    fate: FileFate,
    file: DataFile,
    selection: Selection,
    columns: Sequence[str] | None,
) -> Found:
    positions, parts, first = [], [], 0
    schema: pa.Schema | None = None
    for rows in read_quarantine(store, file, None if columns is None else [*columns, "_partition", "_offset"]):
        schema = rows.schema
        mask = _mask(rows, selection)
        chosen = np.flatnonzero(mask)
        positions.append(chosen + first)
        parts.append(rows.take(pa.array(chosen)))
        first += rows.num_rows
    table = pa.concat_tables(parts) if parts else pa.table({}, schema=schema)
    return Found(day, fate, file, np.concatenate(positions) if positions else np.empty(0, np.int64), table)


def _mask(rows: pa.Table, selection: Selection) -> Array:
    mask = np.ones(rows.num_rows, bool)
    if selection.offsets:
        partitions, offsets = rows.column("_partition").to_numpy(), rows.column("_offset").to_numpy()
        inside = [
            (partitions == span.partition) & (offsets >= span.start) & (offsets < span.end)
            for span in selection.offsets
        ]
        mask &= np.logical_or.reduce(inside)
    if selection.check is not None:
        reasons = rows.column("_reasons").combine_chunks()
        items = reasons.flatten()
        broke = pc.equal(pc.struct_field(items, "check"), selection.check).to_numpy(zero_copy_only=False)
        parents = pc.list_parent_indices(reasons).to_numpy(zero_copy_only=False)
        by_check = np.zeros(rows.num_rows, bool)
        by_check[parents[broke]] = True
        mask &= by_check
    return mask
