"""One curated table: what is published, as of when, and where its files are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypedDict

import pyarrow as pa

from ray_pipeline.connectors.iceberg.columns import curated_schema
from ray_pipeline.connectors.iceberg.publication import (
    APPLIED,
    DECISION,
    Publication,
    applied_of,
    check_columns,
    snapshot_of,
)
from ray_pipeline.errors import CatalogConflictError, TableSchemaError, UsageError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

__all__ = ["APPLIED", "CuratedFile", "CuratedSnapshot", "CuratedTable", "TableInfo"]


class TableInfo(TypedDict):
    """What another engine needs to read the table as it is now."""

    metadata: str
    snapshot_id: int | None
    rows: int


@dataclass(frozen=True, slots=True)
class CuratedSnapshot:
    """One state of the table, which stays readable for as long as nobody expires it."""

    snapshot_id: int
    at: datetime
    decision: int | None
    """The decision of the gate that it publishes; None where another engine made it."""
    rows: int
    """In the table as of this snapshot."""
    summary: Mapping[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class CuratedFile:
    """One data file of a snapshot."""

    uri: str
    day: int | None
    """Of its rows' event time, in days since 1970; None where they have none, or the table has no days."""
    rows: int
    bytes: int


class CuratedTable:
    """Every call asks the catalog anew: what another process published meanwhile is seen."""

    def __init__(
        self, dataset: str, load: Callable[[], Table], *, catalog: str, store: str, effects: Callable[[str], None]
    ) -> None:
        self.dataset = dataset
        self._load, self._catalog, self._store, self._effects = load, catalog, store, effects

    def __repr__(self) -> str:
        return f"CuratedTable({self.dataset!r}, {self._catalog!r})"

    def exists(self) -> bool:
        from pyiceberg.exceptions import NoSuchTableError

        with self._translated("load"):
            try:
                self._load()
            except NoSuchTableError:
                return False
            return True

    @property
    def applied(self) -> int:
        """The newest decision that the table holds; -1 where it holds none."""
        return applied_of(self._table())

    @property
    def schema(self) -> pa.Schema:
        """The table's columns now."""
        from pyiceberg.io.pyarrow import schema_to_pyarrow

        return curated_schema(schema_to_pyarrow(self._table().schema(), include_field_ids=False))

    @property
    def partition_column(self) -> str | None:
        """The column whose day the table is partitioned by; decided when it was created."""
        table = self._table()
        return next((table.schema().find_column_name(field.source_id) for field in table.spec().fields), None)

    def refuses(self, schema: pa.Schema) -> str | None:
        """Say why the table cannot take these columns, before anything is decided that could then not be published.

        Iceberg widens int to long, float to double and a decimal's precision, and nothing else: no int to double.
        """
        try:
            check_columns(self.dataset, self._table(), curated_schema(schema, self.dataset))
        except TableSchemaError as error:
            return error.reason
        return None

    def publish(
        self,
        n: int,
        uris: Sequence[str],
        summary: Mapping[str, str],
        schema: pa.Schema | None = None,
        tags: Sequence[str] = (),
        *,
        after: int | None = None,
    ) -> int | None:
        """Make decision ``n`` part of the table, in one snapshot, exactly once; return the snapshot's id.

        Columns of ``schema`` that the table lacks are added and narrow ones widened, the files are added, the table
        is marked as holding ``n``, and the tags are set: all of it or nothing. Where the table holds ``n`` already
        nothing happens, whoever published it; None is returned where that snapshot has been expired since. With
        ``after`` the table must hold exactly that decision, so that none is passed over.

        Raises ``TableSchemaError`` before anything is written where a column or a file does not fit.
        """
        publication = Publication(n, tuple(uris), dict(summary), schema, tuple(tags), after)
        with self._translated(f"publish decision {n}"):
            return publication.run(self.dataset, self._load, self._catalog, self._store, self._effects)

    def info(self) -> TableInfo:
        """Return where the table's metadata is, its snapshot, and how many rows that one holds."""
        table = self._table()
        snapshot = table.current_snapshot()
        return {
            "metadata": table.metadata_location,
            "snapshot_id": None if snapshot is None else snapshot.snapshot_id,
            "rows": 0 if snapshot is None else _rows(snapshot),
        }

    def snapshots(self) -> list[CuratedSnapshot]:
        """Return every snapshot that can be read, oldest first."""
        table = self._table()
        refs = table.refs()
        tags: dict[int, list[str]] = {}
        for name, ref in sorted(refs.items()):
            if ref.snapshot_ref_type == "tag":
                tags.setdefault(ref.snapshot_id, []).append(name)
        return [_curated(snapshot, tuple(tags.get(snapshot.snapshot_id, ()))) for snapshot in table.snapshots()]

    def snapshot_of(self, n: int) -> int | None:
        """Return the snapshot that published decision ``n``; None where there is none, or it was expired."""
        return snapshot_of(self._table(), n)

    def files(self, snapshot_id: int | None = None) -> list[tuple[str, int]]:
        """Return the data files of a snapshot, the current one where none is named, with their rows."""
        table = self._table()
        with self._translated("list its files"):
            self._known(table, snapshot_id)
            return sorted(
                (t.file.file_path, t.file.record_count) for t in table.scan(snapshot_id=snapshot_id).plan_files()
            )

    def day_files(self, snapshot_id: int | None = None) -> list[CuratedFile]:
        """Return the data files of a snapshot, the current one where none is named, each with its day."""
        table = self._table()
        with self._translated("list its files"):
            self._known(table, snapshot_id)
            return sorted(_on_its_day(task.file) for task in table.scan(snapshot_id=snapshot_id).plan_files())

    def scan(self, snapshot_id: int | None = None) -> pa.Table:
        """Return the rows of a small table, as of a snapshot or now.

        pyiceberg's own reader turns a null list of records into an empty one; this one does not.
        """
        from ray_pipeline.connectors.iceberg.reading import read_rows

        table = self._table()
        with self._translated("be read"):
            self._known(table, snapshot_id)
            return read_rows(table, snapshot_id)

    def tag(self, snapshot_id: int, name: str) -> None:
        """Give a snapshot a name that keeps it from being expired. The same again is no error; moving a tag is."""
        from pyiceberg.exceptions import CommitFailedException

        for _ in range(_TAG_ATTEMPTS):
            table = self._table()
            self._known(table, snapshot_id)
            ref = table.refs().get(name)
            if ref is not None:
                if ref.snapshot_id == snapshot_id and ref.snapshot_ref_type == "tag":
                    return
                raise UsageError(f"table {self.dataset}: {name} names snapshot {ref.snapshot_id} already")
            with self._translated(f"tag snapshot {snapshot_id}"):
                try:
                    table.manage_snapshots().create_tag(snapshot_id, name).commit()
                except CommitFailedException:
                    continue
                return
        raise CatalogConflictError(self.dataset, applied_of(self._table()), "others kept changing the table")

    def _table(self) -> Table:
        with self._translated("load"):
            return self._load()

    def _known(self, table: Table, snapshot_id: int | None) -> None:
        if snapshot_id is not None and table.snapshot_by_id(snapshot_id) is None:
            raise UsageError(f"table {self.dataset} has no snapshot {snapshot_id}, or it was expired")

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        from ray_pipeline.connectors.iceberg.trouble import translated

        with translated(self._catalog, self._store, f"{operation} (table {self.dataset})"):
            yield


_TAG_ATTEMPTS = 10


def _curated(snapshot: Snapshot, tags: tuple[str, ...]) -> CuratedSnapshot:
    summary = _summary(snapshot)
    decision = summary.get(DECISION)
    at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
    return CuratedSnapshot(
        snapshot.snapshot_id, at, None if decision is None else int(decision), _rows(snapshot), summary, tags
    )


def _on_its_day(file: DataFile) -> CuratedFile:
    day = file.partition[0] if len(file.partition) else None
    return CuratedFile(file.file_path, None if day is None else int(day), file.record_count, file.file_size_in_bytes)


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    return {} if snapshot.summary is None else dict(snapshot.summary.additional_properties)


def _rows(snapshot: Snapshot) -> int:
    return int(_summary(snapshot).get("total-records", 0))
