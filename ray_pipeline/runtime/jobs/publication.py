"""From decisions to the curated table: each is applied once, in order, whoever comes first.

The ledger has decided already; the table is its projection. What a gate could not publish, because the catalog was
locked or away or its disk was full, the next one publishes before it does anything else, and readers see the previous
snapshot until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ray_pipeline.errors import CatalogUnavailableError, FileCorruptError, RayPipelineError
from ray_pipeline.gate.entries import Decision
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified
from ray_pipeline.sla.result import DatasetResult

from .gate_dataset import GateDataset

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.connectors.iceberg.catalog import CuratedCatalog
    from ray_pipeline.connectors.iceberg.table import CuratedTable

PREFIX = "ray-pipeline"
_REMEDY = "correct the contract, or publish it as another dataset"


class Publisher:
    """Applies decisions to the tables of one pipeline; the catalog is opened at the first one."""

    def __init__(self, config: PipelineConfig, store: ObjectStore, effects: Callable[[str], None]) -> None:
        self._config, self._store, self._effects = config, store, effects
        self._catalog: CuratedCatalog | None = None
        self._silent: CatalogUnavailableError | None = None
        """The catalog did not answer: until there is something to publish nobody waits for it again."""

    def project(
        self, ledger: GateLedger, dataset: GateDataset, result: DatasetResult, decision: Decision | None
    ) -> DatasetResult:
        """Apply whatever is decided and not in the table yet, and return the result with where the table is."""
        number = decision.n if decision is not None else None
        return self.caught_up(ledger, dataset, replace(result, decision=number))

    def caught_up(self, ledger: GateLedger, dataset: GateDataset, result: DatasetResult) -> DatasetResult:
        """Apply outstanding decisions, and return the result with where the table is."""
        found = self.catch_up(ledger, dataset)
        problems = (*result.problems, *found.pop("problems", ()))
        return replace(result, problems=problems, **found)

    def catch_up(self, ledger: GateLedger, dataset: GateDataset) -> dict[str, Any]:
        """Apply outstanding decisions; return ``table``, ``snapshot_id``, and ``problems`` where that failed."""
        if ledger.state().decision < 0:
            return {}
        table: CuratedTable | None = None
        outstanding: list[int] = []
        self._silent = None
        try:
            table = self._open(dataset.name)
            applied = -1 if table is None else table.applied
            if (ahead := _ahead(applied, ledger)) is not None:
                return {"problems": (ahead,)}
            outstanding = [one.n for one in _decisions(ledger, applied)]
            for n in outstanding:
                decision = ledger.decision(n)
                if table is None:
                    table = self._make(dataset)
                table.publish(
                    n,
                    [self._store.uri(file.key) for file in decision.publish],
                    summary(decision),
                    dataset.schema,
                )
            if table is None:
                return {}
            info = table.info()
        except RayPipelineError as error:
            rows = sum(file.rows for n in outstanding for file in ledger.decision(n).publish)
            which = f"{rows:,} rows are" if rows else "what is"
            return {"problems": (f"{error}; {which} decided on and not in the table yet: the next gate publishes",)}
        return {"table": info["metadata"], "snapshot_id": info["snapshot_id"]}

    def refusal(self, ledger: GateLedger, dataset: GateDataset) -> str | None:
        """Say why the table cannot take rows of today's contract; None where it can, or where nobody can say now.

        Asked before anything is decided: a decision that can never be published would stand in the way for ever, and
        one that the table seems to hold already would never be published. A catalog that does not answer is no reason
        to decide nothing: the next gate publishes.
        """
        try:
            table = self._open(dataset.name)
            if table is None:
                return None
            if (ahead := _ahead(table.applied, ledger)) is not None:
                return ahead
            why = _other_days(table.partition_column, dataset) or table.refuses(dataset.schema)
        except CatalogUnavailableError:
            return None
        return None if why is None else f"{why}; nothing was decided: {_REMEDY}"

    def must_rewrite(self, dataset: GateDataset) -> Callable[[DataFile], bool]:
        """Return what says of a landed file that the table cannot take it as it is.

        It raises ``FileCorruptError`` for one that the table cannot take however it is written: a decision to publish
        it would stand in the way for ever, so its day is held.
        """
        from ray_pipeline.connectors.iceberg.files import addable, never_addable

        column: str | None = dataset.contract.event_time or "_timestamp"
        try:
            table = self._open(dataset.name)
            column = column if table is None else table.partition_column
        except CatalogUnavailableError:  # then the table that will be made, or that is as the contract says
            pass

        def must(file: DataFile) -> bool:
            metadata = open_verified(self._store.get(file.key), file).metadata
            if (never := never_addable(metadata, column)) is not None:
                raise FileCorruptError(file.key, f"the table cannot take it, for {never}")
            return addable(metadata, column) is not None

        return must

    def _open(self, name: str) -> CuratedTable | None:
        if self._catalog is None:
            from ray_pipeline.connectors.iceberg.catalog import open_catalog

            self._catalog = open_catalog(self._config, effects=self._effects)
        if self._silent is not None:
            raise self._silent
        try:
            return self._catalog.table(name)
        except CatalogUnavailableError as error:
            self._silent = error
            raise

    def _make(self, dataset: GateDataset) -> CuratedTable:
        assert self._catalog is not None
        schema: pa.Schema = dataset.schema
        return self._catalog.ensure(dataset.name, schema, dataset.contract.event_time)


def _ahead(applied: int, ledger: GateLedger) -> str | None:
    """Say that the table is ahead of the ledger, which a copy that was restored is not any more.

    Numbers that are given again would count as published. The ledger is read after the table, so that another gate's
    decision meanwhile is seen.
    """
    if applied <= (last := ledger.state().n):
        return None
    return (
        f"the table holds decision {applied} and the ledger ends with entry {last}: one of them is an older copy; "
        "nothing was decided or published: restore the ledger, or drop the table and the next gate makes it anew"
    )


def _other_days(partitioned_by: str | None, dataset: GateDataset) -> str | None:
    """Say that the contract's event time is not the column whose days the table is divided by."""
    column = dataset.contract.event_time or "_timestamp"
    if partitioned_by in (None, column):
        return None
    return f"the table is divided by the days of {partitioned_by!r} and the contract's event time is {column!r}"


def _decisions(ledger: GateLedger, applied: int) -> list[Decision]:
    """Return the decisions after ``applied`` that put files into the table."""
    found = [entry for entry, _ in ledger.entries(applied + 1)]
    return [entry for entry in found if isinstance(entry, Decision) and entry.publish]


def summary(decision: Decision) -> dict[str, str]:
    """Return what the snapshot says of itself: which run, which offsets, under which contract, with which verdict."""
    ranges = ",".join(f"{span.log.partition}:{span.start}-{span.end}" for span in decision.offsets)
    return {
        f"{PREFIX}.run-id": decision.run_id,
        f"{PREFIX}.gate-entry": str(decision.n),
        f"{PREFIX}.gate-clock": decision.at,
        f"{PREFIX}.offsets": ranges,
        f"{PREFIX}.contract-id": decision.contract.id,
        f"{PREFIX}.contract-version": decision.contract.version,
        f"{PREFIX}.contract-digest": decision.contract.digest,
        f"{PREFIX}.verdict": str(decision.verdict.outcome),
        f"{PREFIX}.failed-checks": ",".join(decision.verdict.failed),
    }
