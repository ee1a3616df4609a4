"""The curated tables as a build of features reads them: one snapshot each, and the ledger's word for every file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from ray_pipeline.connectors.iceberg.catalog import CuratedCatalog
from ray_pipeline.connectors.iceberg.feature_table import FeatureInput
from ray_pipeline.connectors.iceberg.table import CuratedFile, CuratedTable
from ray_pipeline.errors import FeatureTableError, UsageError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.gate.entries import Decision
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.lake.entries import DataFile

if TYPE_CHECKING:
    from ray_pipeline.lake.ports import ObjectStore


@dataclass(frozen=True, slots=True)
class CuratedSource:
    """A curated table as one run reads it, whatever is published meanwhile."""

    metadata: str
    read: FeatureInput
    files: tuple[CuratedFile, ...]
    schema: pa.Schema
    partition_column: str | None
    table: CuratedTable = field(repr=False)

    def files_at(self, snapshot_id: int) -> list[CuratedFile] | None:
        """Return the files of an earlier snapshot; None where it was expired, or the table was made anew."""
        if all(one.snapshot_id != snapshot_id for one in self.table.snapshots()):
            return None
        return self.table.day_files(snapshot_id)


class CuratedSources:
    """The curated tables of one run; each is looked at once, so that all views over it rest on the same snapshot."""

    def __init__(self, catalog: CuratedCatalog) -> None:
        self._catalog = catalog
        self._found: dict[str, CuratedSource | None] = {}

    def of(self, view: CompiledView) -> CuratedSource | None:
        """Return the source of a view; None where nothing of its dataset was ever published."""
        dataset = view.shape.dataset
        if dataset not in self._found:
            self._found[dataset] = self._look(dataset)
        found = self._found[dataset]
        if found is not None and found.partition_column != view.event_time:
            raise FeatureTableError(
                view.name,
                f"the curated table of {dataset} is divided by the days of {found.partition_column!r}, and the view's "
                f"event time is {view.event_time!r}: its days cannot be told apart",
            )
        return found

    def _look(self, dataset: str) -> CuratedSource | None:
        table = self._catalog.table(dataset)
        if table is None:
            return None
        info = table.info()
        snapshot = next((one for one in table.snapshots() if one.snapshot_id == info["snapshot_id"]), None)
        if snapshot is None:
            return None
        read = FeatureInput(snapshot.snapshot_id, snapshot.decision)
        files = tuple(table.day_files(snapshot.snapshot_id))
        return CuratedSource(info["metadata"], read, files, table.schema, table.partition_column, table)


def landed_files(store: ObjectStore, pipeline: str, dataset: str, files: Iterable[CuratedFile]) -> dict[str, DataFile]:
    """Return the ledger's entry of each file by its address, from the newest decision back until all are found.

    A file that no decision names was made by another engine, which merged some of ours: it has no SHA-256.
    """
    missing = {file.uri: file for file in files}
    found: dict[str, DataFile] = {}
    ledger = GateLedger(store, pipeline, dataset)
    n = ledger.state().n if missing else -1
    while missing and n >= 0:
        entry = next(ledger.entries(n))[0]
        for file in entry.publish if isinstance(entry, Decision) else ():
            if missing.pop(uri := store.uri(file.key), None) is not None:
                found[uri] = file
        n -= 1
    root = store.uri("x").removesuffix("x")
    for uri, other in missing.items():
        path = uri.removeprefix("file://")
        if not path.startswith(root):
            raise UsageError(f"the curated table of {dataset} holds {uri}, which is not below the store")
        found[uri] = DataFile(path.removeprefix(root), other.rows, other.bytes, "")
    return found
