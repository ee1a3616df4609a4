"""The online store in one SQLite file: nothing to start, and several processes of one machine may use it.

The guard stands inside the statement that writes, and one writer at a time holds the file, so no race can bring an
older value back. The file belongs on a local disk: SQLite's write-ahead log does not work over a network file system.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from ray_pipeline.connectors.online.settings import OnlineSettings
from ray_pipeline.connectors.online.sqlite_file import SqliteFile
from ray_pipeline.features.ports import Asked, SourceMark, StateRow, Together, ValueRow, WriteCounts

_AT_ONCE = 30_000
"""Parameters of one statement; the least that SQLite is ever built with is 32,766."""
_NEWER_STATE = """ON CONFLICT (project, view, definition, entity, source)
    DO UPDATE SET "offset" = excluded."offset", state = excluded.state
    WHERE excluded."offset" > states."offset" """
_NEWER_ROW = """ON CONFLICT (project, view, entity)
    DO UPDATE SET event = excluded.event, created = excluded.created, "values" = excluded."values"
    WHERE (excluded.event, excluded.created, excluded."values") > ("rows".event, "rows".created, "rows"."values")"""
_NEWER_MARK = """ON CONFLICT (project, view, definition, source)
    DO UPDATE SET "offset" = max(excluded."offset", marks."offset"),
                  published = max(excluded.published, marks.published)"""


class SqliteStore:
    """An online store in a file that is made at the first call."""

    def __init__(self, settings: OnlineSettings) -> None:
        if settings.path is None:
            raise ValueError("an online store of kind sqlite needs a path")
        self._project = settings.project
        self._shown = f"the online store {settings.path}"
        self._file = SqliteFile(settings.path, self._shown, settings.timeout)

    @property
    def shown(self) -> str:
        """The store for people."""
        return self._shown

    def write_states(self, rows: Sequence[StateRow], marks: Sequence[SourceMark]) -> WriteCounts:
        """Write states and marks in one transaction."""
        project = self._project
        with self._file.writing("write states") as connection:
            written = _upsert(
                connection,
                "states",
                [(project, r.view, r.definition, r.entity, r.source, r.offset, r.state) for r in rows],
                _NEWER_STATE,
            )
            _upsert(
                connection,
                "marks",
                [(project, m.view, m.definition, m.source, m.offset, m.published_us) for m in marks],
                _NEWER_MARK,
            )
        return WriteCounts(written, len(rows) - written)

    def read_states(self, view: str, definition: str, entities: Sequence[str]) -> list[list[StateRow]]:
        """Return the states of each entity, by source."""
        with self._file.reading("read states") as connection:
            return self._states(connection, view, definition, entities)

    def write_rows(self, view: str, rows: Sequence[ValueRow], *, expire_seconds: float | None = None) -> WriteCounts:  # noqa: ARG002
        """Write values in one transaction; here none of them expires."""
        project = self._project
        with self._file.writing("write values") as connection:
            written = _upsert(
                connection,
                '"rows"',
                [(project, view, row.entity, row.event_us, row.created_us, row.values) for row in rows],
                _NEWER_ROW,
            )
        return WriteCounts(written, len(rows) - written)

    def read_rows(self, view: str, entities: Sequence[str]) -> list[ValueRow | None]:
        """Return the row of each entity."""
        with self._file.reading("read values") as connection:
            return self._rows(connection, view, entities)

    def read_together(self, asked: Sequence[Asked], *, marks: bool) -> Together:
        """Return states and rows of several views, and the marks, of one connection and one moment of the file."""
        states: list[list[list[StateRow]]] = []
        rows: list[list[ValueRow | None]] = []
        with self._file.reading("read features") as connection:
            connection.execute("BEGIN")  # the file is locked once, not for each statement
            marked = self._marks(connection, None) if marks else []
            for one in asked:
                if one.definition is None:
                    rows.append(self._rows(connection, one.view, one.entities))
                else:
                    states.append(self._states(connection, one.view, one.definition, one.entities))
            connection.execute("COMMIT")
        return Together(marked, states, rows)

    def marks(self, view: str | None = None) -> list[SourceMark]:
        """Return how far every source is in the view, or in every view."""
        with self._file.reading("read its marks") as connection:
            return self._marks(connection, view)

    def count(self, view: str) -> int:
        """Return how many entities the view has."""
        with self._file.reading("count entities") as connection:
            found = connection.execute(_COUNT, (self._project, view) * 2).fetchone()
        return int(found[0])

    def entities(self, view: str, limit: int) -> list[str]:
        """Return the first entities of the view, in the order of their keys."""
        statement = f"{_ENTITIES} ORDER BY entity LIMIT ?"
        with self._file.reading("list entities") as connection:
            return [row[0] for row in connection.execute(statement, (*(self._project, view) * 2, limit))]

    def drop(self, view: str, *, keep: str | None = None) -> None:
        """Forget a view's states, rows and marks; with ``keep``, only states and marks of its other definitions."""
        which, values = "project = ? AND view = ?", [self._project, view]
        if keep is not None:
            which, values = f"{which} AND definition <> ?", [*values, keep]
        with self._file.writing("drop a view") as connection:
            for table in ("states", "marks", *([] if keep is not None else ['"rows"'])):
                connection.execute(f"DELETE FROM {table} WHERE {which}", values)  # noqa: S608

    def close(self) -> None:
        """Let connections go; a later call opens one again."""
        self._file.close()

    def _states(
        self, connection: sqlite3.Connection, view: str, definition: str, entities: Sequence[str]
    ) -> list[list[StateRow]]:
        found: dict[str, list[StateRow]] = {entity: [] for entity in entities}
        statement = """SELECT entity, source, "offset", state FROM states
            WHERE project = ? AND view = ? AND definition = ? AND entity IN ({}) ORDER BY source"""
        before = (self._project, view, definition)
        for entity, source, offset, state in _select(connection, statement, before, list(found)):
            found[entity].append(StateRow(view, definition, entity, source, offset, state))
        return [found[entity] for entity in entities]

    def _rows(self, connection: sqlite3.Connection, view: str, entities: Sequence[str]) -> list[ValueRow | None]:
        statement = """SELECT entity, event, created, "values" FROM "rows"
            WHERE project = ? AND view = ? AND entity IN ({})"""
        rows = _select(connection, statement, (self._project, view), list(dict.fromkeys(entities)))
        found = {row[0]: ValueRow(*row) for row in rows}
        return [found.get(entity) for entity in entities]

    def _marks(self, connection: sqlite3.Connection, view: str | None) -> list[SourceMark]:
        statement = 'SELECT view, definition, source, "offset", published FROM marks WHERE project = ?'
        values = [self._project]
        if view is not None:
            statement += " AND view = ?"
            values.append(view)
        found = connection.execute(f"{statement} ORDER BY view, definition, source", values)
        return [SourceMark(*row) for row in found]


