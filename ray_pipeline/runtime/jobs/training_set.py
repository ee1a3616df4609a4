"""Build a training set: questions with their labels, and for each the features as its moment knew them.

Everything comes from snapshots, and the manifest names them, so the same bytes come out again after later gates,
builds, backfills and corrections. A question that was asked later than a view's table knows is left out and counted:
its features could be older than what was known. Whoever wants it builds the features first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.config.nearest import unknown
from ray_pipeline.errors import FeatureTableError, UsageError
from ray_pipeline.features.definition import CompiledView, LabelDefinition
from ray_pipeline.features.history import offline_schema
from ray_pipeline.features.requests import request_values
from ray_pipeline.features.service import Service, ServiceView
from ray_pipeline.features.shape import ViewShape
from ray_pipeline.features.training import ASKED_AT, KNOWN_AT, LABEL, SPLIT, columns_of, label_key, label_rows
from ray_pipeline.features.training_spec import TrainingSpec, moment_text, read_spec, spec_of
from ray_pipeline.lineage.training_sets import (
    BuiltSet,
    TrainingSetRun,
    training_set_ended,
    training_set_failed,
    training_set_started,
)
from ray_pipeline.runtime.jobs.run_telling import RunTeller, telling_run
from ray_pipeline.runtime.jobs.training_manifest import training_manifest, training_parquet
from ray_pipeline.runtime.jobs.training_set_telling import training_set_run
from ray_pipeline.runtime.training_sets import TrainingSet, keep, training_set_folder
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.feast.repo import FeatureRepo
    from ray_pipeline.connectors.iceberg.feature_table import FeatureTable, FeatureTableInfo
    from ray_pipeline.connectors.iceberg.table import CuratedSnapshot, CuratedTable

__all__ = ["TrainingSet", "build_training_set"]

_DAY = 86_400_000_000
STATUS = "__status"


def build_training_set(
    config: PipelineConfig,
    spec: TrainingSpec | Path | str | Mapping[str, Any],
    out: Path | str | None = None,
    *,
    blocks: int | None = None,
    ray_address: str | None = None,
    repo: FeatureRepo | None = None,
    on_message: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> TrainingSet:
    """Build what ``spec`` says, a file or a manifest, keep it in the lake, and write it into ``out`` as well.

    What a manifest names is built again from the same snapshots. ``blocks`` is into how many parts the join is cut;
    the answer does not depend on it. ``repo`` stands in for the configured repository.
    """
    wanted = _spec(spec)
    work = _Work.plan(config, wanted, repo or _load(config))
    with telling_run(config, f"training-set.{wanted.name}", clock or WallClock()) as teller:
        run = None if teller is None else work.tell(config, teller)
        table, manifest, told = work.run(blocks, ray_address)
        for message in told:
            if on_message is not None:
                on_message(message)
        data = training_parquet(table)
        found = keep(open_lake(config), config.pipeline, manifest(data), data)
        work.tag(found.version)  # also where it was there: whoever put it there may have died before this
        if teller is not None and run is not None:
            built = BuiltSet(found.version, table.schema, table.num_rows, len(data), found.created)
            teller.ended(lambda at: training_set_ended(run, at, built))
    if out is not None:
        found.save(out)
    return found


@dataclass(frozen=True, slots=True)
class _View:
    """One view of the service at its snapshot."""

    asked: ServiceView
    compiled: CompiledView
    table: FeatureTable
    info: FeatureTableInfo

    @property
    def horizon_us(self) -> int:
        """Up to when it knows what was published; an empty table knows nothing."""
        return -(1 << 63) if self.info.horizon_us is None else self.info.horizon_us


@dataclass(frozen=True, slots=True)
class _Work:
    spec: TrainingSpec
    labels: LabelDefinition
    service: Service
    curated: Mapping[str, tuple[CuratedTable, CuratedSnapshot]]
    views: tuple[_View, ...]

    @classmethod
    def plan(cls, config: PipelineConfig, spec: TrainingSpec, repo: FeatureRepo) -> _Work:
        """Name every snapshot, before a row is read."""
        labels, service = repo.label_set(spec.labels), repo.service(spec.service)
        _check_keys(labels, service, repo)
        datasets = tuple(dict.fromkeys((labels.requests, labels.outcomes)))
        _check_pins(spec.curated, datasets, "snapshots.curated", "dataset of the label set")
        names = tuple(dict.fromkeys(one.view for one in service.views))
        _check_pins(spec.features, names, "snapshots.features", "view of the feature service")
        curated = {dataset: _curated(config, dataset, spec.curated.get(dataset)) for dataset in datasets}
        tables = {name: feature_table(config, repo.view(name).shape, spec.features.get(name)) for name in names}
        views = tuple(_View(one, repo.view(one.view), *tables[one.view]) for one in service.views)
        pinned = replace(
            spec,
            curated={name: snapshot.snapshot_id for name, (_, snapshot) in curated.items()},
            features={name: info.snapshot_id for name, (_, info) in tables.items() if info.snapshot_id is not None},
        )
        return cls(pinned, labels, service, curated, views)

    def run(
        self, blocks: int | None, ray_address: str | None
    ) -> tuple[pa.Table, Callable[[bytes], dict[str, Any]], list[str]]:
        from ray_pipeline.connectors.iceberg.pinned import read_columns

        asked, answered = columns_of(self.labels)
        read = {}
        for dataset, columns in ((self.labels.requests, asked), (self.labels.outcomes, answered)):
            table, snapshot = self.curated[dataset]
            read[dataset, columns] = read_columns(table, snapshot.snapshot_id, columns)
        questions, outcomes = read[self.labels.requests, asked], read[self.labels.outcomes, answered]
        found = label_rows(self.labels, self.spec, questions, outcomes)
        frame, behind = self._known(found.frame)
        excluded = {**found.excluded, **behind}
        if not frame.height:
            said = "; ".join(f"{number:,} {reason}" for reason, number in sorted(excluded.items())) or "none were asked"
            raise UsageError(f"training set {self.spec.name} would have no rows ({said})")
        table, features = self._joined(frame, blocks, ray_address)
        looked_at = {self.labels.outcomes: outcomes, self.labels.requests: questions}

        def manifest(data: bytes) -> dict[str, Any]:
            return training_manifest(
                self.spec,
                table,
                data,
                label_key=label_key(self.labels),
                request=self.service.request,
                questions=found.questions,
                excluded=excluded,
                outcomes_replaced=found.outcomes_replaced,
                curated={name: (self.curated[name][1], rows) for name, rows in looked_at.items()},
                views={one.asked.shown: (one.compiled.shape, one.info) for one in self.views},
                features=features,
            )

        return table, manifest, [f"{count(number, 'question')} left out: {what}" for what, number in behind.items()]

    def tell(self, config: PipelineConfig, teller: RunTeller) -> TrainingSetRun:
        """Tell that the build begins."""
        run = training_set_run(
            teller.run,
            folder=training_set_folder(config, self.spec.name),
            labels=self.labels,
            service=self.service,
            curated={name: (table.info()["metadata"], one.snapshot_id) for name, (table, one) in self.curated.items()},
            views={one.asked.shown: (one.asked, one.info) for one in self.views},
        )
        teller.began(training_set_started(run), partial(training_set_failed, run))
        return run

    def tag(self, version: str) -> None:
        """Keep the snapshots from being expired, for as long as somebody may want to build this again."""
        name = f"training.{self.spec.name}.{version}"
        tables = {one.info.view: one for one in self.views}
        for view in tables.values():
            if view.info.snapshot_id is not None:
                view.table.tag(view.info.snapshot_id, name)
        for table, snapshot in self.curated.values():
            table.tag(snapshot.snapshot_id, name)

    def _known(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
        """Return the questions that every view can answer, and by view how many it cannot."""
        behind = {}
        for view in sorted(self.views, key=lambda one: one.asked.shown):
            kept = frame.filter(pl.col(ASKED_AT) <= view.horizon_us)
            if lost := frame.height - kept.height:
                horizon = "nothing yet" if view.info.horizon_us is None else f"up to {moment_text(view.horizon_us)}"
                behind[f"asked later than {view.asked.shown} knows ({horizon})"] = lost
            frame = kept
        return frame, behind

    def _joined(
        self, frame: pl.DataFrame, blocks: int | None, ray_address: str | None
    ) -> tuple[pa.Table, dict[str, str | None]]:
        from ray_pipeline.connectors.feast.ray_join import join_views

        moments = [pl.from_epoch(name, "us").dt.replace_time_zone("UTC") for name in (ASKED_AT, KNOWN_AT)]
        shown = frame.with_columns(moments)
        last = (LABEL, KNOWN_AT, SPLIT)
        columns = {name: shown[name] for name in shown.columns if name not in last}
        features: dict[str, str | None] = {}
        if (request := self.service.request) is not None:
            for one in request_values(request, shown).iter_columns():
                columns[f"{request.name}__{one.name}"] = one
                features[f"{request.name}__{one.name}"] = None
        joined = join_views(
            pl.DataFrame(columns).to_arrow(),
            [self._plan(view, frame) for view in self.views],
            at=ASKED_AT,
            statuses=True,
            blocks=blocks,
            ray_address=ray_address,
        )
        for view in self.views:
            features |= {f"{view.asked.shown}__{name}": view.asked.shown for name in view.asked.features}
        statuses = [f"{view.asked.shown}{STATUS}" for view in self.views]
        table = joined.select([*columns, *(name for name in features if name not in columns), *statuses])
        for name in last:
            table = table.append_column(name, shown[name].to_arrow())
        return _plain(table), features

    def _plan(self, view: _View, frame: pl.DataFrame) -> Any:
        from ray_pipeline.connectors.iceberg.pinned import pinned_plan

        shape, asked = view.compiled.shape, view.asked
        first, last = frame[ASKED_AT].min(), frame[ASKED_AT].max()
        assert isinstance(first, int)
        assert isinstance(last, int)
        begin = -(1 << 62) if shape.ttl is None else (first - shape.ttl) // _DAY
        return pinned_plan(
            view.table,
            view.info.snapshot_id or 0,
            name=asked.shown,
            keys={asked.keys.get(key.name, key.name): key.name for key in shape.keys},
            features={name: f"{asked.shown}__{name}" for name in asked.features},
            schema=offline_schema(shape),
            ttl_us=shape.ttl,
            days=(begin, last // _DAY),
        )


def _spec(given: TrainingSpec | Path | str | Mapping[str, Any]) -> TrainingSpec:
    if isinstance(given, TrainingSpec):
        return given
    if isinstance(given, Mapping):
        return spec_of(given.get("spec", given), "the spec")
    path = Path(given)
    if path.suffix == ".json":
        from ray_pipeline.runtime.training_sets import read_manifest

        return spec_of(read_manifest(path)["spec"], str(path))
    return read_spec(path)


def _load(config: PipelineConfig) -> FeatureRepo:
    from ray_pipeline.connectors.feast.repo import load_repo

    return load_repo(config)


def _check_keys(labels: LabelDefinition, service: Service, repo: FeatureRepo) -> None:
    """Refuse a service that asks for what the label set does not say."""
    said = {*labels.keys, label_key(labels)}
    for asked in service.views:
        for key in repo.view(asked.view).shape.keys:
            if (name := asked.keys.get(key.name, key.name)) not in said:
                raise UsageError(f"label set {labels.name} does not say {name}, the key of view {asked.shown}")
    if service.request is not None:
        for name in service.request.inputs:
            if name not in said:
                raise UsageError(f"label set {labels.name} does not say {name}, which {service.request.name} needs")


def _check_pins(pins: Mapping[str, int], known: tuple[str, ...], where: str, kind: str) -> None:
    for name in pins:
        if name not in known:
            raise UsageError(f"{where}.{name}: {unknown(name, known, kind)}")


def _curated(config: PipelineConfig, dataset: str, pinned: int | None) -> tuple[CuratedTable, CuratedSnapshot]:
    from ray_pipeline.runtime.curated import curated_table

    table = curated_table(config, dataset)
    chosen = None if table is None else pinned or table.info()["snapshot_id"]
    if table is None or chosen is None:
        raise UsageError(f"{dataset} has no curated snapshot yet; run the gate first")
    for snapshot in table.snapshots():
        if snapshot.snapshot_id == chosen:
            return table, snapshot
    raise UsageError(f"table {dataset} has no snapshot {chosen}, or it was expired")


def feature_table(
    config: PipelineConfig, shape: ViewShape, pinned: int | None = None
) -> tuple[FeatureTable, FeatureTableInfo]:
    """Return a view's offline table at a snapshot, by default the newest, where it holds this very definition."""
    from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog

    table = open_feature_catalog(config).table(shape.name)
    info = None if table is None else table.info(pinned)
    if table is None or info is None or info.snapshot_id is None:
        raise UsageError(f"view {shape.name} was never built; run `ray-pipeline features build` first")
    if info.definition != shape.definition:
        raise FeatureTableError(
            shape.name,
            f"snapshot {info.snapshot_id} holds definition {str(info.definition)[:12]} and the repository says "
            f"{shape.definition[:12]}; build the view, or go back to the definition of that snapshot",
        )
    return table, info


def _plain(table: pa.Table) -> pa.Table:
    """Return the table in types that every reader has: text as string, moments in microseconds UTC; one chunk each."""
    fields = []
    for one in table.schema:
        kind = one.type
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind):
            kind = pa.string()
        elif pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", "UTC")
        fields.append(pa.field(one.name, kind))
    return table.cast(pa.schema(fields)).combine_chunks()
