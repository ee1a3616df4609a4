"""Build features: compute what the curated events since the last build change, and publish each view's table once.

A table's snapshot says which state of the curated table it rests on, and its content is a function of that state and
the definition. Publishing it is the commit: whoever dies before has changed nothing, and the next build begins where
the snapshots say. A run id that was published is not published again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from random import SystemRandom
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.config.nearest import unknown
from ray_pipeline.connectors.iceberg.catalog import open_catalog
from ray_pipeline.connectors.iceberg.feature_catalog import FeatureCatalog, open_feature_catalog
from ray_pipeline.connectors.iceberg.feature_table import FeatureInput, FeatureTable, FeatureTableInfo, build_summary
from ray_pipeline.connectors.iceberg.table import CuratedFile
from ray_pipeline.errors import UsageError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.history import offline_schema
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.runtime.failpoints import failpoints
from ray_pipeline.runtime.jobs.features_pass import FeaturesProgress, run_features_pass
from ray_pipeline.runtime.jobs.features_plan import NOTHING, UNIT_BYTES, Unit, ViewDays, plan_units, plan_view
from ray_pipeline.runtime.jobs.features_report import BuildReport, Built, ViewBuild
from ray_pipeline.runtime.jobs.features_source import CuratedSource, CuratedSources, landed_files
from ray_pipeline.runtime.jobs.features_telling import FeaturesTeller, telling_features
from ray_pipeline.runtime.jobs.features_unit import Computed, Subject, newest, offset_ranges
from ray_pipeline.runtime.jobs.gate import check_run_id
from ray_pipeline.runtime.jobs.measure_pass import LOCAL_BYTES
from ray_pipeline.runtime.wiring import open_lake

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

__all__ = ["BuildReport", "Built", "ViewBuild", "build_features", "ensure_tables"]

CHANGED = "its definition changed"
EXPIRED = "the curated snapshot that it rested on is gone"
ASKED = "asked for"


def build_features(
    config: PipelineConfig,
    *,
    views: Sequence[str] | None = None,
    run_id: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    recreate: bool = False,
    ray_address: str | None = None,
    local_bytes: int = LOCAL_BYTES,
    unit_bytes: int = UNIT_BYTES,
    on_message: Callable[[str], None] | None = None,
    on_progress: Callable[[FeaturesProgress], None] | None = None,
    compiled: Sequence[CompiledView] | None = None,
    clock: Clock | None = None,
) -> BuildReport:
    """Build some views, or all of the repository; return what was done.

    Computed are the days that new curated events touch; with ``start`` and ``end`` also those days once more, from the
    one of ``start`` up to, and without, ``end``: the same rows come out, whatever happened before. ``recreate`` builds
    everything anew and lets a feature's type change. More than ``local_bytes`` of Parquet are computed by a Ray Data
    job at ``ray_address``, in parts that read some ``unit_bytes`` each. ``compiled`` are the views, where they are not
    those of the configured repository.

    Raises ``UsageError`` or ``FeatureDefinitionError`` before anything is read, ``FeatureComputeError`` where a view
    cannot be computed: then nothing of any view is published.
    """
    clock = clock or WallClock()
    started = clock.now()
    chosen = chosen_views(config, views, compiled)
    forced = _forced(start, end)
    if run_id is not None:
        check_run_id(run_id)
    run = _Run(
        config,
        open_lake(config),
        run_id or f"{started:%Y%m%dT%H%M%SZ}-{SystemRandom().getrandbits(32):08x}",
        clock,
        on_message or (lambda _sentence: None),
        failpoints(),
    )
    with (
        open_feature_catalog(config, effects=run.passes) as tables,
        open_catalog(config) as curated,
        telling_features(config, run.run_id, timestamp_text(started)) as teller,
    ):
        try:
            with run.timed("plan"):
                sources = CuratedSources(curated)
                works = [_planned(run, tables, sources, view, forced, recreate=recreate) for view in chosen]
                for work in works:
                    if work.is_open and work.source is not None:
                        teller.began(work.view, work.source.metadata, work.info.metadata)
            run.passes("features_planned")
            with run.timed("compute"):
                made = _computed(run, works, local_bytes, unit_bytes, ray_address, on_progress)
            run.passes("features_computed")
            with run.timed("publish"):
                built = [_published(run, work, made.get(work.view.name, Computed()), teller) for work in works]
            run.passes("features_published")
        except BaseException as error:
            teller.failed(error, timestamp_text(clock.now()))
            raise
    finished = timestamp_text(clock.now())
    return BuildReport(run.run_id, config.pipeline, timestamp_text(started), finished, tuple(built), dict(run.timings))


def ensure_tables(config: PipelineConfig, compiled: Sequence[CompiledView]) -> None:
    """Make the tables of views that have none, empty, so that who looks for one finds it before the first build."""
    with open_feature_catalog(config) as tables:
        for view in compiled:
            tables.ensure(view.name, offline_schema(view.shape))


def chosen_views(
    config: PipelineConfig, names: Sequence[str] | None, compiled: Sequence[CompiledView] | None = None
) -> tuple[CompiledView, ...]:
    """Return the views of these names, or all, of the configured repository; ``UsageError`` where there is none."""
    if compiled is None:
        from ray_pipeline.connectors.feast.repo import load_repo

        compiled = load_repo(config).views
    known = {view.name: view for view in compiled}
    for name in names or ():
        if name not in known:
            raise UsageError(f"{name}: {unknown(name, known, 'view')}")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else tuple(compiled)


@dataclass
class _Run:
    """What one run carries along."""

    config: PipelineConfig
    store: ObjectStore
    run_id: str
    clock: Clock
    say: Callable[[str], None]
    passes: Callable[[str], None]
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(time.monotonic() - began, 3)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done for one view."""

    view: CompiledView
    table: FeatureTable
    info: FeatureTableInfo
    source: CuratedSource | None = None
    days: ViewDays = NOTHING
    columns: pa.Schema | None = None
    recreate: bool = False
    repeated: bool = False

    @property
    def is_open(self) -> bool:
        return self.source is not None and not self.repeated and bool(self.days.days or self.days.changed)


