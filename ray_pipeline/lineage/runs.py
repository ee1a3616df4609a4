"""Events of a run that makes one thing of several: START, and COMPLETE or FAIL. Pure, as the gate's are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .facets import EVENT_SCHEMA, Event, Facet, facet, package_version, producer
from .gate import INTEGRATION, MOST_TEXT
from .names import DatasetName
from .run_ids import event_time, run_uuid

Kind = Literal["START", "COMPLETE", "FAIL"]


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One run of a job: what is known before it begins."""

    pipeline: str
    job: str
    """After the pipeline's name, as in ``train.late_arrival``."""
    run_id: str
    started_at: str
    engine_version: str
    """Ray's."""
    namespace: str | None = None
    """Of the job; the pipeline's name when left out."""

    @property
    def uuid(self) -> str:
        """The run's id in its events."""
        return run_uuid(self.started_at, self.namespace or self.pipeline, self.pipeline, self.job, self.run_id)


@dataclass(frozen=True, slots=True)
class Part:
    """A dataset that a run reads or writes."""

    place: DatasetName
    version: str | None = None
    facets: Mapping[str, Facet] = field(default_factory=dict)
    counted: Mapping[str, Facet] = field(default_factory=dict)
    """What this run read of it, or wrote into it."""


def batch_event(
    run: BatchRun, kind: Kind, at: str, inputs: Sequence[Part], outputs: Sequence[Part], error: str | None = None
) -> Event:
    """Return one event. ``error`` is its sentence, without a payload."""
    engine = facet(
        "processing_engine", version=run.engine_version, name="ray", openlineageAdapterVersion=package_version()
    )
    said = {} if error is None else facet("errorMessage", message=error[:MOST_TEXT], programmingLanguage="PYTHON")
    return {
        "eventType": kind,
        "eventTime": event_time(at),
        "run": {"runId": run.uuid, "facets": engine | said},
        "job": {
            "namespace": run.namespace or run.pipeline,
            "name": f"{run.pipeline}.{run.job}",
            "facets": facet("jobType", processingType="BATCH", integration=INTEGRATION, jobType="JOB"),
        },
        "inputs": [_named(one, "inputFacets") for one in inputs],
        "outputs": [_named(one, "outputFacets") for one in outputs],
        "producer": producer(),
        "schemaURL": EVENT_SCHEMA,
    }


def _named(part: Part, counted: str) -> dict[str, Any]:
    version = {} if part.version is None else facet("version", datasetVersion=part.version)
    found: dict[str, Any] = {"namespace": part.place.namespace, "name": part.place.name}
    found["facets"] = {**part.facets, **version}
    return found | ({counted: dict(part.counted)} if part.counted else {})
