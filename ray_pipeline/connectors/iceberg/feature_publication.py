"""One build becomes one snapshot of a view's table, exactly once: the files of some days give way to new ones.

As with the gate's decisions everything is one commit of the catalog, and pyiceberg's own retries are off, because they
would quietly rebase it. Files carry the table's field ids, so that a column may go, or come back with another type,
and every older snapshot reads as it did.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import _ConvertToIcebergWithoutIDs, schema_to_pyarrow, visit_pyarrow
from pyiceberg.manifest import ManifestContent
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _ManifestMergeManager, _OverwriteFiles

from ray_pipeline.connectors.iceberg.columns import curated_schema
from ray_pipeline.connectors.iceberg.data_files import describe_files
from ray_pipeline.connectors.iceberg.feature_table import BUILD, RUN_ID
from ray_pipeline.connectors.iceberg.publication import ATTEMPTS, CLOCK_TOLERANCE_MS, quiet
from ray_pipeline.connectors.iceberg.trouble import FOREIGN, translate
from ray_pipeline.errors import CatalogUnavailableError, FeatureTableError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table, Transaction
    from pyiceberg.table.snapshots import Snapshot

APPLIED = "ray-pipeline.features.applied"
"""Table property: the newest build that the table holds."""
_MANIFEST_BYTES = 8 << 20
_MANIFESTS = 20
"""So many manifests become one: every build writes some, and a reader opens each."""
_FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class Replacement:
    """What one build makes of a table."""

    n: int
    days: Mapping[int, tuple[str, ...]]
    summary: Mapping[str, str]
    after: int
    columns: pa.Schema
    """With field ids, as the files have them."""
    recreate: bool

    def run(
        self, view: str, load: Callable[[], Table], catalog: str, store: str, effects: Callable[[str], None]
    ) -> int | None:
        """Publish, or find that it is published; return the snapshot's id."""
        for _ in range(ATTEMPTS):
            table = load()
            if applied_of(view, table) >= self.n:
                return self._mine(view, table)
            self._check(view, table, catalog)
            transaction = self._stage(view, table, effects)
            effects("before_snapshot_commit")
            try:
                with quiet():
                    transaction.commit_transaction()
            except CommitFailedException:
                continue  # somebody else changed the table: look again, decide again
            except FOREIGN as error:  # also where the reply alone was lost: only the table knows
                table = self._reload(load, catalog)
                if applied_of(view, table) >= self.n:
                    return self._mine(view, table)
                raise translate(error, catalog, store, f"publish build {self.n} of view {view}") from None
            effects("after_snapshot_commit")
            return self._mine(view, table)
        raise FeatureTableError(view, f"others changed the table during each of {ATTEMPTS} attempts")

    def _mine(self, view: str, table: Table) -> int | None:
        """Return the snapshot of this build, or raise: another run gave its number to other rows."""
        snapshot = snapshot_of(table, self.n)
        if snapshot is None:
            raise FeatureTableError(view, f"build {self.n}: another build came before it; build again")
        said = {} if snapshot.summary is None else snapshot.summary.additional_properties
        if said.get(RUN_ID) != self.summary.get(RUN_ID):
            raise FeatureTableError(view, f"build {self.n}: another build came before it; build again")
        return snapshot.snapshot_id

    def _check(self, view: str, table: Table, catalog: str) -> None:
        """Refuse, before anything is written, what cannot become part of the table."""
        if (applied := applied_of(view, table)) != self.after:
            raise FeatureTableError(
                view, f"build {self.n}: it follows on build {self.after}, and the table holds {applied}"
            )
        behind = table.metadata.last_updated_ms - time.time() * 1000
        if behind > CLOCK_TOLERANCE_MS:
            reason = f"this machine's clock is {behind / 1000:.0f} s behind the table's last change; set it right"
            raise CatalogUnavailableError(catalog, f"publish build {self.n} of view {view}", reason)

    def _stage(self, view: str, table: Table, effects: Callable[[str], None]) -> Transaction:
        """Return the one commit, ready; its manifests are written, and nothing names them yet."""
        transaction, columns = evolved(view, table, self.columns, recreate=self.recreate)
        if not columns.equals(self.columns, check_metadata=True):
            raise FeatureTableError(view, "its columns changed since the build was planned; build again")
        there = files_of_days(table, self.days)
        wanted = {uri for uris in self.days.values() for uri in uris}
        new = sorted(wanted - there.keys())
        files = describe_files(view, table.io, transaction.table_metadata, new, with_ids=True)
        for file in files:
            if file.file_path not in self.days.get(file.partition[0], ()):
                raise FeatureTableError(view, f"{file.file_path} holds another day than its build says")
        transaction.set_properties({APPLIED: str(self.n)})
        effects("before_snapshot_manifests")
        said = {**self.summary, BUILD: str(self.n)}
        gone = [file for uri, file in there.items() if uri not in wanted]
        with _Replace(transaction, table, said) as replace:
            for file in gone:
                replace.delete_data_file(file)
            for file in files:
                replace.append_data_file(file)
        return transaction

    def _reload(self, load: Callable[[], Table], catalog: str) -> Table:
        try:
            return load()
        except FOREIGN:
            reason = "nobody can say whether it landed; build again with the same run id"
            raise CatalogUnavailableError(catalog, f"confirm build {self.n}", reason) from None


