"""Where the rows of a view are and how they join: what a process anywhere needs to read its share of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """One Parquet file of a view's rows."""

    uri: str
    size: int
    """In bytes, roughly: it decides where a join runs and how its work is dealt out."""


class Opener(Protocol):
    """Opens a file by its uri, in any process: it survives pickling."""

    def __call__(self, uri: str, /) -> Any:
        """Return what pyarrow reads from: a path, or an open file."""


@dataclass(frozen=True, slots=True)
class LocalFiles:
    """Files of this machine, by their paths."""

    def __call__(self, uri: str, /) -> Any:
        """Return the path itself."""
        return str(Path(uri.removeprefix("file://")))


@dataclass(frozen=True, slots=True)
class FilesystemFiles:
    """Files of a pyarrow file system. It may hold credentials, which travel where the work is done."""

    filesystem: Any = field(repr=False)

    def __call__(self, uri: str, /) -> Any:
        """Open the file."""
        return self.filesystem.open_input_file(uri)


@dataclass(frozen=True, slots=True)
class IcebergFiles:
    """Files of an Iceberg table, through its own file access."""

    io: Any = field(repr=False)

    def __call__(self, uri: str, /) -> Any:
        """Open the file."""
        return self.io.new_input(uri).open()


@dataclass(frozen=True, slots=True)
class ViewPlan:
    """One view of a join."""

    name: str
    """Its columns of status and event time are called after it."""
    keys: Mapping[str, str]
    """The labels' column → the rows' column. Empty: all rows are of one entity."""
    features: Mapping[str, str]
    """The rows' column → its name in the output."""
    schema: pa.Schema
    """The rows' columns as they are to be; a file's narrower one is widened, and one that it lacks is null."""
    event: str
    created: str | None = None
    ttl_us: int | None = None
    as_of_known: bool = False
    """Only rows that were created by the label's moment. A view without ``created`` cannot say, and takes all."""
    files: tuple[FeatureFile, ...] = ()
    open: Opener = field(default_factory=LocalFiles)
    rows: pa.Table | None = field(default=None, repr=False, compare=False)
    """The rows themselves, where they cannot be read file by file."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The rows' columns that the join reads, each once."""
        moments = (self.event,) if self.created is None else (self.event, self.created)
        return tuple(dict.fromkeys((*self.keys.values(), *moments, *self.features)))

    @property
    def size(self) -> int:
        """Bytes to read, roughly."""
        return sum(file.size for file in self.files) + (0 if self.rows is None else int(self.rows.nbytes))