def _planned(
    run: _Run,
    tables: FeatureCatalog,
    sources: CuratedSources,
    view: CompiledView,
    forced: tuple[int, int] | None,
    *,
    recreate: bool,
) -> _Work:
    schema = offline_schema(view.shape)
    table = tables.ensure(view.name, schema)
    if (done := table.find_run(run.run_id)) is not None:
        return _Work(view, table, done, repeated=True)
    info = table.info()
    columns = table.columns(schema, recreate=recreate)  # refuses another type before anything is computed
    dataset = view.shape.dataset
    run.config.dataset(dataset)
    source = sources.of(view)
    if source is None:
        return _Work(view, table, info)
    known = info.inputs.get(dataset)
    why = ASKED if recreate else CHANGED if info.definition not in (None, view.shape.definition) else ""
    before: Sequence[CuratedFile] | None = () if known is None else None
    if known is not None and not why:
        before = source.files_at(known.snapshot_id)
        why = EXPIRED if before is None else ""
    days = {file.day for file in table.files()}
    plan = plan_view(view.shape, source.files, before, days, why=why, forced=forced)
    return _Work(view, table, info, source, plan, columns, recreate)


def _computed(
    run: _Run,
    works: Sequence[_Work],
    local_bytes: int,
    unit_bytes: int,
    ray_address: str | None,
    on_progress: Callable[[FeaturesProgress], None] | None,
) -> dict[str, Computed]:
    """Compute all views in one pass; each dataset's files are read once for all of its views."""
    subjects: dict[str, Subject] = {}
    units: list[Unit] = []
    by_dataset: dict[str, list[_Work]] = {}
    for work in works:
        if work.is_open:
            by_dataset.setdefault(work.view.shape.dataset, []).append(work)
    for dataset, mine in by_dataset.items():
        source = mine[0].source
        assert source is not None
        plans = {work.view.name: work.days for work in mine}
        parts = plan_units(dataset, source.files, [work.view.shape for work in mine], plans, unit_bytes)
        read = {file for part in parts for file in part.files}
        subjects[dataset] = Subject(
            {work.view.name: work.view for work in mine},
            {work.view.name: work.columns for work in mine if work.columns is not None},
            source.schema,
            landed_files(run.store, run.config.pipeline, dataset, read),
        )
        units += parts
    return run_features_pass(
        run.config,
        run.store,
        subjects,
        units,
        local_bytes=local_bytes,
        ray_address=ray_address,
        on_progress=on_progress,
    )


