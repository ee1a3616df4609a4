"""Write rows into one Parquet file of the gate, a row group at a time."""

from __future__ import annotations

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore

GROUP_BYTES = 64 << 20
"""Of a row group, unpacked."""


class RowsFile:
    """Collects rows of one schema and puts them into the store as one object, with statistics for every group."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema.remove_metadata()
        self.rows = 0
        self.unpacked = 0
        self._waiting: list[pa.Table] = []
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(
            self._sink, self.schema, compression="zstd", version="2.6", write_statistics=True
        )

    def add(self, rows: pa.Table) -> None:
        """Take some rows."""
        if rows.num_rows == 0:
            return
        self._waiting.append(rows.replace_schema_metadata(None))
        self.rows += rows.num_rows
        self.unpacked += rows.nbytes
        if sum(table.nbytes for table in self._waiting) >= GROUP_BYTES:
            self._write()

    def put(self, store: ObjectStore, key: str, day: str) -> DataFile | None:
        """Write the file and return it; None, and nothing was written, where no row came."""
        self._write()
        self._writer.close()
        if self.rows == 0:
            return None
        data: bytes = self._sink.getvalue().to_pybytes()
        store.put(key, data)
        return DataFile(key, self.rows, len(data), hashlib.sha256(data).hexdigest(), day)

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []
