"""What the lake needs from an object store. ``connectors/object_store/`` has the real ones, ``testing/`` a fake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class ObjectStore(Protocol):
    """Bytes by key below one root. Keys are relative, ``a/b/c``; what is returned by ``put`` is durable.

    Every call may raise :class:`ray_pipeline.errors.StoreUnavailableError` (after retries inside, within its
    time-out) or :class:`ray_pipeline.errors.StoreDeniedError`.
    """

    @property
    def url(self) -> str:
        """The root as a person wrote it, without secrets: ``s3://bucket/prefix`` or an absolute folder."""
        ...

    def uri(self, key: str) -> str:
        """Return the address of one object as DuckDB, polars and Ray read it (``s3://…`` or an absolute path)."""
        ...

    def get(self, key: str) -> bytes | None:
        """Return the object, or None where there is none."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Write the object, whether or not there was one."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Create the object; False, and nothing changed, where there is one already.

        A lost reply may make this return False for an object that this very call created, or raise
        ``StoreUnavailableError`` though the object is there: the caller reads it and compares its nonce.
        """
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys that start with ``prefix + "/"`` (all depths), in lexicographic order."""
        ...

    def delete(self, key: str) -> None:
        """Remove the object; no error where there is none. Only the sweeper and probes use it."""
        ...
