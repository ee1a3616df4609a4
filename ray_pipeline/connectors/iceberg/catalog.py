"""The catalog of the curated tables: found from the configuration, contacted when first needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ray_pipeline.connectors.iceberg.columns import curated_schema
from ray_pipeline.connectors.iceberg.settings import CatalogSettings, catalog_settings, nested
from ray_pipeline.connectors.iceberg.table import CuratedTable
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import CatalogDeniedError, TableSchemaError
from ray_pipeline.lake.keys import quote

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

PARTITION = "_event_day"
"""The partition field's name; no column of a table may have it."""
NO_EVENT_TIME = "_timestamp"
_CODE = "write.py-location-provider.impl"
_PROPERTIES = {
    "format-version": "2",
    "write.format.default": "parquet",
    "commit.manifest-merge.enabled": "true",  # each publication writes one manifest: they must not pile up
    "write.metadata.delete-after-commit.enabled": "true",
}


def open_catalog(config: PipelineConfig, *, effects: Callable[[str], None] = lambda _: None) -> CuratedCatalog:
    """Return the pipeline's catalog; nothing is contacted yet.

    Raises ``UsageError`` where the store is no folder and the configuration names no catalog. ``effects`` is told the
    name of each point of a publication that is passed, so that a test may end the process there.
    """
    return CuratedCatalog(catalog_settings(config), open_store(config.store, config.store_options), effects)


class CuratedCatalog:
    """The curated tables of one pipeline, one per dataset."""

    def __init__(self, settings: CatalogSettings, store: ObjectStore, effects: Callable[[str], None]) -> None:
        self._settings, self._store, self._effects = settings, store, effects
        self._opened: Catalog | None = None

    def __repr__(self) -> str:
        return f"CuratedCatalog({self._settings.shown!r})"

    @property
    def shown(self) -> str:
        """The catalog for people; never its address."""
        return self._settings.shown

    def close(self) -> None:
        """Let go of the catalog's connections; the next call opens them again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def __enter__(self) -> CuratedCatalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def table(self, dataset: str) -> CuratedTable | None:
        """Return the dataset's table; None where nothing was ever published to this catalog."""
        if self._settings.file is not None and not self._settings.file.exists():
            return None
        table = self._curated(dataset)
        return table if table.exists() else None

    def ensure(self, dataset: str, schema: pa.Schema, event_time: str | None) -> CuratedTable:
        """Return the dataset's table, created where there is none.

        It is partitioned by the day of ``event_time``; where the contract has none, by that of the Kafka timestamp.
        A catalog that was lost finds the table again by its own metadata, with every snapshot it had, as long as it
        lies below the store.
        """
        from pyiceberg.exceptions import NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
        from sqlalchemy.exc import IntegrityError

        from ray_pipeline.connectors.iceberg.trouble import translated

        with translated(self.shown, self._store.url, f"create the table of {dataset}"):
            catalog, identifier = self._catalog(), self._identifier(dataset)
            try:
                catalog.load_table(identifier)
            except NoSuchTableError:
                with suppress(NamespaceAlreadyExistsError, IntegrityError):  # another gate was quicker
                    if not catalog.namespace_exists(self._settings.namespace):
                        catalog.create_namespace(self._settings.namespace)
                with suppress(TableAlreadyExistsError):
                    self._create(catalog, identifier, dataset, schema, event_time)
        return self._curated(dataset)

    def _create(
        self, catalog: Catalog, identifier: tuple[str, ...], dataset: str, schema: pa.Schema, event_time: str | None
    ) -> None:
        from pyiceberg.schema import assign_fresh_schema_ids

        if (found := self._lost_metadata(catalog, dataset)) is not None:
            catalog.register_table(identifier, found)
            return
        columns = curated_schema(schema, dataset)
        if PARTITION in columns.names:
            raise TableSchemaError(dataset, f"a column is called {PARTITION}, as its partition is")
        try:
            fields = assign_fresh_schema_ids(catalog._convert_schema_if_needed(columns))
        except ValueError as error:  # two paths of one name: a column "a.b" beside a record "a" with "b"
            raise TableSchemaError(dataset, f"Iceberg cannot hold these columns: {error}") from None
        location = None if self._settings.warehouse is None else f"{self._settings.warehouse}/{quote(dataset)}"
        spec = _partitioning(dataset, fields, columns, event_time)
        catalog.create_table(identifier, fields, location, spec, properties=_PROPERTIES)

    def _lost_metadata(self, catalog: Catalog, dataset: str) -> str | None:
        """Return the newest metadata file of a table that the catalog has forgotten.

        It may be one whose commit was cut short: whatever it adds was decided, so it holds what the next publication
        would make. One whose manifests are gone lost a race and is passed over.
        """
        if self._settings.recoverable is None:
            return None
        from pyiceberg.exceptions import ValidationError
        from pyiceberg.table import StaticTable

        end = ".metadata.json"
        folder = f"{self._settings.recoverable}/{quote(dataset)}/metadata"
        keys = [key for key in self._store.list(folder) if key.endswith(end)]
        for key in sorted(keys, key=lambda key: key.rpartition("/")[2].partition("-")[0].zfill(20), reverse=True):
            uri = self._store.uri(key)
            with suppress(ValueError, ValidationError):  # half a file: its writer was killed
                if _is_whole(StaticTable.from_metadata(uri, catalog.properties)):
                    return uri
        return None

    def _catalog(self) -> Catalog:
        if self._opened is None:
            self._opened = _open(self._settings)
        return self._opened

    def _identifier(self, dataset: str) -> tuple[str, ...]:
        return (*self._settings.namespace, dataset)

    def loader(self, name: str) -> Callable[[], Table]:
        """Return what asks the catalog for the table anew at each call, and refuses one that names code to import."""

        def load() -> Table:
            table = self._catalog().load_table(self._identifier(name))
            if _CODE in table.properties:
                raise CatalogDeniedError(self.shown, f"load table {name}", f"its property {_CODE} imports code")
            return table

        return load

    def _curated(self, dataset: str) -> CuratedTable:
        return CuratedTable(
            dataset, self.loader(dataset), catalog=self.shown, store=self._store.url, effects=self._effects
        )


