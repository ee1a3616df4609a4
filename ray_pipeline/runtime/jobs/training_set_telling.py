"""What a build of a training set tells: which snapshots it reads, and what each of its columns is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import polars as pl

from ray_pipeline.features.fields import expression, field
from ray_pipeline.features.training import ASKED_AT, KNOWN_AT, LABEL, label_key
from ray_pipeline.lineage.names import DatasetName, name_location, table_location
from ray_pipeline.lineage.runs import BatchRun
from ray_pipeline.lineage.training_sets import SourceColumn, TrainingSetRun

if TYPE_CHECKING:
    from ray_pipeline.connectors.iceberg.feature_table import FeatureTableInfo
    from ray_pipeline.features.definition import LabelDefinition
    from ray_pipeline.features.service import Service, ServiceView

Columns = Iterator[tuple[str, tuple[SourceColumn, ...]]]


def training_set_run(
    run: BatchRun,
    *,
    folder: str,
    labels: LabelDefinition,
    service: Service,
    curated: Mapping[str, tuple[str, int]],
    views: Mapping[str, tuple[ServiceView, FeatureTableInfo]],
) -> TrainingSetRun:
    """Return what is known of a build before it reads.

    ``folder`` is where training sets of this name lie; ``curated`` says dataset → address of the table's metadata and
    snapshot; ``views`` are by the name that the service gives them.
    """
    places = {dataset: name_location(table_location(address)) for dataset, (address, _) in curated.items()}
    tables = {places[dataset]: str(snapshot) for dataset, (_, snapshot) in curated.items()}
    columns = dict(_of_labels(labels, places)) | dict(_of_request(labels, service, places))
    for shown, (view, info) in views.items():
        table = name_location(table_location(info.metadata))
        tables[table] = str(info.snapshot_id)
        columns |= {f"{shown}__{name}": (SourceColumn(table, name, as_it_is=True),) for name in view.features}
    return TrainingSetRun(run, tables, name_location(folder), columns)


def _of_labels(labels: LabelDefinition, places: Mapping[str, DatasetName]) -> Columns:
    requests, outcomes = places[labels.requests], places[labels.outcomes]
    yield label_key(labels), _sources(requests, field(labels.on))
    for name, over in labels.keys.items():
        yield name, _sources(requests, expression(over))
    yield ASKED_AT, _sources(requests, labels.asked_at)
    yield LABEL, _sources(outcomes, labels.label)
    yield KNOWN_AT, _sources(outcomes, pl.col("_timestamp"))


def _of_request(labels: LabelDefinition, service: Service, places: Mapping[str, DatasetName]) -> Columns:
    if service.request is None:
        return
    for name, over in service.request.features.items():
        made_of: dict[SourceColumn, None] = {}
        for value in over.meta.root_names():
            if value in labels.keys:
                made_of |= dict.fromkeys(_computed(places[labels.requests], expression(labels.keys[value])))
        yield f"{service.request.name}__{name}", tuple(made_of)


def _sources(place: DatasetName, over: pl.Expr) -> tuple[SourceColumn, ...]:
    if over.meta.is_column():
        return (SourceColumn(place, over.meta.output_name(), as_it_is=True),)
    return _computed(place, over)


def _computed(place: DatasetName, over: pl.Expr) -> tuple[SourceColumn, ...]:
    names = dict.fromkeys(name.removesuffix("_outcome") for name in over.meta.root_names())
    return tuple(SourceColumn(place, name, as_it_is=False) for name in names)
