"""One snapshot of a table, read as it was: some columns of its rows, and what its publication said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import schema_to_pyarrow

from ray_pipeline.connectors.feast.view_plan import FeatureFile, IcebergFiles, ViewPlan
from ray_pipeline.connectors.iceberg.columns import curated_schema
from ray_pipeline.lake.schema_union import conform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray_pipeline.connectors.iceberg.feature_table import FeatureTable
    from ray_pipeline.connectors.iceberg.table import CuratedTable


def read_columns(table: CuratedTable, snapshot_id: int, columns: Sequence[str]) -> pa.Table:
    """Return some columns of a snapshot's rows; a column that it does not have is left out."""
    loaded = table._table()
    with table._translated("be read"):
        table._known(loaded, snapshot_id)
        schema = curated_schema(
            schema_to_pyarrow(loaded.scan(snapshot_id=snapshot_id).projection(), include_field_ids=False)
        )
        wanted = pa.schema([schema.field(name) for name in columns if name in schema.names])
        scan = loaded.scan(snapshot_id=snapshot_id, selected_fields=tuple(wanted.names))
        tasks = sorted(scan.plan_files(), key=lambda task: str(task.file.file_path))
        if any(task.delete_files for task in tasks):  # another engine's deletes
            return scan.to_arrow()
        tables = [wanted.empty_table()]
        for task in tasks:
            with loaded.io.new_input(task.file.file_path).open() as stream:
                file = pq.ParquetFile(stream)
                there = [name for name in wanted.names if name in file.schema_arrow.names]
                tables.append(conform(file.read(there, use_threads=False), wanted))
    return pa.concat_tables(tables)


def pinned_plan(
    table: FeatureTable,
    snapshot_id: int,
    *,
    name: str,
    keys: Mapping[str, str],
    features: Mapping[str, str],
    schema: pa.Schema,
    ttl_us: int | None,
    days: tuple[int, int] | None,
) -> ViewPlan:
    """Return how to join a snapshot's rows, as of known; only its files of these days, both included, can matter."""
    files = table.files(snapshot_id)
    chosen = [one for one in files if days is None or days[0] <= one.day <= days[1]]
    return ViewPlan(
        name,
        keys,
        features,
        pa.schema([schema.field(one) for one in (*keys.values(), "event_timestamp", "created_timestamp", *features)]),
        "event_timestamp",
        "created_timestamp",
        ttl_us,
        True,
        tuple(FeatureFile(one.uri, one.bytes) for one in chosen),
        IcebergFiles(table._table().io),
    )
