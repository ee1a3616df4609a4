"""One address, one store: a folder or S3."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_pipeline.config.options import as_text
from ray_pipeline.config.store import check_store_options, resolve_store
from ray_pipeline.connectors.object_store.local import LocalObjectStore
from ray_pipeline.errors import UsageError
from ray_pipeline.lake.ports import ObjectStore

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


def open_store(url: str, options: Mapping[str, Any] | None = None) -> ObjectStore:
    """Open the store at ``url``: a folder, ``file:///folder`` or ``s3://bucket/prefix`` with fsspec's options.

    Nothing is contacted: the first call shows whether the store is there.

    >>> open_store("/srv/lake").uri("flights/a.parquet")
    '/srv/lake/flights/a.parquet'
    """
    address, named = _checked(url, options)
    if address.startswith("s3://"):
        from ray_pipeline.connectors.object_store.s3 import S3ObjectStore

        return S3ObjectStore(address, named)
    return LocalObjectStore(address)


def filesystem(url: str, options: Mapping[str, Any] | None = None) -> AbstractFileSystem:
    """Return the fsspec file system that reads what ``uri()`` names, for pyarrow, pandas, DuckDB and Ray Data."""
    address, named = _checked(url, options)
    if not address.startswith("s3://"):
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
    from s3fs import S3FileSystem

    return S3FileSystem(**_s3fs_arguments(named))


def _checked(url: str, options: Mapping[str, Any] | None) -> tuple[str, dict[str, str]]:
    """Check address and options as the configuration does; a notebook calls this without one."""
    try:
        address, named = resolve_store(url, Path.cwd()), as_text(options or {})
    except ValueError as error:
        raise UsageError(f"store: {error}") from None
    if problems := check_store_options(address, named):
        raise UsageError("; ".join(f"store_options.{name}: {what}" for name, what in problems))
    return address, named


def _s3fs_arguments(options: Mapping[str, str]) -> dict[str, Any]:
    """Nest the dotted names again, and bound the waiting as the writer does."""
    arguments: dict[str, Any] = {
        "use_listings_cache": False,  # a reader must see what was committed since it last looked
        "config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 3, "mode": "standard"}},
    }
    for name, value in options.items():
        *parents, last = ("client_kwargs.region_name" if name == "region" else name).split(".")
        at = arguments
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value.lower() == "true" if name in ("anon", "requester_pays") else value
    return arguments
