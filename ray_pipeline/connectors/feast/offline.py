"""Feast's offline store on this package's point-in-time join, by dotted path in ``feature_store.yaml``.

::

    offline_store:
      type: ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore

Every label row comes back once and in its place, a value older than its view's ttl is null, and ties are settled by
the rows themselves. Importing this module imports neither Ray nor polars.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import _get_requested_feature_views_to_features_dict, _get_requested_on_demand_feature_views

from ray_pipeline.connectors.feast.appending import append_rows, write_logs
from ray_pipeline.connectors.feast.historical import in_utc, moment_column, view_plan
from ray_pipeline.connectors.feast.pulling import all_rows, newest_rows, pull_plan, span_of
from ray_pipeline.connectors.feast.retrieval import PointInTimeRetrievalJob, labels_of
from ray_pipeline.connectors.feast.view_join import asked_moments
from ray_pipeline.connectors.feast.view_plan import ViewPlan
from ray_pipeline.errors import UsageError

_LOCAL_BYTES = 64 << 20


class PointInTimeOfflineStoreConfig(FeastConfigBaseModel):
    """What ``feature_store.yaml`` may say about this store."""

    type: Literal["ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore"] = (
        "ray_pipeline.connectors.feast.offline.PointInTimeOfflineStore"
    )
    pipeline: Path | None = None
    """The pipeline's configuration file, where the views are computed by a pipeline."""
    blocks: int | None = None
    """Into how many parts a join is cut; left out: by its size. The answers are the same."""
    local_bytes: int = _LOCAL_BYTES
    """Up to so many bytes of Parquet are joined in this process; more on Ray."""
    ray_address: str | None = None
    """Left out: the Ray that is up, else RAY_ADDRESS, else one of its own for the time of the join."""


class PointInTimeOfflineStore(OfflineStore):
    """Reads an ``IcebergSource`` of any catalog, or a ``FileSource`` of Parquet."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,  # noqa: ARG004
    ) -> RetrievalJob:
        """Return the labels with their features. ``filter_by_created_timestamp``: nothing created after the label.

        Labels are a table of pandas, polars or Arrow; a moment without a zone is UTC. Which files are read is decided
        now: what is written later is not seen, whenever the rows are asked for.
        """
        if entity_df is None:
            raise UsageError(
                "this store answers labels only: pass entity_df, with a row for each entity and moment that you ask for"
            )
        labels = labels_of(entity_df)
        at = moment_column(labels)
        moments = asked_moments(labels, at)
        labels = in_utc(labels, at)
        asked = (int(moments.min()), int(moments.max())) if len(moments) else None
        by_view, _ = _get_requested_feature_views_to_features_dict(
            feature_refs, feature_views, _get_requested_on_demand_feature_views(feature_refs, project, registry)
        )
        plans = [
            view_plan(
                config,
                view,
                features,
                asked,
                full_feature_names=full_feature_names,
                as_of_known=filter_by_created_timestamp,
            )
            for view, features in by_view.items()
        ]
        return PointInTimeRetrievalJob(
            config,
            _join(config, labels, plans, at),
            full_feature_names=full_feature_names,
            on_demand_feature_views=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            metadata=RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in labels.column_names if name != at],
                min_event_timestamp=None if asked is None else _moment(asked[0]),
                max_event_timestamp=None if asked is None else _moment(asked[1]),
            ),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Return each entity's newest row within the range, both ends included; a null key is no entity."""
        keys, span = [key for key in join_key_columns if key != DUMMY_ENTITY_ID], span_of(start_date, end_date)
        plan = pull_plan(
            config, data_source, keys, feature_name_columns, timestamp_field, created_timestamp_column, span
        )
        return PointInTimeRetrievalJob(config, lambda: _with_entity(newest_rows(plan, span), keys))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Return every row within the range, both ends included."""
        keys, span = [key for key in join_key_columns if key != DUMMY_ENTITY_ID], span_of(start_date, end_date)
        plan = pull_plan(
            config, data_source, keys, feature_name_columns, timestamp_field, created_timestamp_column, span
        )
        return PointInTimeRetrievalJob(config, lambda: all_rows(plan, span))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows to a view's source, whole or not at all; refused where a pipeline computes the view's rows."""
        append_rows(config, feature_view, table)
        if progress is not None:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,  # noqa: ARG004
        logging_config: LoggingConfig,
        registry: BaseRegistry,  # noqa: ARG004
    ) -> None:
        """Add a log of served features to the Parquet folder of its destination."""
        write_logs(config, data, logging_config.destination)


def _join(config: RepoConfig, labels: pa.Table, plans: list[ViewPlan], at: str) -> Callable[[], pa.Table]:
    def join() -> pa.Table:
        from ray_pipeline.connectors.feast.ray_join import join_views

        store = config.offline_store
        return join_views(
            labels,
            plans,
            at=at,
            blocks=store.blocks,
            local_bytes=store.local_bytes,
            ray_address=store.ray_address,
        )

    return join


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)


def _with_entity(rows: pa.Table, keys: list[str]) -> pa.Table:
    """Give the only row of a view without an entity the key by which Feast's online side knows it."""
    return rows if keys else rows.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * rows.num_rows))
