"""Training sets as they are kept: one folder in the lake for each, named by what it holds, and never changed.

::

    <pipeline>/_training/<name>/<content hash>-<manifest>/
      data.parquet
      manifest.json      written last: a folder without one is no training set
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.lake.keys import quote

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

DATA, MANIFEST = "data.parquet", "manifest.json"
_TRAINING = "_training"


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """One training set: its manifest, and its rows when they are asked for."""

    manifest: Mapping[str, Any]
    place: str
    """Where it is: a key of the lake, or a folder."""
    uri: str
    """Of the Parquet file."""
    created: bool
    """False: it was there already, byte for byte."""
    _read: Any = field(repr=False)

    @property
    def name(self) -> str:
        """The training set's name."""
        return str(self.manifest["spec"]["name"])

    @property
    def version(self) -> str:
        """What tells it from others of its name."""
        return self.place.rpartition("/")[2]

    def data(self) -> bytes:
        """Return the Parquet file, checked against the manifest; ``FileCorruptError`` where it is not that one."""
        data: bytes | None = self._read()
        if data is None:
            raise FileCorruptError(f"{self.place}/{DATA}", "the file is gone")
        if hashlib.sha256(data).hexdigest() != self.manifest["file"]["sha256"]:
            raise FileCorruptError(f"{self.place}/{DATA}", "its bytes are not those that the manifest names")
        return data

    def table(self) -> pa.Table:
        """Return the rows, sorted by the moment asked and the label key."""
        from ray_pipeline.lake.parquet import decode_parquet

        return decode_parquet(self.data())

    def preview(self, rows: int = 5) -> pl.DataFrame:
        """Return the first rows."""
        import polars as pl

        found = pl.from_arrow(self.table().slice(0, rows))
        assert isinstance(found, pl.DataFrame)
        return found

    def save(self, folder: Path | str) -> TrainingSet:
        """Write both files into a folder; ``UsageError`` where another training set is in it."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, data in ((DATA, self.data()), (MANIFEST, manifest_bytes(self.manifest))):
            _write(target / name, data)
        return open_folder(target)

    def __repr__(self) -> str:
        return f"<TrainingSet {self.name} {self.version}: {self.manifest['rows']:,} rows>"

    def _repr_html_(self) -> str:
        from ray_pipeline.runtime import training_text

        return training_text.as_html(self)


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest as it is stored: always the same bytes for the same manifest."""
    return (json.dumps(manifest, indent=2, ensure_ascii=True) + "\n").encode()


def keep(store: ObjectStore, pipeline: str, manifest: Mapping[str, Any], data: bytes) -> TrainingSet:
    """Put a training set into the lake, unless it is there; its manifest comes last and makes it one."""
    said = manifest_bytes(manifest)
    version = f"{manifest['content_hash'][:20]}-{hashlib.sha256(said).hexdigest()[:12]}"
    place = f"{_prefix(pipeline, manifest['spec']['name'])}/{version}"
    for name, content in ((DATA, data), (MANIFEST, said)):
        created = store.put_if_absent(f"{place}/{name}", content)
        if not created and store.get(f"{place}/{name}") != content:
            raise FileCorruptError(f"{place}/{name}", "other bytes stand where these belong")
    return _in_lake(store, place, json.loads(said), created=created)


def find_training_sets(config: PipelineConfig, store: ObjectStore, name: str | None = None) -> list[TrainingSet]:
    """Return the training sets in the lake, or those of a name, by name and version."""
    return [
        _in_lake(store, key.removesuffix(f"/{MANIFEST}"), _parsed(store.get(key), key), created=False)
        for key in store.list(_prefix(config.pipeline, name))
        if key.endswith(f"/{MANIFEST}")
    ]


def training_set_folder(config: PipelineConfig, name: str) -> str:
    """Return the address of the folder that the training sets of a name lie in: a dataset with many versions."""
    return f"{config.store.rstrip('/')}/{_prefix(config.pipeline, name)}"


def open_training_set(config: PipelineConfig, store: ObjectStore, which: str) -> TrainingSet:
    """Return one training set: by name, by ``name/version`` (its beginning will do), or by a local file or folder."""
    path = Path(which)
    if path.is_dir():
        return open_folder(path)
    if path.is_file():
        return open_folder(path.parent)
    name, _, version = which.partition("/")
    found = find_training_sets(config, store, name)
    chosen = [one for one in found if one.version.startswith(version)]
    if len(chosen) == 1:
        return chosen[0]
    if not found:
        raise UsageError(f"there is no training set {name!r} in {store.url}; build it with `training-set build SPEC`")
    known = ", ".join(f"{name}/{one.version}" for one in (chosen or found))
    raise UsageError(f"{which} is {'one of several' if chosen else 'none of these'}: {known}")


def open_folder(folder: Path) -> TrainingSet:
    """Return the training set that :meth:`TrainingSet.save` wrote; ``UsageError`` where the folder has none."""
    file = folder / MANIFEST
    if not file.is_file():
        raise UsageError(f"{folder} holds no training set: there is no {MANIFEST} in it")
    manifest = _parsed(file.read_bytes(), str(file))
    data = folder / DATA

    def read() -> bytes | None:
        return data.read_bytes() if data.is_file() else None

    return TrainingSet(manifest, str(folder.absolute()), str(data.absolute()), created=False, _read=read)


def read_manifest(path: Path) -> Mapping[str, Any]:
    """Return the manifest in a file."""
    try:
        return _parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _in_lake(store: ObjectStore, place: str, manifest: Mapping[str, Any], *, created: bool) -> TrainingSet:
    key = f"{place}/{DATA}"
    return TrainingSet(manifest, place, store.uri(key), created=created, _read=lambda: store.get(key))


def _prefix(pipeline: str, name: str | None) -> str:
    root = f"{quote(pipeline)}/{_TRAINING}"
    return root if name is None else f"{root}/{quote(name)}"


def _parsed(data: bytes | None, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data or b"")
    except ValueError:
        raise FileCorruptError(where, "is not the manifest of a training set") from None
    if not isinstance(found, dict) or not {"spec", "file", "content_hash", "rows"} <= found.keys():
        raise FileCorruptError(where, "is not the manifest of a training set")
    return found


def _write(file: Path, data: bytes) -> None:
    if file.exists():
        if file.read_bytes() != data:
            raise UsageError(f"{file} is of another training set; name another folder, or remove it")
        return
    half = file.with_name(f".{file.name}.{os.getpid()}")
    half.write_bytes(data)
    half.replace(file)


def flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every value of a manifest with its path.

    >>> list(flat({"a": {"b": 1}, "c": [2]}))
    [('a.b', 1), ('c.0', 2)]
    """
    if isinstance(value, Mapping):
        pairs = [(str(key), one) for key, one in value.items()]
    elif isinstance(value, list):
        pairs = [(str(i), one) for i, one in enumerate(value)]
    else:
        yield path, value
        return
    for key, one in pairs:
        yield from flat(one, f"{path}.{key}" if path else key)