def applied_of(view: str, table: Table) -> int:
    """Return the newest build that the table holds; -1 for none."""
    try:
        return int(table.properties.get(APPLIED, "-1"))
    except ValueError:
        why = f"its property {APPLIED} names no build; drop the table, and the next build makes it anew"
        raise FeatureTableError(view, why) from None


def snapshot_of(table: Table, n: int) -> Snapshot | None:
    """Return the snapshot that build ``n`` published."""
    for snapshot in reversed(table.snapshots()):
        if snapshot.summary is not None and snapshot.summary.additional_properties.get(BUILD) == str(n):
            return snapshot
    return None


def files_of_days(table: Table, days: Mapping[int, Any]) -> dict[str, DataFile]:
    """Return the current snapshot's files of these days by their address."""
    snapshot = table.current_snapshot()
    manifests = [] if snapshot is None else snapshot.manifests(table.io)
    found: dict[str, DataFile] = {}
    for manifest in manifests:
        if manifest.content != ManifestContent.DATA:
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            if entry.data_file.partition[0] in days:
                found[entry.data_file.file_path] = entry.data_file
    return found


def evolved(view: str, table: Table, schema: pa.Schema, *, recreate: bool) -> tuple[Transaction, pa.Schema]:
    """Return a transaction, not committed, in which the table has exactly these columns, and they with their ids."""
    # In memory only: other engines that compact the table may go on with their own retries.
    once = {**table.metadata.properties, "commit.retry.num-retries": "0"}
    table.metadata = table.metadata.model_copy(update={"properties": once})
    transaction = table.transaction()
    wanted = curated_schema(schema, view)
    known = curated_schema(schema_to_pyarrow(table.schema(), include_field_ids=False), view)
    if not known.equals(wanted):
        _evolve(view, transaction, known, wanted, recreate=recreate)
    return transaction, _with_ids(wanted, transaction)


def _evolve(view: str, transaction: Transaction, known: pa.Schema, wanted: pa.Schema, *, recreate: bool) -> None:
    other = {field.name for field in wanted if field.name in known.names and known.field(field.name).type != field.type}
    if other and not recreate:
        name = sorted(other)[0]
        raise FeatureTableError(
            view,
            f"column {name!r} is {known.field(name).type} in the table and {wanted.field(name).type} in the "
            f"definition; build it anew (`ray-pipeline features build --recreate {view}`), or give it a new name",
        )
    converted = cast("Schema", visit_pyarrow(wanted, _ConvertToIcebergWithoutIDs()))
    kinds = {field.name: field.field_type for field in converted.fields}
    with transaction.update_schema(allow_incompatible_changes=True) as update:
        for name in known.names:
            if name in other or name not in wanted.names:
                update.delete_column((name,))
        for name in wanted.names:
            if name in other or name not in known.names:
                update.add_column((name,), kinds[name])
    # Once they are there: before, the name of one that is another column now would lead to the old one.
    with transaction.update_schema() as update:
        for place, name in enumerate(wanted.names):
            if place == 0:
                update.move_first((name,))
            else:
                update.move_after((name,), (wanted.names[place - 1],))


def _with_ids(wanted: pa.Schema, transaction: Transaction) -> pa.Schema:
    with_ids = schema_to_pyarrow(transaction.table_metadata.schema(), include_field_ids=True)
    return pa.schema([_marked(field, with_ids.field(field.name)) for field in wanted])


def _marked(field: pa.Field, like: pa.Field) -> pa.Field:
    """Return the field with the ids of ``like``, whose types may be spelt otherwise, at every depth."""
    kind = field.type
    if pa.types.is_struct(kind):
        inner = {like.type.field(i).name: like.type.field(i) for i in range(like.type.num_fields)}
        kind = pa.struct([_marked(kind.field(i), inner[kind.field(i).name]) for i in range(kind.num_fields)])
    elif pa.types.is_list(kind):
        kind = pa.list_(_marked(kind.value_field, like.type.value_field))
    return pa.field(field.name, kind, metadata={_FIELD_ID: like.metadata[_FIELD_ID]})


class _Replace(_OverwriteFiles):
    """pyiceberg's overwrite, which leaves a manifest or two at every build, merged as its append merges them."""

    def __init__(self, transaction: Transaction, table: Table, said: dict[str, str]) -> None:
        there = table.current_snapshot() is not None
        super().__init__(
            operation=Operation.OVERWRITE if there else Operation.APPEND,
            transaction=transaction,
            io=table.io,
            snapshot_properties=said,
        )

    def _build_delete_files_partition_predicate(self) -> None:
        """Look into every manifest: one condition for each of a thousand days would cost more."""
        for spec_id in self._transaction.table_metadata.specs():
            self.partition_filters[spec_id] = AlwaysTrue()

    def _existing_manifests(self) -> list[ManifestFile]:
        return [one for one in super()._existing_manifests() if one.has_added_files() or one.has_existing_files()]

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        data = [one for one in manifests if one.content == ManifestContent.DATA]
        others = [one for one in manifests if one.content != ManifestContent.DATA]
        return _ManifestMergeManager(_MANIFEST_BYTES, _MANIFESTS, True, self).merge_manifests(data) + others
