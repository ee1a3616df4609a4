"""Files that others wrote: found below a path and read in ranges, whatever they are called. Nothing is written.

An ``ObjectStore`` holds our own objects, whose names and sizes are ours; here a name may be anything, a file of any
size, and what cannot be read is one file's problem.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ray_pipeline.config.options import Options, as_text
from ray_pipeline.config.store import check_store_options, resolve_store
from ray_pipeline.errors import FileCorruptError, RayPipelineError, UsageError

if TYPE_CHECKING:
    from obstore.store import S3Store

_PATTERN = "*?["
_SCHEME = "s3://"


@dataclass(frozen=True, slots=True)
class Found:
    """A file below the path."""

    name: str
    """Its place below the path, with slashes; the file's own name where the path is a file."""
    size: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies at a path, by name."""

    found: tuple[Found, ...]
    is_file: bool
    """The path is the file itself."""
    others: tuple[str, ...] = ()
    """What is no file, or may not be listed: pipes, folders without permission."""


class Files(Protocol):
    """What lies at one path. Pickled it finds its own credential where the options name none."""

    @property
    def url(self) -> str:
        """The path, made absolute."""
        ...

    def listing(self) -> Listing:
        """Return what is there; raise ``UsageError`` where nothing is."""
        ...

    def open(self, name: str) -> Any:
        """Return one file as bytes that can be sought in; raise ``FileCorruptError`` where it cannot be opened."""
        ...


def open_files(path: str, options: Mapping[str, Any] | None = None) -> Files:
    """Return the files at a file, a folder, ``file:///…`` or ``s3://bucket/prefix``; nothing is contacted yet.

    Raises ``UsageError`` for any other address and for options that a store does not take. A folder takes none.
    """
    if not path.startswith(_SCHEME):
        return LocalFiles(_local_path(path))
    named = as_text(options or {})
    bucket = path.removeprefix(_SCHEME).partition("/")[0]
    try:
        resolve_store(f"{_SCHEME}{bucket}", Path.cwd())
    except ValueError as error:
        raise UsageError(f"{_shown(path)}: {error}") from None
    if problems := check_store_options(f"{_SCHEME}{bucket}", named):
        raise UsageError("; ".join(f"store_options.{name}: {what}" for name, what in problems))
    return S3Files(path, Options(named))


def _shown(path: str) -> str:
    """Return an address without what may be a credential in it."""
    bucket, _, rest = path.removeprefix(_SCHEME).partition("/")
    return f"{_SCHEME}{bucket.rpartition('@')[2]}" + (f"/{rest}" if rest else "")


def _local_path(path: str) -> str:
    scheme = path.partition("://")[0] if "://" in path else "file"
    if scheme != "file":
        raise UsageError(f"{scheme}:// cannot be read here: name a file, a folder or s3://bucket/prefix")
    try:
        return resolve_store(path, Path.cwd())
    except ValueError as error:
        raise UsageError(f"path: {error}") from None


class LocalFiles:
    """Files of this machine, or of a share that every machine sees at the same place."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def url(self) -> str:
        return self._path

    def listing(self) -> Listing:
        try:
            about = Path(self._path).stat()
        except OSError as error:
            raise UsageError(_absent(self._path, error)) from None
        if stat.S_ISDIR(about.st_mode):
            others: list[str] = []
            found = tuple(_walk(self._path, "", others))
            return Listing(found, is_file=False, others=tuple(sorted(others)))
        if not stat.S_ISREG(about.st_mode):
            raise UsageError(f"{self._path} is neither a file nor a folder")
        return Listing((Found(Path(self._path).name, about.st_size),), is_file=True)

    def open(self, name: str) -> Any:
        import pyarrow as pa

        path = Path(self._path)
        try:
            return pa.OSFile(str(path / name if path.is_dir() else path))
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
            raise FileCorruptError(name, f"cannot be opened ({reason})") from None


def _absent(path: str, error: OSError) -> str:
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
        return f"{path} cannot be read: {reason}"
    if any(sign in path for sign in _PATTERN):
        return f"nothing is at {path}; a pattern is not expanded: name a file or the folder"
    return f"nothing is at {path}"


