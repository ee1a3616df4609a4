"""The gates' part of an audit: each ledger against the landed files, and against the table that it published to."""

from __future__ import annotations

from collections.abc import Sequence
from random import SystemRandom
from typing import TYPE_CHECKING

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.gate.verify import TableFiles, verify_gate
from ray_pipeline.lake.verify_report import Finding, InvariantResult, Status

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore


def verify_gates(
    config: PipelineConfig, store: ObjectStore, datasets: Sequence[str], *, quick: bool = False
) -> tuple[tuple[str, tuple[InvariantResult, ...]], ...]:
    """Audit the gate of each dataset that was gated. A catalog that does not answer is a doubt, not an error."""
    return tuple(
        (name, _audit(config, store, name, quick=quick)) for name in datasets if _was_gated(config, store, name)
    )


def _was_gated(config: PipelineConfig, store: ObjectStore, dataset: str) -> bool:
    try:
        return GateLedger(store, config.pipeline, dataset, rng=SystemRandom()).state().n >= 0
    except RayPipelineError as error:
        if error.retryable:
            raise
        return True  # a ledger that cannot be read is a finding of its audit


def _audit(config: PipelineConfig, store: ObjectStore, dataset: str, *, quick: bool) -> tuple[InvariantResult, ...]:
    from ray_pipeline.connectors.iceberg.catalog import open_catalog

    table, doubt = None, ""
    try:
        found = open_catalog(config).table(dataset)
        table = TableFiles((), -1) if found is None else TableFiles(tuple(found.files()), found.applied)
    except RayPipelineError as error:
        doubt = str(error)
    results = verify_gate(store, config.pipeline, dataset, table=table, quick=quick)
    if not doubt:
        return results
    unknown = InvariantResult("G4", Status.UNKNOWN, doubts=(Finding("G4", dataset, "the catalog", None, doubt),))
    return tuple(_as_gate(unknown, result) if result.id == "G4" else result for result in results)


def _as_gate(unknown: InvariantResult, result: InvariantResult) -> InvariantResult:
    return type(result)(unknown.id, unknown.status, unknown.breaches, unknown.doubts, unknown.note)
