"""Where the files of one decision are written, and noted for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count

import pyarrow as pa

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.schema_union import conform

from .keys import kept_key, quarantine_key
from .rows_file import RowsFile

PUTS = 8


@dataclass(slots=True)
class Desk:
    """Where the files of one decision go."""

    store: ObjectStore
    pipeline: str
    dataset: str
    n: int
    run_id: str
    nonce: str
    schema: pa.Schema | None
    """Of the table, which published rows must fit; None: as they landed."""
    publish: list[DataFile] = field(default_factory=list)
    quarantine: list[DataFile] = field(default_factory=list)
    replaced: list[DataFile] = field(default_factory=list)
    manifests: list[tuple[str, bytes]] = field(default_factory=list)
    """Key and content; written together at the end."""
    _numbers: count[int] = field(default_factory=count)

    def put_kept(self, rows: RowsFile, day: str) -> DataFile | None:
        """Write rows that join the table."""
        key = kept_key(self.pipeline, self.dataset, day, self.n, self.nonce, next(self._numbers))
        return self._noted(rows.put(self.store, key, day), self.publish)

    def put_quarantined(self, rows: RowsFile, day: str) -> DataFile | None:
        """Write rows that join the quarantine."""
        key = quarantine_key(self.pipeline, self.dataset, day, self.n, self.nonce, next(self._numbers))
        return self._noted(rows.put(self.store, key, day), self.quarantine)

    def put_manifests(self) -> None:
        """Write the manifests, some at a time: they are small and, in a first gate, many."""
        with ThreadPoolExecutor(PUTS, thread_name_prefix="gate-manifests") as pool:
            for _ in pool.map(lambda item: self.store.put(*item), self.manifests):
                pass

    def as_published(self, rows: pa.Table, key: str) -> pa.Table:
        """Return the rows as the table takes them; raise ``FileCorruptError`` where they do not fit it."""
        if self.schema is None:
            return rows
        surplus = [name for name in rows.column_names if name not in self.schema.names]
        if surplus:
            raise FileCorruptError(key, f"column {surplus[0]!r} is not in the table, and no row is cut to fit")
        try:
            return conform(rows, self.schema)
        except pa.ArrowException as error:
            raise FileCorruptError(key, "a column does not fit the table's type") from error

    def _noted(self, file: DataFile | None, files: list[DataFile]) -> DataFile | None:
        if file is not None:
            files.append(file)
        return file
