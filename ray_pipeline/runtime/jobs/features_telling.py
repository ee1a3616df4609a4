"""Tell an OpenLineage receiver what a build of features does: START, then COMPLETE or FAIL, for each view."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.history import CREATED_TIMESTAMP, EVENT_TIMESTAMP, offline_schema
from ray_pipeline.features.history import OFFSETS as OFFSETS_COLUMN
from ray_pipeline.lineage.features import FeatureRun, features_ended, features_failed, features_started
from ray_pipeline.lineage.names import name_location, table_location

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.openlineage import LineageEmitter


class FeaturesTeller:
    """The events of one build. Nothing here stalls or fails it: the emitter has a queue of its own."""

    def __init__(self, config: PipelineConfig, emitter: LineageEmitter, run_id: str, started_at: str) -> None:
        self._config, self._emitter = config, emitter
        self._run_id, self._started_at = run_id, started_at
        self._engine = version("ray")
        self._runs: dict[str, FeatureRun] = {}

    def began(self, view: CompiledView, curated: str, table: str) -> None:
        """Say that the run began on a view; both are addresses of a table's metadata."""
        self._runs[view.name] = run = FeatureRun(
            pipeline=self._config.pipeline,
            view=view.name,
            run_id=self._run_id,
            started_at=self._started_at,
            source=name_location(table_location(curated)),
            table=name_location(table_location(table)),
            schema=offline_schema(view.shape),
            columns=_made_of(view),
            engine_version=self._engine,
            aggregated=view.shape.window is not None,
            namespace=self._config.lineage.namespace,
        )
        self._emitter.emit(features_started(run))

    def ended(
        self, view: str, finished_at: str, *, rows: int, files: int, read: int | None, snapshot_id: int | None
    ) -> None:
        """Say what became of a view."""
        run = self._runs.pop(view)
        self._emitter.emit(features_ended(run, finished_at, rows=rows, files=files, read=read, snapshot_id=snapshot_id))

    def failed(self, error: BaseException, finished_at: str) -> None:
        """Say that the run ended without a result for the views that are left."""
        sentence = str(error) if isinstance(error, RayPipelineError) else type(error).__name__
        self._emitter.emit(*(features_failed(run, finished_at, sentence) for run in self._runs.values()))
        self._runs.clear()


@contextmanager
def telling_features(config: PipelineConfig, run_id: str, started_at: str) -> Iterator[FeaturesTeller]:
    """Open the emitter that the configuration asks for; wait for its last events no longer than its time-out."""
    from ray_pipeline.connectors.openlineage import open_emitter

    emitter = open_emitter(config.lineage)
    try:
        yield FeaturesTeller(config, emitter, run_id, started_at)
    finally:
        emitter.close(config.lineage.timeout)


def _made_of(view: CompiledView) -> dict[str, tuple[str, ...]]:
    """Return which curated columns each column of the offline table is made of."""
    shape = view.shape
    names = [*(key.name for key in shape.keys), *(feature.name for feature in shape.features)]
    named = {
        name: () if expression is None else tuple(sorted(set(expression.meta.root_names())))
        for name, expression in zip(names, (*view.keys, *view.values), strict=True)
    }
    moments = (view.event_time,) if shape.window is None else (view.event_time, "_timestamp")
    times = {EVENT_TIMESTAMP: moments, CREATED_TIMESTAMP: ("_timestamp",), OFFSETS_COLUMN: ("_partition", "_offset")}
    return named | times
