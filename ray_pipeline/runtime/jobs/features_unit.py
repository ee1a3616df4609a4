"""One part of the work on features: read its curated files once, compute every view, write a file for each day.

A file is named by its content: a part that is done again, by a retry or by the next build, writes what is there
already, and whoever dies leaves nothing but files that no table names.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.connectors.iceberg.feature_catalog import warehouse_key
from ray_pipeline.connectors.iceberg.table import CuratedFile
from ray_pipeline.errors import FileCorruptError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.events import OURS, event_rows
from ray_pipeline.features.history import history, offline_table
from ray_pipeline.features.reading import OffsetRange
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.keys import quote
from ray_pipeline.lake.parquet import encode_parquet
from ray_pipeline.lake.safe_parquet import open_parquet, open_verified
from ray_pipeline.lake.schema_union import conform
from ray_pipeline.runtime.jobs.features_plan import DAY, Unit, look_back_days

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore

BATCH_ROWS = 200_000
"""Rows that are looked at at a time, all columns that any view needs."""
WRITERS = 8
"""Files being written at a time: each waits for the disk, or for a round trip."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is computed from one dataset."""

    views: Mapping[str, CompiledView]
    written: Mapping[str, pa.Schema]
    """View → the columns of its files, with the field ids of its table."""
    curated: pa.Schema
    """The curated table's columns."""
    landed: Mapping[str, DataFile]
    """Address → the file as the gate's ledger has it; one that another engine wrote has no SHA-256."""


@dataclass(slots=True)
class Computed:
    """What a pass made for one view."""

    files: dict[int, list[str]] = field(default_factory=dict)
    """Day → addresses; a day without rows has none."""
    rows: int = 0
    events: int = 0
    """Of the days that were computed; those that were only looked back on are not among them."""
    skipped: dict[str, int] = field(default_factory=dict)
    """Of the same days: rows set aside, by reason."""
    horizon_us: int | None = None
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Partition → first and last offset of the events."""

    def add(self, found: Mapping[str, Any], uri: Callable[[str], str]) -> None:
        """Take in what one unit made of the view."""
        for day, key, rows in found["files"]:
            self.files.setdefault(day, []).append(uri(key))
            self.rows += rows
        self.events += found["events"]
        for reason, rows in found["skipped"].items():
            self.skipped[reason] = self.skipped.get(reason, 0) + rows
        self.horizon_us = newest(self.horizon_us, found["horizon_us"])
        for partition, first, last in found["offsets"]:
            known = self.offsets.get(partition, (first, last))
            self.offsets[partition] = (min(known[0], first), max(known[1], last))


def do_unit(pipeline: str, store: ObjectStore, subject: Subject, unit: Unit) -> dict[str, Any]:
    """Compute one unit and write its files; return what was made of each view, as JSON can hold it."""
    views = {name: _View(subject.views[name], days, unit) for name, days in unit.days.items()}
    roles = {file: tuple(view.role(file.day) for view in views.values()) for file in unit.files}
    for role, files in groupby(sorted(unit.files, key=_by_day), key=roles.__getitem__):
        for batch in _batches(files):
            rows = _read(store, subject, batch)
            for view, part in zip(views.values(), role, strict=True):
                view.take(part, rows)
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="write") as pool:
        return {name: view.write(pipeline, store, subject.written[name], pool) for name, view in views.items()}


class Role(Enum):
    """What the events of a day are to a view's days in a unit."""

    NONE = 0
    LOOKED_BACK_ON = 1
    COMPUTED = 2
    """They are counted, too: every event is in one unit for each view."""


class _View:
    """One view's events in one unit, and what becomes of them."""

    def __init__(self, view: CompiledView, days: Sequence[int], unit: Unit) -> None:
        self._view, self._days, self._unit = view, days, unit
        self._mine = frozenset(days)
        back = range(look_back_days(view.shape) + 1)
        self._needed = frozenset(day - before for day in days for before in back)
        self._frames: list[pl.DataFrame] = []
        self._found = Computed()

    def role(self, day: int | None) -> Role:
        """Say what a day's events are to the days of this unit."""
        if day is None or day in self._mine:
            return Role.COMPUTED
        return Role.LOOKED_BACK_ON if day in self._needed else Role.NONE

    def take(self, role: Role, table: pa.Table) -> None:
        """Take the events out of rows of some days."""
        if role is Role.NONE:
            return
        rows = event_rows(self._view, table)
        frame = rows.frame
        if role is Role.COMPUTED:
            self._count(rows.skipped, frame, table)
        if self._unit.buckets > 1:
            frame = frame.filter(_in_bucket(frame["entity"], self._unit.bucket, self._unit.buckets))
        self._frames.append(frame)

    def write(self, pipeline: str, store: ObjectStore, schema: pa.Schema, pool: ThreadPoolExecutor) -> dict[str, Any]:
        """Compute the rows and write a file for each day that has some."""
        files: list[Any] = []
        folder = f"{warehouse_key(pipeline)}/{quote(self._view.name)}/data"
        if self._frames:
            events = pl.concat(self._frames)
            self._frames = []
            for first, last in _runs(self._days):
                rows = history(self._view.shape, events, first * DAY, (last + 1) * DAY)
                table = offline_table(self._view.shape, rows).cast(schema)
                files += pool.map(partial(_written, store, folder), _by_days(table))
        found = self._found
        return {
            "files": files,
            "events": found.events,
            "skipped": found.skipped,
            "horizon_us": found.horizon_us,
            "offsets": [[partition, *span] for partition, span in sorted(found.offsets.items())],
        }

    def _count(self, skipped: Mapping[str, int], frame: pl.DataFrame, table: pa.Table) -> None:
        if self._unit.bucket:  # every bucket reads all of it; the first one counts
            return
        ranges = frame.group_by("partition").agg(first=pl.col("offset").min(), last=pl.col("offset").max())
        published = pc.max(table.column("_timestamp")).cast(pa.timestamp("us", "UTC")).cast(pa.int64()).as_py()
        made = {
            "files": [],
            "events": frame.height,
            "skipped": skipped,
            "horizon_us": published,
            "offsets": [list(row) for row in ranges.iter_rows()],
        }
        self._found.add(made, str)


