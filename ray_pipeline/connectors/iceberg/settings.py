"""From the configuration to pyiceberg's properties: which catalog, which files, and whose credential."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_pipeline.config.options import Options
from ray_pipeline.errors import UsageError
from ray_pipeline.lake.keys import quote

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

GATE = "_gate"
CATALOG_FILE = "catalog.db"
WAREHOUSE = "_warehouse"
"""A folder that no dataset's name can be: names begin with a letter or digit."""
FILE_IO = "ray_pipeline.connectors.iceberg.durable.DurableFileIO"
_FSSPEC_IO = "pyiceberg.io.fsspec.FsspecFileIO"
_S3 = {
    "endpoint_url": "s3.endpoint",
    "client_kwargs.endpoint_url": "s3.endpoint",
    "key": "s3.access-key-id",
    "secret": "s3.secret-access-key",
    "token": "s3.session-token",
    "s3_additional_kwargs.ServerSideEncryption": "s3.server-side-encryption",
    "s3_additional_kwargs.SSEKMSKeyId": "s3.sse-kms-key-id",
}
"""fsspec's names and pyiceberg's."""
_IDENTITIES = ("s3.access-key-id", "client.access-key-id", "s3.role-arn", "client.role-arn", "s3.anonymous")


@dataclass(frozen=True, slots=True)
class CatalogSettings:
    """What it takes to open one catalog. ``properties`` may hold secrets; their repr shows none."""

    name: str
    kind: str
    namespace: tuple[str, ...]
    shown: str
    """The catalog for people: a file or a kind, never an address that could hold a password."""
    file: Path | None
    """The embedded catalog's SQLite file."""
    warehouse: str | None
    """Below which the tables lie; None where the catalog decides."""
    recoverable: str | None
    """The key below the store under which tables lie that no other catalog knows: a lost catalog is found again."""
    properties: Options = field(repr=False)


def catalog_settings(config: PipelineConfig) -> CatalogSettings:
    """Return how to open the pipeline's catalog; ``UsageError`` says what to write where none can be chosen."""
    section = dict(config.catalog)
    name = section.pop("name", config.pipeline)
    namespace = tuple(section.pop("namespace", config.pipeline).split("."))
    root = f"{quote(config.pipeline)}/{GATE}"
    key, local = f"{root}/{WAREHOUSE}", not config.store.startswith("s3://")
    below_store = f"{config.store.rstrip('/')}/{key}"
    if "type" not in section:
        if not local:
            raise UsageError(
                f"no catalog for curated tables: the store {config.store} is no folder, so the configuration must name "
                "one; write catalog: {type: rest, uri: https://…, warehouse: …} or "
                "catalog: {type: sql, uri: postgresql+psycopg2://user@host/database}"
            )
        file = Path(config.store, *root.split("/"), CATALOG_FILE)
        properties = {"uri": _sqlite(file), **_file_access(config, {}, "sql")}
        return CatalogSettings(
            name, "sql", namespace, f"the catalog {file}", file, below_store, key, Options(properties)
        )
    kind, warehouse = section.pop("type"), section.get("warehouse")
    below = f"{warehouse.rstrip('/')}/{'/'.join(namespace)}" if warehouse else below_store
    return CatalogSettings(
        name,
        kind,
        namespace,
        f"the {kind} catalog",
        None,
        below if kind == "sql" else None,
        key if kind == "sql" and not warehouse else None,
        Options({**section, **_file_access(config, section, kind)}),
    )


def nested(properties: Options) -> dict[str, Any]:
    """Return the properties as pyiceberg takes them: all flat, but for ``ssl``, which is a mapping of mappings."""
    flat: dict[str, Any] = {}
    for name, value in properties.items():
        if not name.startswith("ssl."):
            flat[name] = value
            continue
        *parents, last = name.split(".")
        at = flat
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
    return flat


def _sqlite(file: Path) -> str:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def _file_access(config: PipelineConfig, section: dict[str, str], kind: str) -> dict[str, str]:
    """The store's options under pyiceberg's names, where the catalog's section does not say otherwise."""
    if not config.store.startswith("s3://"):
        return {"py-io-impl": FILE_IO}
    from ray_pipeline.connectors.object_store.credentials import region

    options = config.store_options
    access = {"s3.region": region(config.store, options), "s3.connect-timeout": "5", "s3.request-timeout": "30"}
    access |= {_S3[name]: value for name, value in options.items() if name in _S3}
    if options.get("config_kwargs.s3.addressing_style") == "virtual":
        access["s3.force-virtual-addressing"] = "true"
    if any(name in section for name in _IDENTITIES):
        for name in ("s3.access-key-id", "s3.secret-access-key", "s3.session-token"):
            access.pop(name, None)
    elif options.get("anon", "").lower() == "true":
        access["s3.anonymous"] = "true"
    elif "key" not in options and kind == "sql":  # other catalogs may lend credentials of their own
        access |= _found_identity(config)
    if "s3.server-side-encryption" in {**access, **section}:
        access["py-io-impl"] = _FSSPEC_IO  # the other one does not know the property and would write unencrypted
    return {name: value for name, value in access.items() if name not in section}


def _found_identity(config: PipelineConfig) -> dict[str, str]:
    """The same identity that writes the store: profile, container or instance role, as botocore finds it."""
    from ray_pipeline.connectors.object_store.credentials import AwsCredentials

    found = AwsCredentials(config.store, config.store_options.get("profile"))()
    token = found.get("token")
    identity = {"s3.access-key-id": found["access_key_id"], "s3.secret-access-key": found["secret_access_key"]}
    return identity | ({"s3.session-token": token} if token else {})
