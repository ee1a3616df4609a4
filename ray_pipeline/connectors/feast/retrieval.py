"""What a query of the offline store returns: it runs when its rows are asked for, and once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig
from feast.saved_dataset import SavedDatasetStorage, ValidationReference
from pyarrow.fs import FileSystem, FileType, LocalFileSystem

from ray_pipeline.connectors.feast.sources import filesystem_of, listed
from ray_pipeline.errors import UsageError


class PointInTimeRetrievalJob(RetrievalJob):
    """Rows of a query. ``to_arrow`` is exact; in pandas an integer column with a null in it is one of floats."""

    def __init__(
        self,
        config: RepoConfig,
        compute: Callable[[], pa.Table],
        *,
        full_feature_names: bool = False,
        on_demand_feature_views: list[OnDemandFeatureView] | None = None,
        metadata: RetrievalMetadata | None = None,
    ) -> None:
        self._config, self._compute, self._table = config, compute, None
        self._full_feature_names, self._metadata = full_feature_names, metadata
        self._on_demand_feature_views = on_demand_feature_views or []

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        if self._table is None:
            self._table = self._compute()
        return self._table

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self._on_demand_feature_views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def persist(
        self,
        storage: SavedDatasetStorage,
        allow_overwrite: bool = False,
        timeout: int | None = None,
        validation_reference: ValidationReference | None = None,
    ) -> None:
        """Write the rows to a Parquet file, or as one into a folder: it is there whole or not at all."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise UsageError(f"a saved dataset is Parquet files here, not {type(storage).__name__}")
        filesystem, path = filesystem_of(self._config, storage.to_data_source())
        if not allow_overwrite and filesystem.get_file_info(path).type != FileType.NotFound:
            raise SavedDatasetLocationAlreadyExists(location=storage.file_options.uri)
        table = self.to_arrow(validation_reference, timeout)
        file = path if path.endswith(".parquet") else f"{path.rstrip('/')}/part-0.parquet"
        before = [one.uri for one in listed(filesystem, path) if one.uri != file]
        write_parquet(filesystem, file, table)
        for uri in before:  # a folder's earlier files would be rows of this dataset too
            filesystem.delete_file(uri)


def write_parquet(filesystem: FileSystem, path: str, table: pa.Table) -> None:
    """Write one file so that no reader ever sees a part of it."""
    if not isinstance(filesystem, LocalFileSystem):
        with filesystem.open_output_stream(path) as sink:  # an object appears when its upload is complete
            pq.write_table(table, sink)
        return
    whole = Path(path)
    whole.parent.mkdir(parents=True, exist_ok=True)
    part = whole.with_name(f".{whole.name}.{uuid.uuid4().hex}")
    try:
        pq.write_table(table, part)
        part.replace(whole)
    finally:
        part.unlink(missing_ok=True)


def labels_of(entity_df: Any) -> pa.Table:
    """Return labels as an Arrow table: of pandas, polars or Arrow; ``UsageError`` says what else is wrong."""
    if isinstance(entity_df, str):
        raise UsageError("labels are a table here (pandas, polars or Arrow), not SQL: run the query first")
    if isinstance(entity_df, pa.Table):
        return entity_df
    if isinstance(entity_df, pd.DataFrame):
        try:
            return pa.Table.from_pandas(entity_df, preserve_index=False).replace_schema_metadata(None)
        except pa.ArrowException as error:
            raise UsageError(f"the labels cannot be a table: {'; '.join(str(one) for one in error.args)}") from None
    if callable(to_arrow := getattr(entity_df, "to_arrow", None)):
        return to_arrow()
    raise UsageError(f"labels are a table of pandas, polars or Arrow, not {type(entity_df).__name__}")