def _walk(folder: str, prefix: str, others: list[str]) -> Iterator[Found]:
    """Yield the files in the order of their names. Links to files are followed, links to folders are not: loops."""
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        others.append(f"{prefix} (cannot be listed)")
        return
    for entry in ordered:
        name = prefix + entry.name
        if not name.isprintable():  # bytes that are no text, or signs that would steer a terminal
            others.append(ascii(name))
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{name}/", others)
            elif entry.is_file():
                yield Found(name, entry.stat().st_size)
            else:
                others.append(name)
        except OSError:
            others.append(name)


class S3Files:
    """Objects at or below a prefix."""

    def __init__(self, url: str, options: Options) -> None:
        self._url, self._options = url, options
        self._prefix = url.removeprefix(_SCHEME).partition("/")[2].strip("/")
        self._client: S3Store | None = None

    def __reduce__(self) -> tuple[type[S3Files], tuple[str, Options]]:
        return (S3Files, (self._url, self._options))

    @property
    def url(self) -> str:
        return self._url

    def listing(self) -> Listing:
        import obstore

        client = self._connected()
        found = []
        with _translated(self._url, "list"):
            for page in obstore.list(client, self._prefix or None, chunk_size=1000):
                found += [Found(self._name(item["path"]), item["size"]) for item in page]
        if not found and self._prefix:
            with _translated(self._url, "read"):
                try:
                    size = obstore.head(client, self._prefix)["size"]
                except FileNotFoundError:
                    size = -1
            if size >= 0:
                return Listing((Found(self._prefix.rpartition("/")[2], size),), is_file=True)
        if not found:
            more = " (a pattern is not expanded)" if any(sign in self._prefix for sign in _PATTERN) else ""
            raise UsageError(f"nothing lies below {self._url}{more}")
        return Listing(tuple(sorted((one for one in found if one.name), key=lambda one: one.name)), is_file=False)

    def open(self, name: str) -> Any:
        import obstore

        client = self._connected()
        path = self._prefix
        size = -1
        with _translated(self._url, f"read {name}"):
            for candidate in self._paths(name):
                try:
                    path, size = candidate, obstore.head(client, candidate)["size"]
                    break
                except FileNotFoundError:
                    continue
        if size < 0:
            raise FileCorruptError(name, "is no longer there")
        return io.BufferedReader(_Ranges(client, self._url, path, name, size), 1 << 16)

    def _name(self, path: str) -> str:
        return path.removeprefix(f"{self._prefix}/") if self._prefix else path

    def _paths(self, name: str) -> Iterable[str]:
        """The object itself where the address names it, else what lies below the address."""
        below = f"{self._prefix}/{name}" if self._prefix else name
        return (self._prefix, below) if self._prefix.rpartition("/")[2] == name else (below,)

    def _connected(self) -> S3Store:
        from .s3 import s3_client

        if self._client is None:
            self._client = s3_client(self._url, self._options)
        return self._client


class _Ranges(io.RawIOBase):
    """An object as a file: every read asks for just these bytes."""

    def __init__(self, client: S3Store, url: str, path: str, name: str, size: int) -> None:
        self._client, self._url, self._path, self._object = client, url, path, name
        self._size, self._at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, into: Any) -> int:
        import obstore

        length = min(len(into), self._size - self._at)
        if length <= 0:
            return 0
        with _translated(self._url, f"read {self._object}"):
            data = obstore.get_range(self._client, self._path, start=self._at, length=length)
        into[: len(data)] = memoryview(data)
        self._at += len(data)
        return len(data)


class _translated:  # noqa: N801  a context manager reads like a verb
    """What obstore raises, as one of our errors."""

    def __init__(self, url: str, operation: str) -> None:
        self._url, self._operation = url, operation

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        from obstore.exceptions import BaseError

        from .s3_errors import translate

        if isinstance(error, BaseError | FileNotFoundError) and not isinstance(error, RayPipelineError):
            raise translate(error, self._url, self._operation) from None
