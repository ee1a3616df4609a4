"""Parquet files as entries of a manifest: rows, sizes, bounds, and the one day that each belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestContent
from pyiceberg.typedef import Record

from ray_pipeline.connectors.iceberg.columns import curated_schema
from ray_pipeline.connectors.iceberg.files import addable, event_day
from ray_pipeline.errors import FileCorruptError, TableSchemaError

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

_THREADS = 8
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31
_COUNTS = MetricsMode(MetricModeTypes.COUNTS)


def without_referenced(table: Table, uris: Sequence[str]) -> list[str]:
    """Return the files that the table's current snapshot does not hold yet, in their order."""
    snapshot = table.current_snapshot()
    if snapshot is None or not uris:
        return list(uris)
    candidates = set(uris)
    manifests = [m for m in snapshot.manifests(table.io) if m.content == ManifestContent.DATA]
    with ThreadPoolExecutor(_THREADS) as pool:
        for entries in pool.map(lambda manifest: manifest.fetch_manifest_entry(table.io), manifests):
            candidates.difference_update(entry.data_file.file_path for entry in entries)
    return [uri for uri in uris if uri in candidates]


def describe_files(
    dataset: str, io: FileIO, metadata: TableMetadata, uris: Sequence[str], *, with_ids: bool = False
) -> list[DataFile]:
    """Return the manifest entry of each file from its footer; raise ``TableSchemaError`` where one is not addable.

    ``with_ids``: the files were written for this very table, and their columns carry its field ids.
    """
    if not uris:
        return []
    describer = _Describer(dataset, io, metadata, with_ids=with_ids)
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(describer.describe, uris))


class _Describer:
    def __init__(self, dataset: str, io: FileIO, metadata: TableMetadata, *, with_ids: bool) -> None:
        self._dataset, self._io, self._metadata, self._with_ids = dataset, io, metadata, with_ids
        schema = metadata.schema()
        self._columns = curated_schema(schema_to_pyarrow(schema, include_field_ids=False))
        self._plan = compute_statistics_plan(schema, metadata.properties)
        self._ids = parquet_path_to_id_mapping(schema)
        source = next((schema.find_column_name(field.source_id) for field in metadata.spec().fields), None)
        self._partition = source

    def describe(self, uri: str) -> DataFile:
        footer, size = self._footer(uri)
        if (what := addable(footer, self._partition, self._columns, with_ids=self._with_ids)) is not None:
            raise TableSchemaError(self._dataset, f"{uri} cannot be added as it is: {what}")
        leaves = [footer.schema.column(i).path for i in range(footer.num_columns)]
        if unknown := [path for path in leaves if path not in self._ids]:
            raise TableSchemaError(self._dataset, f"{uri} has a column that the table lacks: {unknown[0]!r}")
        statistics = data_file_statistics_from_parquet_metadata(footer, self._bounded(footer), self._ids)
        day = event_day(footer, self._partition)
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=uri,
            file_format=FileFormat.PARQUET,
            partition=Record() if self._partition is None else Record(_partition_value(day)),
            file_size_in_bytes=size,
            sort_order_id=None,
            spec_id=self._metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

    def _footer(self, uri: str) -> tuple[pq.FileMetaData, int]:
        file = self._io.new_input(uri)
        try:
            with file.open() as stream:
                return pq.read_metadata(stream), len(file)
        except FileNotFoundError:
            raise FileCorruptError(uri, "is missing") from None
        except pa.ArrowInvalid:
            raise FileCorruptError(uri, "is no readable Parquet file") from None

    def _bounded(self, footer: pq.FileMetaData) -> dict[int, StatisticsCollector]:
        """The plan, without bounds for columns whose statistics Python cannot hold: years past 9999, for one."""
        plan = dict(self._plan)
        for place in range(footer.num_columns):
            if not _readable(footer, place):
                key = self._ids[footer.schema.column(place).path]
                plan[key] = dataclasses.replace(plan[key], mode=_COUNTS)
        return plan


def _partition_value(day: int | None) -> int | np.int64 | None:
    """The day as a manifest holds it.

    One legal event time past the year 9999 must not stop a table for ever: pyiceberg spells every partition for the
    snapshot's summary, and Python's calendar ends there. It leaves numpy's integers unspelt, and writes them.
    """
    return day if day is None or _FIRST_DAY <= day <= _LAST_DAY else np.int64(day)


def _readable(footer: pq.FileMetaData, place: int) -> bool:
    try:
        for group in range(footer.num_row_groups):
            chunk = footer.row_group(group).column(place)
            if not chunk.is_stats_set:
                return False
            _ = chunk.statistics.min, chunk.statistics.max
    except (OverflowError, ValueError, pa.ArrowException):
        return False
    return True
