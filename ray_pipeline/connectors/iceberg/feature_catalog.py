"""The offline tables of features: in the pipeline's own catalog, in a namespace beside the curated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ray_pipeline.connectors.iceberg.catalog import CuratedCatalog
from ray_pipeline.connectors.iceberg.feature_table import FeatureTable
from ray_pipeline.connectors.iceberg.settings import WAREHOUSE, CatalogSettings, catalog_settings
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.lake.keys import quote

if TYPE_CHECKING:
    import pyarrow as pa

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

FEATURES = "_features"
EVENT_TIMESTAMP = "event_timestamp"
_TOLD = (
    "s3.endpoint",
    "s3.region",
    "s3.force-virtual-addressing",
    "s3.connect-timeout",
    "s3.request-timeout",
    "s3.anonymous",
    "s3.server-side-encryption",
    "client.region",
)
"""Properties that a reader needs and that are no secret; who reads finds an identity of its own."""


def open_feature_catalog(config: PipelineConfig, *, effects: Callable[[str], None] = lambda _: None) -> FeatureCatalog:
    """Return the catalog of a pipeline's features; nothing is contacted yet. Errors as in ``open_catalog``."""
    return FeatureCatalog(feature_settings(config), open_store(config.store, config.store_options), effects)


def feature_settings(config: PipelineConfig) -> CatalogSettings:
    """Return how to open the catalog, with the features' namespace and warehouse."""
    settings = catalog_settings(config)
    *above, last = settings.namespace
    namespace = (*above, f"{last}{FEATURES}")
    warehouse, recoverable = settings.warehouse, settings.recoverable
    if recoverable is not None:
        recoverable = warehouse_key(config.pipeline)
        warehouse = f"{config.store.rstrip('/')}/{recoverable}"
    elif warehouse is not None:
        warehouse = f"{config.catalog['warehouse'].rstrip('/')}/{'/'.join(namespace)}"
    return replace(settings, namespace=namespace, warehouse=warehouse, recoverable=recoverable)


def warehouse_key(pipeline: str) -> str:
    """Return the key below which the data files of every view lie.

    >>> warehouse_key("flights")
    'flights/_features/_warehouse'
    """
    return f"{quote(pipeline)}/{FEATURES}/{WAREHOUSE}"


def feature_source(config: PipelineConfig, view: str) -> dict[str, Any]:
    """Return the arguments with which Feast's ``IcebergSource`` finds the table of a view.

    No secret and no class of ours is among them: an address loses its password and its query, which the reader's own
    environment supplies (``PGPASSWORD``, ``PYICEBERG_CATALOG__<NAME>__TOKEN``, an AWS profile).
    """
    settings = feature_settings(config)
    properties = settings.properties
    return {
        "catalog_type": settings.kind,
        "catalog_name": settings.name,
        "endpoint": _address(properties.get("uri", "")),
        "warehouse": properties.get("warehouse") or settings.warehouse or "",
        "namespace": ".".join(settings.namespace),
        "table": view,
        "catalog_properties": {name: properties[name] for name in _TOLD if name in properties},
    }


class FeatureCatalog:
    """The offline tables of one pipeline, one per view."""

    def __init__(self, settings: CatalogSettings, store: ObjectStore, effects: Callable[[str], None]) -> None:
        self._tables = CuratedCatalog(settings, store, effects)
        self._store, self._effects = store, effects

    def __repr__(self) -> str:
        return f"FeatureCatalog({self.shown!r})"

    @property
    def shown(self) -> str:
        """The catalog for people; never its address."""
        return self._tables.shown

    def close(self) -> None:
        """Let go of the catalog's connections; the next call opens them again."""
        self._tables.close()

    def __enter__(self) -> FeatureCatalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def table(self, view: str) -> FeatureTable | None:
        """Return the view's table; None where none was made yet."""
        return None if self._tables.table(view) is None else self._table(view)

    def ensure(self, view: str, schema: pa.Schema) -> FeatureTable:
        """Return the view's table, made where there is none: partitioned by the day of ``event_timestamp``.

        A catalog that was lost finds the table again by its own metadata, as it finds the curated ones.
        """
        self._tables.ensure(view, schema, EVENT_TIMESTAMP)
        return self._table(view)

    def _table(self, view: str) -> FeatureTable:
        return FeatureTable(
            view,
            self._tables.loader(view),
            catalog=self.shown,
            store=self._store.url,
            effects=self._effects,
        )


def _address(uri: str) -> str:
    """Return a database's or a server's address without what may be secret in it.

    >>> _address("postgresql+psycopg2://reader:pw@host:5432/iceberg?sslpassword=x")
    'postgresql+psycopg2://reader@host:5432/iceberg'
    >>> _address("sqlite:////srv/lake/catalog.db")
    'sqlite:////srv/lake/catalog.db'
    """
    scheme, slashes, rest = uri.partition("://")
    if not slashes:
        return uri
    rest = rest.split("?", 1)[0].split("#", 1)[0] if scheme != "sqlite" else rest.split("?", 1)[0]
    authority, slash, path = rest.partition("/")
    who, at, host = authority.rpartition("@")
    user = who.split(":", 1)[0]
    return f"{scheme}://{user}{at if unquote(user) else ''}{host}{slash}{path}"