def _by_day(file: CuratedFile) -> tuple[bool, int, str]:
    return file.day is None, file.day or 0, file.uri


def _batches(files: Iterable[CuratedFile]) -> Iterator[list[CuratedFile]]:
    """Yield some files at a time: an expression costs as much for ten rows as for ten thousand."""
    batch: list[CuratedFile] = []
    rows = 0
    for file in files:
        if batch and rows + file.rows > BATCH_ROWS:
            yield batch
            batch, rows = [], 0
        batch.append(file)
        rows += file.rows
    if batch:
        yield batch


def _read(store: ObjectStore, subject: Subject, files: Sequence[CuratedFile]) -> pa.Table:
    """Return the needed columns of some files; each is checked before a byte of it is parsed."""
    wanted = _columns(subject)
    tables = []
    for file in files:
        known = subject.landed[file.uri]
        content = store.get(known.key)
        if known.sha256:
            parquet = open_verified(content, known)
        elif content is None or len(content) != known.bytes:
            raise FileCorruptError(known.key, "is missing, or not of the size that the curated table says")
        else:
            parquet = open_parquet(pa.BufferReader(content), known.key, known.rows)
        known_names = frozenset(parquet.schema_arrow.names)
        there = [name for name in wanted.names if name in known_names]
        try:
            tables.append(conform(parquet.read(there, use_threads=False), wanted))
        except (pa.ArrowException, OSError) as error:
            raise FileCorruptError(file.uri, f"its rows cannot be read ({type(error).__name__})") from None
    return pa.concat_tables(tables)


def _columns(subject: Subject) -> pa.Schema:
    """Return the columns that any of the views reads."""
    fields: dict[str, pa.Field] = {}
    for view in subject.views.values():
        fields |= {one.name: one for one in view.schema if one.name not in fields}
        for name in (view.event_time, *OURS):
            if name not in fields and name in subject.curated.names:
                fields[name] = subject.curated.field(name)
    return pa.schema(list(fields.values()))


def _in_bucket(entities: pl.Series, bucket: int, buckets: int) -> pl.Series:
    """Say which rows are of entities of a bucket; a checksum deals them out alike in every process and version."""
    different = entities.unique()
    mine = [text for text in different.to_list() if zlib.crc32(text.encode()) % buckets == bucket]
    return entities.is_in(pl.Series(mine, dtype=pl.String).implode())


def _runs(days: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of neighbouring days.

    >>> list(_runs([1, 2, 3, 7]))
    [(1, 3), (7, 7)]
    """
    for _, run in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        found = [day for _, day in run]
        yield found[0], found[-1]


def _by_days(table: pa.Table) -> list[tuple[int, pa.Table]]:
    """Return each day with its rows, which are in the order of time."""
    if not table.num_rows:
        return []
    days = np.floor_divide(table.column("event_timestamp").cast(pa.int64()).to_numpy(), DAY)
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    return [(int(days[first]), table.slice(first, end - first)) for first, end in pairwise(edges)]


def _written(store: ObjectStore, folder: str, part: tuple[int, pa.Table]) -> list[Any]:
    """Write the rows of a day under the name that their bytes have; return day, key and number of rows."""
    day, rows = part
    data = encode_parquet(rows)
    key = f"{folder}/{np.datetime64(day, 'D')}-{hashlib.sha256(data).hexdigest()[:32]}.parquet"
    store.put(key, data)
    return [day, key, rows.num_rows]


def newest(one: int | None, other: int | None) -> int | None:
    """Return the greater of two moments; None is no moment."""
    return other if one is None else one if other is None else max(one, other)


def offset_ranges(known: Iterable[OffsetRange], made: Mapping[int, tuple[int, int]]) -> tuple[OffsetRange, ...]:
    """Return ranges that hold both, one for each partition, in order."""
    spans = {one.partition: (one.first, one.last) for one in known}
    for partition, (first, last) in made.items():
        there = spans.get(partition, (first, last))
        spans[partition] = (min(there[0], first), max(there[1], last))
    return tuple(OffsetRange(partition, *span) for partition, span in sorted(spans.items()))
