"""The events of ``training-set build``: from the snapshots that it names to the training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from .columns import landed_fields
from .facets import Event, Facet, facet
from .names import DatasetName
from .runs import BatchRun, Kind, Part, batch_event

PLACE = "_training"


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column that a training set's values are made of."""

    place: DatasetName
    column: str
    as_it_is: bool
    """False: the value is computed from it."""


@dataclass(frozen=True, slots=True)
class TrainingSetRun:
    """One build: what is known before a row is read."""

    run: BatchRun
    tables: Mapping[DatasetName, str]
    """Curated tables and offline tables of features, each with the snapshot that is read."""
    training_set: DatasetName
    columns: Mapping[str, tuple[SourceColumn, ...]] = field(default_factory=dict)
    """Column of the training set → those that it is made of."""


@dataclass(frozen=True, slots=True)
class BuiltSet:
    """What came of it."""

    version: str
    schema: pa.Schema
    rows: int
    bytes: int
    created: bool
    """False: it was there already, so nothing was written."""


def training_set_started(run: TrainingSetRun) -> Event:
    """Return the START event: from what, to what."""
    return _event(run, "START", run.run.started_at)


def training_set_ended(run: TrainingSetRun, finished_at: str, built: BuiltSet) -> Event:
    """Return the COMPLETE event."""
    return _event(run, "COMPLETE", finished_at, built)


def training_set_failed(run: TrainingSetRun, finished_at: str, error: str) -> Event:
    """Return the FAIL event; ``error`` is its sentence, without a payload."""
    return _event(run, "FAIL", finished_at, error=error)


def _event(run: TrainingSetRun, kind: Kind, at: str, built: BuiltSet | None = None, error: str | None = None) -> Event:
    tables = [Part(place, snapshot) for place, snapshot in run.tables.items()]
    facets = _lineage(run, None if built is None else built.schema) | plain_storage(run.training_set, "parquet")
    if built is None:
        return batch_event(run.run, kind, at, tables, [Part(run.training_set, None, facets)], error)
    written = facet("outputStatistics", rowCount=built.rows, size=built.bytes, fileCount=1) if built.created else {}
    made = Part(run.training_set, built.version, landed_fields(built.schema) | facets, written)
    return batch_event(run.run, kind, at, tables, [made])


def plain_storage(place: DatasetName, file_format: str) -> dict[str, Facet]:
    """Return the storage facet of files that no table format holds together: where they lie, and what they are."""
    return facet("storage", storageLayer=place.namespace.partition(":")[0], fileFormat=file_format)


def _lineage(run: TrainingSetRun, schema: pa.Schema | None) -> dict[str, Facet]:
    """Return what each column is made of; once the columns are known, of no others."""
    fields: dict[str, Any] = {
        column: {"inputFields": [_input(one) for one in made_of]}
        for column, made_of in run.columns.items()
        if made_of and (schema is None or column in schema.names)
    }
    return facet("columnLineage", fields=fields) if fields else {}


def _input(source: SourceColumn) -> dict[str, Any]:
    subtype = "IDENTITY" if source.as_it_is else "TRANSFORMATION"
    how = [{"type": "DIRECT", "subtype": subtype, "masking": False}]
    place = {"namespace": source.place.namespace, "name": source.place.name}
    return {**place, "field": source.column, "transformations": how}
