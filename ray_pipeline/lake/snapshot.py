"""What was committed at one moment, for readers: a number per log, and so the files that count.

A snapshot never lists the data folder: only what the log names has happened. It stays what it is while the logs grow,
because entries never change: its tails are enough to take the very same one again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_parquet, open_verified, read_batches
from ray_pipeline.lake.schema_union import conform, unite
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.types import Offset

Opened = Callable[[DataFile], AbstractContextManager[pq.ParquetFile]]


@dataclass(frozen=True, slots=True)
class SnapshotTail:
    """One log up to its entry ``n``, which ends at ``end``."""

    log: LogId
    n: int
    end: Offset


@dataclass(frozen=True, slots=True, repr=False)
class Snapshot:
    """The committed data of a topic, of every partition and every incarnation, as of its tails."""

    pipeline: str
    topic: str
    tails: tuple[SnapshotTail, ...]
    files: tuple[DataFile, ...]
    """Landed rows, by partition and in the order of offsets; no bad files."""
    bad_files: tuple[DataFile, ...]
    store: ObjectStore = field(compare=False)

    @property
    def rows(self) -> int:
        """How many rows landed."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """How large the files are."""
        return sum(file.bytes for file in self.files)

    def uris(self) -> list[str]:
        """Return where the landed rows are, as DuckDB, polars and Ray read it."""
        return [self.store.uri(file.key) for file in self.files]

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the landed rows; every file is checked against its SHA-256 before a byte of it is parsed."""
        return _table(self.files, columns, lambda file: nullcontext(open_verified(self.store.get(file.key), file)))

    def __repr__(self) -> str:
        return (
            f"<Snapshot of {self.pipeline}/{self.topic}: {len(self.tails)} logs, {len(self.files)} files, "
            f"{self.rows:,} rows, {sum(file.rows for file in self.bad_files):,} bad records>"
        )


def take_snapshot(
    store: ObjectStore, pipeline: str, topic: str, *, through: Mapping[LogId, int] | None = None
) -> Snapshot:
    """Return what is committed now; with ``through`` (log → entry), what was committed then."""
    tails: list[SnapshotTail] = []
    files: list[DataFile] = []
    bad_files: list[DataFile] = []
    for log in find_logs(store, pipeline, topic):
        if through is not None and log not in through:
            continue  # it began later
        n, end = -1, 0
        for n, entry in read_history(store, log, through=None if through is None else through[log]):  # noqa: B007
            end = getattr(entry, "end", getattr(entry, "start", end))
            if isinstance(entry, Data):
                files += entry.files
                bad_files += entry.bad_files
        if n >= 0:
            tails.append(SnapshotTail(log, n, end))
    return Snapshot(pipeline, topic, tuple(tails), tuple(files), tuple(bad_files), store)


def read(snapshot: Snapshot, filesystem: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the landed rows through an fsspec file system: only the footers and the columns that are asked for.

    Sizes are checked, hashes are not, since most bytes are not read: ``Snapshot.to_table`` checks them.
    """

    @contextmanager
    def opened(file: DataFile) -> Iterator[pq.ParquetFile]:
        uri = snapshot.store.uri(file.key)
        if filesystem.size(uri) != file.bytes:
            raise FileCorruptError(file.key, "is not the file that was committed: its size is another")
        with filesystem.open(uri, "rb") as source:
            yield open_parquet(source, file.key, file.rows)

    return _table(snapshot.files, columns, opened)


def _table(files: Sequence[DataFile], columns: Sequence[str] | None, opened: Opened) -> pa.Table:
    parts: list[pa.Table] = []
    schema = pa.schema([])
    for file in files:
        with opened(file) as parquet:
            schema = unite(schema, parquet.schema_arrow, file.key)
            there = None if columns is None else [name for name in columns if name in parquet.schema_arrow.names]
            parts.extend(read_batches(parquet, file.key, there))
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in _known(columns, schema)])
    if not parts:
        return wanted.empty_table()
    return pa.concat_tables([conform(part, wanted) for part in parts])


def _known(columns: Sequence[str], schema: pa.Schema) -> list[str]:
    unknown = [name for name in columns if name not in schema.names]
    if unknown and len(schema):
        raise KeyError(f"no column {unknown[0]!r}; there are {', '.join(schema.names)}")
    return [name for name in columns if name in schema.names]
