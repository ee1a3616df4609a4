"""Feast's materialisation, which cannot lie: by dotted path, ``batch_engine`` of ``feature_store.yaml``.

It is Feast's local engine, and ``materialize`` and ``materialize_incremental`` stay what they are, but:

- a task that fails fails the run, and the view's watermark stays where it was;
- after writing, what the offline table says is compared with what the online store then holds, count and values;
- ``materialize_incremental`` reads everything up to its end, not the time since the last run or the view's ttl alone:
  rows that a build added behind the watermark, and rows older than the ttl, would be skipped in silence. The store
  keeps what is newer, so this writes nothing twice;
- a view that the stream feeds is passed over where no view was named, its watermark unmoved, and refused by name.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pyarrow as pa
from feast.infra.common.materialization_job import (
    MaterializationJob,
    MaterializationJobStatus,
    MaterializationTask,
)
from feast.infra.compute_engines.backends.base import DataFrameBackend
from feast.infra.compute_engines.backends.polars_backend import PolarsBackend
from feast.infra.compute_engines.local.compute import LocalComputeEngine, LocalComputeEngineConfig
from feast.infra.compute_engines.local.feature_builder import LocalFeatureBuilder
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.utils import make_tzaware
from pydantic import StrictStr

from ray_pipeline.connectors.feast.reconcile import Counting, reconcile
from ray_pipeline.errors import UsageError
from ray_pipeline.features.shape import FEED_TAG, Feed

logger = logging.getLogger(__name__)

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR = timedelta(weeks=52)
"""How far back Feast's first incremental run looks where a view has no ttl."""
_JUST_NOW = timedelta(minutes=1)


class ReconcilingComputeEngineConfig(LocalComputeEngineConfig):
    """``batch_engine: ray_pipeline.connectors.feast.engine.ReconcilingComputeEngine``, or a mapping with that type."""

    type: StrictStr = "ray_pipeline.connectors.feast.engine.ReconcilingComputeEngine"  # type: ignore[assignment]


class ReconcilingComputeEngine(LocalComputeEngine):
    """Materialises one view after another in this process, and checks each one."""

    @property
    def supports_batch(self) -> bool:
        """Feast hands over all views at once: a view that is passed over keeps its state and its watermark."""
        return True

    def materialize(
        self, registry: Any, tasks: MaterializationTask | list[MaterializationTask], **_: Any
    ) -> list[MaterializationJob]:
        """Return a job for each task; one that failed carries its error, which Feast raises at the end."""
        asked = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        fed = [task.feature_view.name for task in asked if _is_stream_fed(task)]
        if fed and len(fed) == len(asked):
            raise UsageError(
                f"{', '.join(fed)}: fed by the stream, so there is nothing to materialise; "
                "`ray-pipeline features backfill --online` writes the same values"
            )
        now = datetime.now(UTC)
        return [_passed_over(task) if _is_stream_fed(task) else self._one(registry, task, now) for task in asked]

    def _one(self, registry: Any, task: MaterializationTask, now: datetime) -> LocalMaterializationJob:
        whole = replace(task, start_time=_start(task, now))
        return self._materialize_one(registry, whole)

    def _materialize_one(self, registry: Any, task: MaterializationTask, **_: Any) -> LocalMaterializationJob:
        try:
            counts = self._written(registry, task)
        except Exception as error:  # noqa: BLE001 - Feast raises it, once the other views had their turn
            return LocalMaterializationJob(_job_id(task), MaterializationJobStatus.ERROR, error)
        logger.info("%s: %s", task.feature_view.name, counts)
        return LocalMaterializationJob(_job_id(task), MaterializationJobStatus.SUCCEEDED)

    def _written(self, registry: Any, task: MaterializationTask) -> str:
        context = self.get_execution_context(registry, task)
        counting = Counting(context.online_store)
        context.online_store = cast("Any", counting)
        plan = LocalFeatureBuilder(registry, task, backend=self._backend_of_one_chunk()).build()
        rows = plan.execute(context).data
        if not task.feature_view.online:
            return f"{rows.num_rows:,} rows, not written online"
        return str(reconcile(self.repo_config, self.online_store, task.feature_view, rows, counting.rows))

    def _backend_of_one_chunk(self) -> DataFrameBackend:
        chosen = self._backend
        return _OneChunk() if chosen is None or isinstance(chosen, PolarsBackend) else chosen


class _OneChunk(PolarsBackend):
    """Not pandas, which makes floats of integers with a null; and one chunk, for Feast writes only the first."""

    def to_arrow(self, df: Any) -> pa.Table:
        return df.to_arrow().combine_chunks()


def _start(task: MaterializationTask, now: datetime) -> datetime:
    """Return from when on to read: of an incremental run, which Feast does not name, from the beginning."""
    start = make_tzaware(task.start_time)
    last = task.feature_view.most_recent_end_time
    if last is not None:
        return _BEGINNING if start == make_tzaware(last) else start
    ttl = task.feature_view.ttl or _YEAR
    return _BEGINNING if abs(now - ttl - start) < _JUST_NOW else start


def _is_stream_fed(task: MaterializationTask) -> bool:
    return bool(task.feature_view.tags.get(FEED_TAG) == Feed.STREAM.value)


def _passed_over(task: MaterializationTask) -> LocalMaterializationJob:
    """An error that is none: Feast then takes the view's state back, moves no watermark, and raises nothing."""
    logger.warning("%s: fed by the stream, passed over", task.feature_view.name)
    return LocalMaterializationJob(_job_id(task), MaterializationJobStatus.ERROR)


def _job_id(task: MaterializationTask) -> str:
    return f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