_ENTITIES = """SELECT entity FROM states WHERE project = ? AND view = ?
    UNION SELECT entity FROM "rows" WHERE project = ? AND view = ?"""

_COUNT = f"SELECT count(*) FROM ({_ENTITIES})"  # noqa: S608


def _upsert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]], guard: str) -> int:
    """Write rows and return how many the guard let in. In one statement, but for a batch too large for that."""
    written = 0
    for some, width in _chunks(rows):
        places = ",".join([f"({','.join('?' * width)})"] * len(some))
        statement = f"INSERT INTO {table} VALUES {places} {guard}"  # noqa: S608 - our own names
        written += connection.execute(statement, list(chain.from_iterable(some))).rowcount
    return written


def _chunks(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[Sequence[Sequence[Any]], int]]:
    if rows:
        width = len(rows[0])
        size = _AT_ONCE // width
        for start in range(0, len(rows), size):
            yield rows[start : start + size], width


def _select(
    connection: sqlite3.Connection, statement: str, before: tuple[str, ...], entities: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Read rows of many entities: one statement, but for more entities than one takes."""
    for start in range(0, len(entities), _AT_ONCE):
        some = entities[start : start + _AT_ONCE]
        yield from connection.execute(statement.format(",".join("?" * len(some))), (*before, *some))
