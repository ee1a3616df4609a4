"""The events of a gate: START, and COMPLETE or FAIL, of one run on one dataset.

Pure: the same run and result give the same events, byte for byte, so an event that is sent again (by the gate that
heals after a crash) tells a receiver nothing new. That data broke its contract is a finding of a run that completed;
FAIL means that the gate could not do its work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.sla.result import DatasetResult, Disposition

from .columns import column_lineage, landed_fields, table_fields, topic_fields
from .facets import EVENT_SCHEMA, Event, Facet, facet, package_version, producer
from .names import DatasetName, Places
from .owners import ownership
from .quality import ASSERTED, assertions, by_check, metrics, newest_days
from .run_ids import event_time, run_uuid

INTEGRATION = "RAY"
MOST_TEXT = 4_000
"""Characters of an error that an event carries."""


@dataclass(frozen=True, slots=True)
class Volume:
    """How much was read or written; None where nobody counted."""

    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GateRun:
    """One run of the gate on one dataset: what is known before it begins."""

    pipeline: str
    dataset: str
    run_id: str
    """The gate's own, any text; events carry a UUID made from it, and it itself in ``rayPipeline_gate``."""
    at: str
    """The gate's clock, RFC 3339: the nominal time."""
    started_at: str
    contract: DataContract
    places: Places
    engine_version: str
    """Ray's."""
    namespace: str | None = None
    """Of the job; the pipeline's name when left out."""
    schema: pa.Schema | None = None
    """Of files that our ingest did not write; else it follows from the contract."""
    dry_run: bool = False

    @property
    def uuid(self) -> str:
        """The run's id in its events."""
        return run_uuid(self.started_at, self.namespace or self.pipeline, self.pipeline, self.dataset, self.run_id)

    @property
    def landed(self) -> pa.Schema:
        """The columns of the files that are judged."""
        return landed_schema(self.contract) if self.schema is None else self.schema


def gate_events(
    run: GateRun,
    result: DatasetResult,
    finished_at: str,
    *,
    read: Volume = Volume(),
    written: Volume = Volume(),
    created: bool = False,
    report: str | None = None,
) -> tuple[Event, Event]:
    """Return both events of a run that is over: its START, and the COMPLETE or (``result.problems``) FAIL."""
    ended = gate_ended(run, result, finished_at, read=read, written=written, created=created, report=report)
    return gate_started(run), ended


def gate_started(run: GateRun) -> Event:
    """Return the START event: from what, to what."""
    inputs = [_named(place, facets) for place, facets in _sources(run)]
    outputs = [_named(run.places.table, _table_facets(run))] if run.places.table and not run.dry_run else []
    return _event(run, "START", run.started_at, _run_facets(run), inputs, outputs)


def gate_ended(
    run: GateRun,
    result: DatasetResult,
    finished_at: str,
    *,
    read: Volume = Volume(),
    written: Volume = Volume(),
    created: bool = False,
    report: str | None = None,
) -> Event:
    """Return the last event: COMPLETE, or FAIL where something kept a part from being judged or published.

    ``created`` says that this run made the table; ``report`` is the address of the run's page.
    """
    facets = _run_facets(run) | _offsets(result) | _findings(run, result, report)
    if result.problems:
        facets |= _error("; ".join(result.problems))
    found = {"inputFacets": metrics(result, size=read.bytes, files=read.files) | assertions(result)}
    inputs = [_named(place, own) | (found if place == run.places.landed else {}) for place, own in _sources(run)]
    outputs = [] if run.dry_run else _outputs(run, result, written, created)
    return _event(run, "FAIL" if result.problems else "COMPLETE", finished_at, facets, inputs, outputs)


def gate_failed(run: GateRun, finished_at: str, error: str) -> Event:
    """Return the FAIL event of a run that ended without a result; ``error`` is its sentence, without a payload."""
    inputs = [_named(place, facets) for place, facets in _sources(run)]
    return _event(run, "FAIL", finished_at, _run_facets(run) | _error(error), inputs, [])


