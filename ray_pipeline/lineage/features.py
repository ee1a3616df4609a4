"""The events of a build of features: START, and COMPLETE or FAIL, of one run on one view. Pure, as the gate's are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from .columns import table_fields
from .facets import EVENT_SCHEMA, Event, Facet, facet, package_version, producer
from .gate import INTEGRATION, MOST_TEXT
from .names import DatasetName
from .run_ids import event_time, run_uuid


@dataclass(frozen=True, slots=True)
class FeatureRun:
    """One run of a build on one view: what is known before it begins."""

    pipeline: str
    view: str
    run_id: str
    started_at: str
    source: DatasetName
    """The curated table."""
    table: DatasetName
    """The offline table."""
    schema: pa.Schema
    columns: Mapping[str, tuple[str, ...]]
    """Column of the offline table → the curated columns that its values are made of."""
    engine_version: str
    """Ray's."""
    aggregated: bool = False
    namespace: str | None = None
    """Of the job; the pipeline's name when left out."""

    @property
    def uuid(self) -> str:
        """The run's id in its events."""
        namespace = self.namespace or self.pipeline
        return run_uuid(self.started_at, namespace, self.pipeline, f"view {self.view}", self.run_id)


def features_started(run: FeatureRun) -> Event:
    """Return the START event: from what, to what."""
    return _event(run, "START", run.started_at, {}, {}, {})


def features_ended(
    run: FeatureRun, finished_at: str, *, rows: int, files: int, read: int | None, snapshot_id: int | None
) -> Event:
    """Return the COMPLETE event. ``read`` is the snapshot of the curated table, ``rows`` were written anew."""
    source = {} if read is None else facet("version", datasetVersion=str(read))
    table = {} if snapshot_id is None else facet("version", datasetVersion=str(snapshot_id))
    written = {"outputFacets": facet("outputStatistics", rowCount=rows, fileCount=files)}
    return _event(run, "COMPLETE", finished_at, {}, source, table, written)


def features_failed(run: FeatureRun, finished_at: str, error: str) -> Event:
    """Return the FAIL event; ``error`` is its sentence, without a payload."""
    said = facet("errorMessage", message=error[:MOST_TEXT], programmingLanguage="PYTHON")
    return _event(run, "FAIL", finished_at, said, {}, {})


def _event(
    run: FeatureRun,
    kind: Literal["START", "COMPLETE", "FAIL"],
    at: str,
    said: Mapping[str, Facet],
    source: Mapping[str, Facet],
    table: Mapping[str, Facet],
    written: Mapping[str, Any] | None = None,
) -> Event:
    engine = facet(
        "processing_engine", version=run.engine_version, name="ray", openlineageAdapterVersion=package_version()
    )
    storage = facet("storage", storageLayer="iceberg", fileFormat="parquet")
    facets = table_fields(run.schema) | _lineage(run) | storage | dict(table)
    return {
        "eventType": kind,
        "eventTime": event_time(at),
        "run": {"runId": run.uuid, "facets": engine | dict(said)},
        "job": {
            "namespace": run.namespace or run.pipeline,
            "name": f"{run.pipeline}.features.{run.view}",
            "facets": facet("jobType", processingType="BATCH", integration=INTEGRATION, jobType="JOB"),
        },
        "inputs": [{"namespace": run.source.namespace, "name": run.source.name, "facets": dict(source)}],
        "outputs": [{"namespace": run.table.namespace, "name": run.table.name, "facets": facets, **(written or {})}],
        "producer": producer(),
        "schemaURL": EVENT_SCHEMA,
    }


def _lineage(run: FeatureRun) -> dict[str, Facet]:
    subtype = "AGGREGATION" if run.aggregated else "TRANSFORMATION"
    how = [{"type": "DIRECT", "subtype": subtype, "masking": False}]
    named = {"namespace": run.source.namespace, "name": run.source.name}
    fields = {
        column: {"inputFields": [{**named, "field": one, "transformations": how} for one in made_of]}
        for column, made_of in run.columns.items()
        if made_of
    }
    return facet("columnLineage", fields=fields) if fields else {}
