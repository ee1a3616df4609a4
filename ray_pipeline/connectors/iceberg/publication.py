"""One decision of the gate becomes one snapshot of a table, exactly once, however often and by whom it is tried.

Everything is one commit of the catalog: columns, files, the mark ``ray-pipeline.gate.applied`` and tags. It names the
snapshot that it builds on, and pyiceberg's own retries, which would quietly rebase it onto another one, are off. So of
two publishers of one decision one wins; the other is refused, looks again, and finds the mark. Whatever a process
leaves that dies before the commit are files that no snapshot names.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from ray_pipeline.connectors.iceberg.columns import clash, curated_schema
from ray_pipeline.errors import CatalogConflictError, CatalogUnavailableError, TableSchemaError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table, Transaction

logger = logging.getLogger(__name__)

APPLIED = "ray-pipeline.gate.applied"
"""Table property: the newest decision that the table holds."""
DECISION = "ray-pipeline.gate.decision"
"""In a snapshot's summary: the decision that it publishes."""
ATTEMPTS = 10
CLOCK_TOLERANCE_MS = 60_000
"""How far a snapshot's time may lie before the last one's; other engines refuse to read a table beyond that."""


def applied_of(table: Table) -> int:
    """Return the newest decision that the table holds; -1 for none."""
    said = table.properties.get(APPLIED, "-1")
    try:
        return int(said)
    except ValueError:
        why = f"its property {APPLIED} names no decision; drop the table, and the next gate makes it anew"
        raise TableSchemaError(table.name()[-1], why) from None


def snapshot_of(table: Table, n: int) -> int | None:
    """Return the snapshot that publishes decision ``n``."""
    for snapshot in reversed(table.snapshots()):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(DECISION) == str(n):
            return snapshot.snapshot_id
    return None