def _event(
    run: GateRun,
    kind: Literal["START", "COMPLETE", "FAIL"],
    at: str,
    run_facets: Mapping[str, Facet],
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> Event:
    job_facets = facet("jobType", processingType="BATCH", integration=INTEGRATION, jobType="JOB")
    return {
        "eventType": kind,
        "eventTime": event_time(at),
        "run": {"runId": run.uuid, "facets": dict(run_facets)},
        "job": {
            "namespace": run.namespace or run.pipeline,
            "name": f"{run.pipeline}.gate.{run.dataset}",
            "facets": job_facets | ownership(run.contract),
        },
        "inputs": inputs,
        "outputs": outputs,
        "producer": producer(),
        "schemaURL": EVENT_SCHEMA,
    }


def _run_facets(run: GateRun) -> dict[str, Facet]:
    engine = facet(
        "processing_engine", version=run.engine_version, name="ray", openlineageAdapterVersion=package_version()
    )
    return facet("nominalTime", nominalStartTime=event_time(run.at)) | engine


def _error(sentence: str) -> dict[str, Facet]:
    return facet("errorMessage", message=sentence[:MOST_TEXT], programmingLanguage="PYTHON")


def _offsets(result: DatasetResult) -> dict[str, Facet]:
    ranges = [asdict(one) for one in sorted(result.offsets, key=lambda one: (one.partition, one.start))]
    return facet("rayPipeline_offsets", topic=result.topic, partitions=ranges) if ranges else {}


def _findings(run: GateRun, result: DatasetResult, report: str | None) -> dict[str, Facet]:
    """What the standard's facets have no word for."""
    checks = by_check(result)
    verdicts = Counter(check.verdict for days in checks for check in days)
    unasserted = [days[0].check for days in checks if not any(check.verdict in ASSERTED for check in days)]
    held = [day.day for day in result.days if day.disposition in (Disposition.HELD, Disposition.PENDING)]
    return facet(
        "rayPipeline_gate",
        runId=run.run_id,
        dryRun=run.dry_run,
        decision=result.decision,
        contract=asdict(result.contract),
        rows={
            "landed": result.landed,
            "new": result.new_rows,
            "published": result.published,
            "quarantined": result.quarantined,
            "held": result.held,
        },
        verdicts={str(verdict): count for verdict, count in sorted(verdicts.items())},
        notAsserted=unasserted,
        notJudged=[one.what for one in result.not_judged],
        daysHeld=len(held),
        newestDaysHeld=newest_days(held),
        report=report,
    )


def _sources(run: GateRun) -> list[tuple[DatasetName, dict[str, Facet]]]:
    landed = (run.places.landed, landed_fields(run.landed))
    if run.places.topic is None:
        return [landed]
    return [(run.places.topic, topic_fields(run.contract.landing_schema)), landed]


def _table_facets(run: GateRun) -> dict[str, Facet]:
    lineage = column_lineage(run.places, run.landed, run.contract.landing_schema)
    storage = facet("storage", storageLayer="iceberg", fileFormat="parquet")
    return table_fields(run.landed) | lineage | storage


def _outputs(run: GateRun, result: DatasetResult, written: Volume, created: bool) -> list[dict[str, Any]]:
    """The table as it is now with what this run added to it, and the quarantine where rows went there."""
    # Of this run: the dataset's own counts are those of all runs.
    new = {name: sum(getattr(day, name) for day in result.days) for name in ("published", "quarantined")}
    outputs = []
    if run.places.table is not None:
        facets = _table_facets(run)
        if result.snapshot_id is not None:
            facets |= facet("version", datasetVersion=str(result.snapshot_id))
        if created:
            facets |= facet("lifecycleStateChange", lifecycleStateChange="CREATE")
        files = written.files if written.files is not None else result.files_added + result.files_rewritten
        statistics = facet("outputStatistics", rowCount=new["published"], size=written.bytes, fileCount=files)
        outputs.append(_named(run.places.table, facets) | {"outputFacets": statistics})
    if run.places.quarantine is not None and new["quarantined"]:
        statistics = facet("outputStatistics", rowCount=new["quarantined"])
        outputs.append(_named(run.places.quarantine, {}) | {"outputFacets": statistics})
    return outputs


def _named(place: DatasetName, facets: Mapping[str, Facet]) -> dict[str, Any]:
    return {"namespace": place.namespace, "name": place.name, "facets": dict(facets)}
