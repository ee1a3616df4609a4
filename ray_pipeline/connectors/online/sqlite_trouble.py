"""SQLite's errors in our words: who must act, and how; no statement and no value of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ray_pipeline.errors import OnlineStoreDeniedError, OnlineStoreUnavailableError, RayPipelineError

_LATER = {
    sqlite3.SQLITE_BUSY: "another process has written to it for too long; try again",
    sqlite3.SQLITE_LOCKED: "another process has written to it for too long; try again",
    sqlite3.SQLITE_FULL: "the disk is full; free some space and try again",
    sqlite3.SQLITE_IOERR: "its disk reports an error, or is full",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_PROTOCOL: "too many processes open it at once; try again",
    sqlite3.SQLITE_INTERRUPT: "the call was interrupted",
}
_NEVER = {
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened; check the folder and its permissions",
    sqlite3.SQLITE_READONLY: "its file may not be written; check its permissions",
    sqlite3.SQLITE_PERM: "its file may not be opened; check its permissions",
    sqlite3.SQLITE_AUTH: "its file may not be opened; check its permissions",
    sqlite3.SQLITE_NOTADB: "its file is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "its file is damaged; move it away, and write the values again from the lake",
    sqlite3.SQLITE_TOOBIG: "a value is larger than SQLite takes",
}


@contextmanager
def translated(store: str, operation: str) -> Iterator[None]:
    """Raise our error for one of SQLite's or of the disk; errors that are ours pass."""
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, OSError) as error:
        raise translate(error, store, operation) from None


def translate(error: Exception, store: str, operation: str) -> RayPipelineError:
    """Return our error for one of theirs."""
    if isinstance(error, OSError):
        return OnlineStoreDeniedError(store, operation, f"its folder cannot be used ({type(error).__name__})")
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary in _LATER:
        return OnlineStoreUnavailableError(store, operation, _LATER[primary])
    if primary in _NEVER:
        return OnlineStoreDeniedError(store, operation, _NEVER[primary])
    return OnlineStoreDeniedError(store, operation, f"SQLite answered with {type(error).__name__}")
