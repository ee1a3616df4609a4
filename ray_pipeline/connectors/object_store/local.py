"""A folder as an object store: what is returned is on the disk, and nobody sees half an object."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ray_pipeline.connectors.object_store.keys import check_key
from ray_pipeline.errors import StoreDeniedError, StoreUnavailableError, StoreUnsafeError

TEMPORARY = ".tmp"
"""Objects are written here and then get their name, so that a reader who lists a folder sees whole ones only."""
_ABANDONED_AFTER = 24 * 3600.0
_DENIED = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}
)
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class LocalObjectStore:
    """Objects as files below ``root``, an absolute folder that the first write makes.

    ``put_if_absent`` gives a finished file its name with ``link(2)``, which fails where the name is taken, also on
    NFS and between machines. The file, its name and every new folder are synced before a call returns.
    """

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        if not self._root.is_absolute():
            raise ValueError(f"a store's folder must be absolute: {root}")
        self._swept = False

    @property
    def url(self) -> str:
        return str(self._root)

    def __repr__(self) -> str:
        return f"LocalObjectStore({self.url!r})"

    def uri(self, key: str) -> str:
        return str(self._path(key))

    def get(self, key: str) -> bytes | None:
        path = self._path(key)
        with self._translated("read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                return None

    def put(self, key: str, data: bytes) -> None:
        path = self._path(key)
        with self._translated("write"), self._finished_file(data) as temporary:
            self._make_folder(path.parent)
            temporary.replace(path)
            _sync_folder(path.parent)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self._path(key)
        with self._translated("write"):
            if path.exists():  # spares the write in the common case of a lost race; link() below decides
                return False
            with self._finished_file(data) as temporary:
                self._make_folder(path.parent)
                if not self._link(temporary, path):
                    return False
                _sync_folder(path.parent)
                return True

    def list(self, prefix: str) -> Iterator[str]:
        start = self._path(prefix) if prefix else self._root
        with self._translated("list"):
            yield from _walk(start, f"{prefix}/" if prefix else "")

    def delete(self, key: str) -> None:
        path = self._path(key)
        with self._translated("delete"), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()

    def _path(self, key: str) -> Path:
        if check_key(key).split("/", 1)[0] == TEMPORARY:
            raise ValueError(f"{TEMPORARY} holds unfinished objects: {key!r}")
        return self._root / key

    def _link(self, temporary: Path, path: Path) -> bool:
        try:
            os.link(temporary, path)
        except FileExistsError:
            # NFS repeats a request whose reply was lost, and the second one finds our own link: count the names.
            return temporary.stat().st_nlink > 1
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise StoreUnsafeError(self.url, "the file system has no hard links") from None
            raise
        return True

    @contextmanager
    def _finished_file(self, data: bytes) -> Iterator[Path]:
        """Yield a synced temporary file with ``data``; its temporary name is gone afterwards."""
        folder = self._root / TEMPORARY
        self._make_folder(folder)
        self._sweep(folder)
        temporary = folder / secrets.token_hex(16)
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        """Remove what killed writers left, once per store and only what no living writer can still need."""
        if self._swept:
            return
        self._swept = True
        for leftover in folder.iterdir():
            with suppress(OSError):
                if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER:
                    leftover.unlink()

    def _make_folder(self, folder: Path) -> None:
        """Make ``folder``, and sync each parent that got a new name: a power cut must not lose the way to an object."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            new.mkdir(exist_ok=True)
            _sync_folder(new.parent)

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else type(error).__name__
            if error.filename:
                reason += f" ({error.filename})"
            if error.errno in _DENIED:
                raise StoreDeniedError(self.url, operation, f"{reason}; check the folder and its permissions") from None
            raise StoreUnavailableError(self.url, operation, reason) from None


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    """Yield keys in the order of their text, as S3 does: a folder sorts as its name with a slash."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name + "/" if entry.is_dir() else entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name == f"{TEMPORARY}/" and not prefix:
            continue
        if name.endswith("/"):
            yield from _walk(folder / name[:-1], prefix + name)
        else:
            yield prefix + name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network and user-space file systems cannot sync a folder; there the name is as durable as they make it.
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
    finally:
        os.close(descriptor)