def _open(settings: CatalogSettings) -> Catalog:
    """Open the catalog by its class: ``load_catalog`` would mix in what a home folder's .pyiceberg.yaml says."""
    if settings.file is not None:
        settings.file.parent.mkdir(parents=True, exist_ok=True)
    catalog = _with_tables(settings)
    _refuse_code(catalog, settings.properties.get("py-io-impl"))
    return catalog


def _with_tables(settings: CatalogSettings) -> Catalog:
    """Open the catalog; each of a SQL catalog's two tables may be made by another process at the same moment."""
    from pyiceberg.catalog import AVAILABLE_CATALOGS, CatalogType
    from sqlalchemy.exc import OperationalError, ProgrammingError

    for _table in range(2):
        try:
            return AVAILABLE_CATALOGS[CatalogType(settings.kind)](settings.name, nested(settings.properties))
        except (OperationalError, ProgrammingError) as error:
            if "already exists" not in str(error.orig):
                raise
    return AVAILABLE_CATALOGS[CatalogType(settings.kind)](settings.name, nested(settings.properties))


def _refuse_code(catalog: Catalog, file_io: str | None) -> None:
    """Let no property of a table, and none that a server sends, name a class to import."""
    theirs = catalog._load_file_io

    def load(properties: dict[str, Any] | None = None, location: str | None = None) -> Any:
        given = {k: v for k, v in (properties or {}).items() if k != "py-io-impl"}
        return theirs(given, location)

    if file_io is None:
        catalog.properties.pop("py-io-impl", None)
    else:
        catalog.properties["py-io-impl"] = file_io
    catalog._load_file_io = load  # type: ignore[method-assign]


def _partitioning(dataset: str, fields: Any, columns: pa.Schema, event_time: str | None) -> Any:
    import pyarrow as pa
    from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionField, PartitionSpec
    from pyiceberg.transforms import DayTransform, IdentityTransform

    source = event_time or (NO_EVENT_TIME if NO_EVENT_TIME in columns.names else None)
    if source is None:
        return UNPARTITIONED_PARTITION_SPEC
    if source not in columns.names:
        raise TableSchemaError(
            dataset, f"column {source!r}, whose day is to be its partition, is not among its columns"
        )
    kind = columns.field(source).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind)):
        raise TableSchemaError(dataset, f"column {source!r} is {kind}: a table's days need a moment or a date")
    transform: Any = IdentityTransform() if pa.types.is_date32(kind) else DayTransform()
    return PartitionSpec(PartitionField(fields.find_field(source).field_id, 1000, transform, PARTITION))


def _is_whole(table: Table) -> bool:
    snapshot = table.current_snapshot()
    if snapshot is None:
        return True
    try:
        for manifest in snapshot.manifests(table.io):
            manifest.fetch_manifest_entry(table.io)
    except FileNotFoundError:
        return False
    return True
