"""Where the rows of Feast's data sources are: Parquet files, and Iceberg tables of any catalog."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.connectors.feast.view_plan import FeatureFile, FilesystemFiles, IcebergFiles, LocalFiles, Opener
from ray_pipeline.connectors.feast.view_rows import Span, plain, widened
from ray_pipeline.errors import FeatureTableError, UsageError

if TYPE_CHECKING:
    from feast.data_source import DataSource
    from feast.repo_config import RepoConfig
    from pyiceberg.table import Table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SourceRows:
    """A source as it is now: what is written to it later is not seen."""

    schema: pa.Schema
    files: tuple[FeatureFile, ...]
    open: Opener = field(default_factory=LocalFiles)
    rows: pa.Table | None = field(default=None, repr=False)
    """The rows, where they cannot be read file by file."""


def open_source(
    config: RepoConfig, view: str, source: DataSource | None, columns: Sequence[str], span: Span
) -> SourceRows:
    """Return the files that hold the rows of a source within a span of its event time, and perhaps others.

    ``columns`` are read where the rows cannot be taken from the files as they are. Raises ``FeatureTableError`` where
    there is nothing to read, and ``UsageError`` for a kind of source that this store does not read.
    """
    if is_iceberg(source):
        return _iceberg_rows(view, source, columns, span)
    if is_parquet(source):
        return _parquet_rows(config, view, source, columns)
    kind = "no source" if source is None else f"a {type(source).__name__}"
    raise UsageError(f"view {view} has {kind}: this store reads an IcebergSource, or a FileSource of Parquet")


def is_iceberg(source: DataSource | None) -> bool:
    """Say whether a source is a table of an Iceberg catalog."""
    from feast.infra.data_sources.contrib.iceberg_catalog.iceberg_source import IcebergSource

    return isinstance(source, IcebergSource)


def is_parquet(source: DataSource | None) -> bool:
    """Say whether a source is Parquet files."""
    from feast.data_format import ParquetFormat
    from feast.infra.offline_stores.file_source import FileSource

    return isinstance(source, FileSource) and isinstance(source.file_format, ParquetFormat | None)


def load_iceberg(view: str, source: Any) -> Table:
    """Return the table of an ``IcebergSource``; ``FeatureTableError`` says why it cannot be had."""
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    properties = {"type": source.catalog_type, **source.catalog_properties}
    for name, value in (("uri", source.endpoint), ("warehouse", source.warehouse)):
        if value:
            properties.setdefault(name, value)
    if source.token_env_var and (token := os.environ.get(source.token_env_var)):
        properties.setdefault("token", token)
    named = f"{source.namespace}.{source.iceberg_table}"
    try:
        return load_catalog(source.catalog_name, **properties).load_table(named)
    except (NoSuchTableError, NoSuchNamespaceError):
        raise FeatureTableError(view, f"the catalog has no table {named}; was it built?") from None
    except Exception as error:  # each catalog has errors of its own, and their text may hold an address
        raise FeatureTableError(view, f"table {named} cannot be loaded: {type(error).__name__}") from error


def _iceberg_rows(view: str, source: Any, columns: Sequence[str], span: Span) -> SourceRows:
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    table = load_iceberg(view, source)
    there = schema_to_pyarrow(table.schema(), include_field_ids=False)
    schema = pa.schema([pa.field(one.name, plain(one.type)) for one in there])
    wanted = tuple(name for name in columns if name in schema.names)
    scan = table.scan(row_filter=_filter(source.timestamp_field, schema, span), selected_fields=wanted or ("*",))
    tasks = sorted(scan.plan_files(), key=lambda task: str(task.file.file_path))
    by_name = not _was_renamed(table, wanted)
    if by_name and all(not task.delete_files and task.file.file_format.value.upper() == "PARQUET" for task in tasks):
        files = tuple(FeatureFile(task.file.file_path, task.file.file_size_in_bytes) for task in tasks)
        return SourceRows(schema, files, IcebergFiles(table.io))
    return SourceRows(schema, (), rows=scan.to_arrow())


def _was_renamed(table: Table, columns: Iterable[str]) -> bool:
    """Say whether an older file may hold a column under another name, or another column under its name."""
    now = {column: table.schema().find_field(column).field_id for column in columns}
    names = {number: column for column, number in now.items()}
    return any(
        names.get(one.field_id, one.name) != one.name or now.get(one.name, one.field_id) != one.field_id
        for schema in table.schemas().values()
        for one in schema.fields
    )


def _filter(event: str, schema: pa.Schema, span: Span) -> Any:
    from pyiceberg.expressions import AlwaysTrue, And, GreaterThanOrEqual, LessThanOrEqual

    kept: Any = AlwaysTrue()
    kind = schema.field(event).type if event in schema.names else None
    if kind is None or not pa.types.is_timestamp(kind):
        return kept
    compares: tuple[tuple[int | None, Any], ...] = ((span.first, GreaterThanOrEqual), (span.last, LessThanOrEqual))
    for bound, compare in compares:
        moment = None if bound is None else _moment(bound)
        if moment is not None:
            shown = moment if kind.tz else moment.replace(tzinfo=None)
            kept = And(kept, compare(event, shown.isoformat(timespec="microseconds")))
    return kept


def _moment(us: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:  # before the year 1: no bound at all
        return None


def _parquet_rows(config: RepoConfig, view: str, source: Any, columns: Sequence[str]) -> SourceRows:
    filesystem, path = filesystem_of(config, source)
    files = listed(filesystem, path)
    if not files:
        raise FeatureTableError(view, f"there is no Parquet file at {source.path}")
    local = filesystem.type_name == "local"
    opener: Opener = LocalFiles() if local else FilesystemFiles(filesystem)
    if any("=" in part for file in files for part in PurePosixPath(file.uri.removeprefix(path)).parts[:-1]):
        return _hive_rows(filesystem, path, columns)
    schemas = [pq.read_schema(opener(file.uri)) for file in {files[0], files[-1]}]
    fields = {one.name: plain(one.type) for one in schemas[-1]}
    for one in schemas[0]:
        known = fields.get(one.name, plain(one.type))
        fields[one.name] = widened(plain(one.type), known) or known
    return SourceRows(pa.schema(list(fields.items())), files, opener)


def filesystem_of(config: RepoConfig, source: Any) -> tuple[pa.fs.FileSystem, str]:
    """Return the file system of a ``FileSource``, and the path within it."""
    from feast.infra.offline_stores.file_source import FileSource
    from pyarrow.fs import LocalFileSystem

    uri = FileSource.get_uri_for_file_path(repo_path=config.repo_path, uri=source.file_options.uri)
    filesystem, path = FileSource.create_filesystem_and_path(
        uri, source.file_options.s3_endpoint_override, source.resolve_credentials()
    )
    return filesystem or LocalFileSystem(), str(path).removeprefix("file://")


def listed(filesystem: pa.fs.FileSystem, path: str) -> tuple[FeatureFile, ...]:
    """Return the Parquet files at a path in the order of their names; hidden ones are not data."""
    from pyarrow.fs import FileSelector, FileType

    at = filesystem.get_file_info(path)
    if at.type == FileType.File:
        return (FeatureFile(at.path, at.size),)
    if at.type != FileType.Directory:
        return ()
    inside = filesystem.get_file_info(FileSelector(path, recursive=True))
    return tuple(
        FeatureFile(one.path, one.size)
        for one in sorted(inside, key=lambda one: str(one.path))
        if one.type == FileType.File and one.path.endswith(".parquet") and not one.base_name.startswith(("_", "."))
    )


def _hive_rows(filesystem: pa.fs.FileSystem, path: str, columns: Sequence[str]) -> SourceRows:
    """Some columns may be in the names of folders, where only Arrow's own reader finds them."""
    from pyarrow import dataset

    found = dataset.dataset(path, filesystem=filesystem, format="parquet", partitioning="hive")
    schema = pa.schema([pa.field(one.name, plain(one.type)) for one in found.schema])
    return SourceRows(schema, (), rows=found.to_table(columns=[name for name in columns if name in schema.names]))
