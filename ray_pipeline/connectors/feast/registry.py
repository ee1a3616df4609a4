"""Feast's registry in the lake: one file that every Feast reads, and behind it the versions that nobody overwrites.

::

    <pipeline>/_features/registry/<n>.db    one version, created only where there is none
    <pipeline>/_features/registry.db        the newest of them, for a Feast without this package (registry_type: file)

Who writes a version has read the one before it: where two write at once the second is refused, and nothing is lost.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from ray_pipeline.connectors.feast.pipeline import pipeline_at
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import FeatureError, FileCorruptError, StoreDeniedError
from ray_pipeline.lake.keys import quote
from ray_pipeline.lake.ports import ObjectStore

KEPT = 20
"""Versions before the newest one; a credential that may not delete keeps them all."""

logger = logging.getLogger(__name__)


class RegistryChangedError(FeatureError):
    """Somebody else wrote the registry since it was read; nothing was written."""

    retryable = True

    def __init__(self, registry: str) -> None:
        super().__init__(registry)
        self.registry = registry

    def __str__(self) -> str:
        return f"registry {self.registry}: somebody else changed it in the meantime, and nothing was lost; apply again"


class LakeRegistryStore(RegistryStore):
    """Feast opens it by ``registry: {registry_store_type: …LakeRegistryStore}``; ``path`` is not looked at."""

    def __init__(self, registry_config: Any, repo_path: Path | None) -> None:
        config = pipeline_at(Path(repo_path or Path.cwd()), getattr(registry_config, "pipeline", None))
        self._versions = RegistryVersions(open_store(config.store, config.store_options), config.pipeline)
        self._read = 0

    def get_registry_proto(self) -> Registry:
        """Return the newest registry; ``FileNotFoundError`` where there is none yet, as Feast asks for."""
        self._read, data = self._versions.newest()
        if data is None:
            raise FileNotFoundError(f"no registry at {self._versions.shown}; run `feast apply`")
        return _parsed(data, self._versions.shown)

    def update_registry_proto(self, registry_proto: Registry) -> None:
        """Write the next version, or raise :class:`RegistryChangedError` where another one came after what was read."""
        registry_proto.version_id = str(uuid.uuid4())
        registry_proto.last_updated.FromDatetime(datetime.now(UTC))
        self._versions.create(self._read + 1, registry_proto.SerializeToString())
        self._read += 1

    def teardown(self) -> None:
        """Remove the registry, all versions of it."""
        self._versions.remove()
        self._read = 0


class RegistryVersions:
    """The registry of one pipeline as bytes."""

    def __init__(self, store: ObjectStore, pipeline: str) -> None:
        self._store = store
        self._folder = f"{quote(pipeline)}/_features/registry"
        self._file = registry_key(pipeline)

    @property
    def shown(self) -> str:
        """The file that every Feast reads."""
        return self._store.uri(self._file)

    def newest(self) -> tuple[int, bytes | None]:
        """Return the newest version with its number, and see to it that the file says the same."""
        number = self._last()
        file = self._store.get(self._file)
        if number == 0:
            return 0, file  # made by Feast alone, or not at all
        data = self._store.get(self._key(number))
        if data is None:
            raise FileCorruptError(self._key(number), "is listed and cannot be read")
        if file is not None and file != data and self._is_foreign(file, data):
            logger.warning("registry %s was written by another tool than this store; taken over", self.shown)
            return number, file
        if file != data:
            self._project(number, data)
        return number, data

    def create(self, number: int, data: bytes) -> None:
        """Write version ``number``, which must be the next one."""
        key = self._key(number)
        created = self._store.put_if_absent(key, data) or self._store.get(key) == data  # the reply may have been lost
        if not created:
            raise RegistryChangedError(self.shown)
        if self._last() > number:  # what was read is so old that its successor was removed already
            self._delete(key)
            raise RegistryChangedError(self.shown)
        self._project(number, data)
        for old in self._numbers()[: -KEPT - 1]:
            self._delete(self._key(old))

    def remove(self) -> None:
        """Remove every version and the file."""
        for number in self._numbers():
            self._delete(self._key(number))
        self._delete(self._file)

    def _project(self, number: int, data: bytes) -> None:
        """Write the file; again, where a newer version came while it was written."""
        self._store.put(self._file, data)
        while (last := self._last()) > number:
            newer = self._store.get(self._key(last))
            if newer is None:
                return
            self._store.put(self._file, newer)
            number = last

    def _is_foreign(self, file: bytes, data: bytes) -> bool:
        """Whether the file is newer than the newest version; an older one is left by a writer that was killed."""
        theirs, ours = _parsed(file, self.shown).last_updated, _parsed(data, self.shown).last_updated
        return bool((theirs.seconds, theirs.nanos) > (ours.seconds, ours.nanos))

    def _last(self) -> int:
        return max(self._numbers(), default=0)

    def _numbers(self) -> list[int]:
        names = (key.rpartition("/")[2] for key in self._store.list(self._folder))
        return sorted(int(name[:-3]) for name in names if name.endswith(".db") and name[:-3].isdecimal())

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:020}.db"

    def _delete(self, key: str) -> None:
        with contextlib.suppress(StoreDeniedError):
            self._store.delete(key)


def registry_key(pipeline: str) -> str:
    """Return the key of the file that every Feast reads.

    >>> registry_key("flights")
    'flights/_features/registry.db'
    """
    return f"{quote(pipeline)}/_features/registry.db"


def _parsed(data: bytes, shown: str) -> Registry:
    registry = Registry()
    try:
        registry.ParseFromString(data)
    except DecodeError:
        raise FileCorruptError(shown, "is not a registry of Feast's") from None
    return registry
