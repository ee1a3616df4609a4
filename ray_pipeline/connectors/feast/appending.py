"""Rows that Feast itself writes offline: pushes, and logs of what was served."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.connectors.feast.retrieval import write_parquet
from ray_pipeline.connectors.feast.sources import filesystem_of, is_iceberg, is_parquet, load_iceberg
from ray_pipeline.errors import FeatureTableError, UsageError
from ray_pipeline.features.shape import FEED_TAG, Feed

if TYPE_CHECKING:
    from feast.feature_view import FeatureView
    from feast.repo_config import RepoConfig


def append_rows(config: RepoConfig, view: FeatureView, table: pa.Table) -> None:
    """Append rows to the source of a view; ``UsageError`` where they are not the pusher's to write."""
    if (view.tags or {}).get(FEED_TAG) == Feed.STREAM:
        raise UsageError(
            f"view {view.name} is fed by the stream: its offline rows are written by `ray-pipeline features build`"
        )
    source = view.batch_source
    if is_iceberg(source):
        _to_iceberg(view.name, source, table)
    elif is_parquet(source):
        _to_parquet(config, view.name, source, table)
    else:
        raise UsageError(f"view {view.name}: this store writes to an IcebergSource, or to a FileSource of Parquet")


def write_logs(config: RepoConfig, data: pa.Table | Path, destination: Any) -> None:
    """Add served features to a folder of Parquet files, each a file of its own."""
    from feast.infra.offline_stores.file_source import FileLoggingDestination
    from pyarrow import dataset

    if not isinstance(destination, FileLoggingDestination):
        raise UsageError(f"served features are logged to Parquet files here, not to {type(destination).__name__}")
    if isinstance(data, Path):
        data = pq.read_table(data, use_threads=False)
    filesystem, path = filesystem_of(config, destination.to_data_source())
    dataset.write_dataset(
        data,
        base_dir=path,
        filesystem=filesystem,
        format="parquet",
        partitioning=destination.partition_by,
        basename_template=f"{uuid.uuid4().hex}-{{i}}.parquet",
        existing_data_behavior="overwrite_or_ignore",
    )


def _to_iceberg(view: str, source: Any, table: pa.Table) -> None:
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    there = load_iceberg(view, source)
    rows = _as(view, table, schema_to_pyarrow(there.schema(), include_field_ids=False))
    try:
        there.append(rows)
    except CommitFailedException as error:
        raise FeatureTableError(view, "others keep changing its table: nothing was appended, push again") from error


def _to_parquet(config: RepoConfig, view: str, source: Any, table: pa.Table) -> None:
    """Add a file to a folder. A single file is written anew with the rows behind those it has."""
    from pyarrow.fs import FileType

    from ray_pipeline.connectors.feast.sources import listed

    filesystem, path = filesystem_of(config, source)
    files = listed(filesystem, path)
    if not files:
        raise FeatureTableError(view, f"there is no Parquet file at {source.path} to append to")
    with pq.ParquetFile(filesystem.open_input_file(files[0].uri)) as first:
        rows = _as(view, table, first.schema_arrow)
        if filesystem.get_file_info(path).type != FileType.File:
            write_parquet(filesystem, f"{path.rstrip('/')}/push-{uuid.uuid4().hex}.parquet", rows)
            return
        before = first.read()
    write_parquet(filesystem, path, pa.concat_tables([before, rows]))


def _as(view: str, table: pa.Table, schema: pa.Schema) -> pa.Table:
    if missing := sorted(set(schema.names) ^ set(table.column_names)):
        raise FeatureTableError(view, f"column {missing[0]} is not on both sides: push the columns of the source")
    try:
        return table.select(schema.names).replace_schema_metadata(None).cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise FeatureTableError(view, f"the rows are not of the source's types: {str(error).splitlines()[0]}") from None