def _published(run: _Run, work: _Work, made: Computed, teller: FeaturesTeller) -> ViewBuild:
    """Publish one view where something changed, and return what became of it."""
    if not work.is_open:
        read = work.info.inputs.get(work.view.shape.dataset)
        read = read or (None if work.source is None else work.source.read)
        result = Built.REPEATED if work.repeated else Built.UNCHANGED
        return _built(run, work, work.info, read, result, Computed(), 0)
    assert work.source is not None
    assert work.columns is not None
    uris = {day: sorted(made.files.get(day, ())) for day in work.days.days}
    there = {file.uri for file in work.table.files(days=work.days.days)}
    new = {uri for found in uris.values() for uri in found}
    info, result = work.info, Built.UNCHANGED
    definition, inputs = work.view.shape.definition, {work.view.shape.dataset: work.source.read}
    if new != there or info.definition != definition or info.inputs != inputs:
        everything = bool(work.days.why) or info.build < 0
        work.table.replace_days(
            info.build + 1,
            uris,
            build_summary(
                run_id=run.run_id,
                definition=definition,
                inputs=inputs,
                horizon_us=newest(None if everything else info.horizon_us, made.horizon_us),
                offsets=offset_ranges(() if everything else info.offsets, made.offsets),
            ),
            after=info.build,
            columns=work.columns,
            recreate=work.recreate,
        )
        info, result = work.table.info(), Built.PUBLISHED
    built = _built(run, work, info, work.source.read, result, made, len(new - there))
    teller.ended(
        work.view.name,
        timestamp_text(run.clock.now()),
        rows=built.rows_computed,
        files=built.files_written,
        read=work.source.read.snapshot_id,
        snapshot_id=info.snapshot_id,
    )
    return built


def _built(
    run: _Run,
    work: _Work,
    info: FeatureTableInfo,
    read: FeatureInput | None,
    result: Built,
    made: Computed,
    files: int,
) -> ViewBuild:
    days = work.days.days
    built = ViewBuild(
        view=work.view.name,
        dataset=work.view.shape.dataset,
        result=result,
        definition=info.definition or work.view.shape.definition,
        snapshot_id=info.snapshot_id,
        build=info.build,
        metadata=info.metadata,
        rows=info.rows,
        curated_snapshot=None if read is None else read.snapshot_id,
        gate_decision=None if read is None else read.decision,
        horizon_us=info.horizon_us,
        why=work.days.why,
        days=len(days),
        first_day=day_text(days[0]) if days else None,
        last_day=day_text(days[-1]) if days else None,
        events=made.events,
        rows_computed=made.rows,
        files_written=files,
        set_aside=dict(sorted(made.skipped.items())),
    )
    run.say(built.sentence())
    return built


def day_text(day: int) -> str:
    """Return a day since 1970 as an ISO date.

    >>> day_text(15737)
    '2013-02-01'
    """
    return str(np.datetime64(day, "D"))


def _forced(start: datetime | None, end: datetime | None) -> tuple[int, int] | None:
    """Return the first and the last day that are computed whatever changed; None where none is."""
    if start is None and end is None:
        return None
    for moment in (start, end):
        if moment is not None and getattr(moment, "tzinfo", None) is None:  # a date has none either
            raise UsageError("a moment needs its offset from UTC, as in 2013-02-25T06:00:00Z")
    first = -(2**40) if start is None else int(start.timestamp() // 86_400)
    last = 2**40 if end is None else -int(-end.timestamp() // 86_400) - 1
    if last < first:
        raise UsageError(f"from {start} to {end} there is no day")
    return first, last
