"""Rows of a snapshot as one Arrow table, read from the files that Iceberg plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import schema_to_pyarrow

from ray_pipeline.connectors.iceberg.columns import curated_schema
from ray_pipeline.lake.schema_union import conform

if TYPE_CHECKING:
    from pyiceberg.table import Table


def read_rows(table: Table, snapshot_id: int | None) -> pa.Table:
    """Return every row. Columns are met by name, as they were published; deletes of other engines are honoured."""
    scan = table.scan(snapshot_id=snapshot_id)
    tasks = sorted(scan.plan_files(), key=lambda task: str(task.file.file_path))
    if any(task.delete_files for task in tasks):
        return scan.to_arrow()
    columns = curated_schema(schema_to_pyarrow(scan.projection(), include_field_ids=False))
    tables = [columns.empty_table()]
    for task in tasks:
        with table.io.new_input(task.file.file_path).open() as stream:
            tables.append(conform(pq.ParquetFile(stream).read(use_threads=False), columns))
    return pa.concat_tables(tables)


def read_files(
    table: Table, snapshot_id: int | None, uris: Sequence[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """Return the rows of some files of a snapshot, in the order of the files; some columns, or all that it has."""
    schema = curated_schema(
        schema_to_pyarrow(table.scan(snapshot_id=snapshot_id).projection(), include_field_ids=False)
    )
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    tables = [schema.empty_table()]
    for uri in uris:
        with table.io.new_input(uri).open() as stream:
            tables.append(conform(pq.ParquetFile(stream).read(schema.names, use_threads=False), schema))
    return pa.concat_tables(tables)