@dataclass(frozen=True, slots=True)
class Publication:
    """What one decision adds to a table."""

    n: int
    uris: tuple[str, ...]
    summary: Mapping[str, str]
    schema: pa.Schema | None
    tags: tuple[str, ...]
    after: int | None

    def run(
        self, dataset: str, load: Callable[[], Table], catalog: str, store: str, effects: Callable[[str], None]
    ) -> int | None:
        """Publish, or find that it is published; return the snapshot's id."""
        from pyiceberg.exceptions import CommitFailedException

        from ray_pipeline.connectors.iceberg.trouble import FOREIGN, translate

        for _ in range(ATTEMPTS):
            table = load()
            if applied_of(table) >= self.n:
                return snapshot_of(table, self.n)
            self._check(dataset, table, catalog)
            transaction = self._stage(dataset, table, effects)
            effects("before_snapshot_commit")
            try:
                with quiet():
                    transaction.commit_transaction()
            except CommitFailedException:
                continue  # somebody else changed the table: look again, decide again
            except FOREIGN as error:  # also where the reply alone was lost: only the table knows
                if (landed := self._landed(load, error, catalog)) is not None:
                    return landed
                raise translate(error, catalog, store, f"publish decision {self.n} to {dataset}") from None
            effects("after_snapshot_commit")
            return snapshot_of(table, self.n)
        raise CatalogConflictError(dataset, self.n, f"others changed the table during each of {ATTEMPTS} attempts")

    def _check(self, dataset: str, table: Table, catalog: str) -> None:
        """Refuse, before anything is written, what cannot become part of the table."""
        if len(set(self.uris)) != len(self.uris):
            raise CatalogConflictError(dataset, self.n, "it names a file twice")
        if self.after is not None and applied_of(table) != self.after:
            reason = f"it follows on decision {self.after}, and the table holds {applied_of(table)}"
            raise CatalogConflictError(dataset, self.n, reason)
        if taken := [name for name in self.tags if name in table.refs()]:
            raise CatalogConflictError(dataset, self.n, f"its tag {taken[0]} names another snapshot already")
        behind = table.metadata.last_updated_ms - time.time() * 1000
        if behind > CLOCK_TOLERANCE_MS:
            reason = f"this machine's clock is {behind / 1000:.0f} s behind the table's last change; set it right"
            raise CatalogUnavailableError(catalog, f"publish decision {self.n} to {dataset}", reason)
        if self.schema is not None:
            check_columns(dataset, table, curated_schema(self.schema, dataset))

    def _stage(self, dataset: str, table: Table, effects: Callable[[str], None]) -> Transaction:
        """Return the one commit, ready; its manifests are written, and nothing names them yet."""
        from ray_pipeline.connectors.iceberg.data_files import describe_files, without_referenced

        uris = without_referenced(table, self.uris)
        if len(uris) < len(self.uris):
            logger.warning("%d files of decision %d are in %s already", len(self.uris) - len(uris), self.n, dataset)
        # In memory only: other engines that compact the table may go on with their own retries.
        once = {**table.metadata.properties, "commit.retry.num-retries": "0"}
        table.metadata = table.metadata.model_copy(update={"properties": once})
        transaction = table.transaction()
        if self.schema is not None:
            _evolve(dataset, transaction, curated_schema(self.schema))
        properties = {APPLIED: str(self.n)}
        if transaction.table_metadata.name_mapping() is None:  # the files have no field ids: names lead to them
            mapping = transaction.table_metadata.schema().name_mapping
            properties["schema.name-mapping.default"] = mapping.model_dump_json()
        transaction.set_properties(properties)
        files = describe_files(dataset, table.io, transaction.table_metadata, uris)
        effects("before_snapshot_manifests")
        self._append(transaction, files)
        return transaction

    def _append(self, transaction: Transaction, files: list[DataFile]) -> None:
        from pyiceberg.table.update.snapshot import ManageSnapshots

        said = {**self.summary, DECISION: str(self.n)}
        with transaction.update_snapshot(snapshot_properties=said).merge_append() as append:
            for file in files:
                append.append_data_file(file)
            snapshot_id = append.snapshot_id
        if self.tags:
            with ManageSnapshots(transaction) as refs:
                for name in self.tags:
                    refs.create_tag(snapshot_id, name)

    def _landed(self, load: Callable[[], Table], error: BaseException, catalog: str) -> int | None:
        """Return the snapshot where the commit landed though its reply says otherwise; None where it did not."""
        from ray_pipeline.connectors.iceberg.trouble import FOREIGN

        try:
            table = load()
        except FOREIGN:
            reason = f"nobody can say whether it landed ({type(error).__name__}); publish it again"
            raise CatalogUnavailableError(catalog, f"confirm decision {self.n}", reason) from None
        return snapshot_of(table, self.n) if applied_of(table) >= self.n else None


def check_columns(dataset: str, table: Table, columns: pa.Schema) -> None:
    """Raise ``TableSchemaError`` where the table's columns cannot become ones that hold both."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    known = curated_schema(schema_to_pyarrow(table.schema(), include_field_ids=False))
    partitions = {field.name for field in table.spec().fields}
    for field in columns:
        if field.name in partitions:
            raise TableSchemaError(dataset, f"a column is called {field.name}, as its partition is")
        if field.name in known.names and (what := clash(known.field(field.name).type, field.type, field.name)):
            raise TableSchemaError(dataset, what)


def _evolve(dataset: str, transaction: Transaction, columns: pa.Schema) -> None:
    from pyiceberg.exceptions import ResolveError, ValidationError

    try:
        with transaction.update_schema() as update:
            update.union_by_name(columns)
    except (ValueError, ValidationError, ResolveError) as error:
        raise TableSchemaError(dataset, f"its columns cannot become these: {str(error).splitlines()[0]}") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Old metadata that cannot be deleted after a commit is no reason to say that the commit failed."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Failed to delete old metadata", UserWarning)
        yield
