"""One SQLite file and its connections: our format, many threads and processes at once, nothing held between calls."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray_pipeline.connectors.online.sqlite_trouble import translated
from ray_pipeline.errors import OnlineStoreDeniedError

APPLICATION = 0x72706F6E
"""Stands in the file's header and says that it is an online store of ours ("rpon")."""
FORMAT = 1
CACHE_KIB = 16_384
"""Of each connection: a batch and what it replaces, and the states of some hundred entities."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS states (
        project TEXT NOT NULL, view TEXT NOT NULL, definition TEXT NOT NULL, entity TEXT NOT NULL,
        source TEXT NOT NULL, "offset" INTEGER NOT NULL, state BLOB NOT NULL,
        PRIMARY KEY (project, view, definition, entity, source))""",
    """CREATE TABLE IF NOT EXISTS "rows" (
        project TEXT NOT NULL, view TEXT NOT NULL, entity TEXT NOT NULL,
        event INTEGER NOT NULL, created INTEGER NOT NULL, "values" BLOB NOT NULL,
        PRIMARY KEY (project, view, entity)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS marks (
        project TEXT NOT NULL, view TEXT NOT NULL, definition TEXT NOT NULL, source TEXT NOT NULL,
        "offset" INTEGER NOT NULL, published INTEGER NOT NULL,
        PRIMARY KEY (project, view, definition, source)) WITHOUT ROWID""",
)

_Identity = tuple[int, int]


class SqliteFile:
    """A pool of connections: one for each call that runs at the same time.

    A connection is let go where the process has forked since, or where the file was removed or replaced behind it:
    what is written to a file that has no name any more is lost without an error.
    """

    def __init__(self, path: Path, shown: str, timeout: float) -> None:
        self._path, self._shown, self._timeout = path, shown, timeout
        self._lock = threading.Lock()
        self._idle: list[tuple[_Identity, sqlite3.Connection]] = []
        self._owner = os.getpid()

    @contextmanager
    def reading(self, operation: str) -> Iterator[sqlite3.Connection]:
        """Give a connection; every statement sees one moment of the file."""
        with translated(self._shown, operation), self._connection(operation) as connection:
            yield connection

    @contextmanager
    def writing(self, operation: str) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction: all of it is kept, or nothing."""
        with translated(self._shown, operation), self._connection(operation) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        if self._owner == os.getpid():
            for _, connection in idle:
                connection.close()

    @contextmanager
    def _connection(self, operation: str) -> Iterator[sqlite3.Connection]:
        identity, connection = self._take(operation)
        try:
            yield connection
        except BaseException:
            connection.close()  # which rolls back
            raise
        with self._lock:
            self._idle.append((identity, connection))

    def _take(self, operation: str) -> tuple[_Identity, sqlite3.Connection]:
        now = self._identity()
        stale: list[sqlite3.Connection] = []
        with self._lock:
            if self._owner != os.getpid():
                _inherited.extend(self._idle)  # closing a parent's connection would drop the parent's locks
                self._idle, self._owner = [], os.getpid()
            while self._idle:
                identity, connection = self._idle.pop()
                if identity == now:
                    return identity, connection
                stale.append(connection)
        for connection in stale:
            connection.close()
        return self._opened(operation)

    def _identity(self) -> _Identity | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _opened(self, operation: str) -> tuple[_Identity, sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            self._prepare(connection, operation)
            found = self._path.stat()
        except BaseException:
            connection.close()
            raise
        return (found.st_dev, found.st_ino), connection

    def _prepare(self, connection: sqlite3.Connection, operation: str) -> None:
        """See that the file is ours, and make the tables where it is new."""
        if not self._is_ours(connection, operation):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            if not self._is_ours(connection, operation):  # nor has another process made it meanwhile
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            connection.execute("COMMIT")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found != FORMAT:
            raise OnlineStoreDeniedError(
                self._shown, operation, f"its file has format {found}, and this version knows format {FORMAT}"
            )
        # A crash of the machine may cost the last transactions, never the file: values come again from the lake.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    def _is_ours(self, connection: sqlite3.Connection, operation: str) -> bool:
        """Say whether the tables are there; an empty file will be ours, and somebody else's is left alone."""
        if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION:
            return True
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise OnlineStoreDeniedError(
                self._shown, operation, "its file is a database of something else; give another path"
            )
        return False


_inherited: list[tuple[_Identity, sqlite3.Connection]] = []
"""Connections of a parent process, kept so that they are never closed here."""
