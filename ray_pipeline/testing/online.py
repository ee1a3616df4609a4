"""An online store in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ray_pipeline.errors import OnlineStoreUnavailableError
from ray_pipeline.features.ports import Asked, SourceMark, StateRow, Together, ValueRow, WriteCounts


class MemoryOnlineStore:
    """An :class:`~ray_pipeline.features.ports.OnlineStore` that fails when it is told to, safe between threads.

    >>> store = MemoryOnlineStore()
    >>> row = StateRow("v", "d", '["EWR"]', "departures/t1/0", 10, b"state")
    >>> store.write_states([row], [SourceMark("v", "d", row.source, 10, 5)])
    WriteCounts(written=1, older=0)
    >>> store.write_states([row], []), store.read_states("v", "d", ['["EWR"]']) == [[row]]
    (WriteCounts(written=0, older=1), True)
    """

    def __init__(self, name: str = "online") -> None:
        self.shown = f"the online store {name}"
        self.states: dict[tuple[str, str, str, str], StateRow] = {}
        """By view, definition, entity and source."""
        self.rows: dict[tuple[str, str], ValueRow] = {}
        """By view and entity."""
        self.marked: dict[tuple[str, str, str], SourceMark] = {}
        """By view, definition and source."""
        self.is_down = False
        """Whether every call is refused."""
        self.asked: list[str] = []
        """What was called, in order, also while it was down."""
        self._lock = threading.Lock()

    def write_states(self, rows: Sequence[StateRow], marks: Sequence[SourceMark]) -> WriteCounts:
        self._call("write states")
        written = 0
        with self._lock:
            for row in rows:
                key = (row.view, row.definition, row.entity, row.source)
                there = self.states.get(key)
                if there is None or there.offset < row.offset:
                    self.states[key] = row
                    written += 1
            for mark in marks:
                self._mark(mark)
        return WriteCounts(written, len(rows) - written)

    def read_states(self, view: str, definition: str, entities: Sequence[str]) -> list[list[StateRow]]:
        self._call("read states")
        wanted: dict[str, list[StateRow]] = {entity: [] for entity in entities}
        with self._lock:
            for key, row in sorted(self.states.items()):
                if key[:2] == (view, definition) and row.entity in wanted:
                    wanted[row.entity].append(row)
        return [wanted[entity] for entity in entities]

    def write_rows(self, view: str, rows: Sequence[ValueRow]) -> WriteCounts:
        self._call("write values")
        written = 0
        with self._lock:
            for row in rows:
                there = self.rows.get((view, row.entity))
                if there is None or _rank(there) < _rank(row):
                    self.rows[view, row.entity] = row
                    written += 1
        return WriteCounts(written, len(rows) - written)

    def read_rows(self, view: str, entities: Sequence[str]) -> list[ValueRow | None]:
        self._call("read values")
        with self._lock:
            return [self.rows.get((view, entity)) for entity in entities]

    def read_together(self, asked: Sequence[Asked], *, marks: bool) -> Together:
        return Together(
            self.marks() if marks else [],
            [self.read_states(one.view, one.definition, one.entities) for one in asked if one.definition is not None],
            [self.read_rows(one.view, one.entities) for one in asked if one.definition is None],
        )

    def marks(self, view: str | None = None) -> list[SourceMark]:
        self._call("read marks")
        with self._lock:
            return [mark for _, mark in sorted(self.marked.items()) if view is None or mark.view == view]

    def count(self, view: str) -> int:
        self._call("count")
        return len(self._entities(view))

    def entities(self, view: str, limit: int) -> list[str]:
        self._call("list entities")
        return sorted(self._entities(view))[:limit]

    def drop(self, view: str) -> None:
        self._call("drop a view")
        with self._lock:
            self.states = {key: row for key, row in self.states.items() if key[0] != view}
            self.rows = {key: row for key, row in self.rows.items() if key[0] != view}
            self.marked = {key: mark for key, mark in self.marked.items() if key[0] != view}

    def close(self) -> None:
        """Nothing is open."""

    def _call(self, operation: str) -> None:
        self.asked.append(operation)
        if self.is_down:
            raise OnlineStoreUnavailableError(self.shown, operation, "it was told to be down")

    def _entities(self, view: str) -> set[str]:
        with self._lock:
            return {key[2] for key in self.states if key[0] == view} | {key[1] for key in self.rows if key[0] == view}

    def _mark(self, mark: SourceMark) -> None:
        key = (mark.view, mark.definition, mark.source)
        there = self.marked.get(key, mark)
        self.marked[key] = SourceMark(*key, max(there.offset, mark.offset), max(there.published_us, mark.published_us))


def _rank(row: ValueRow) -> tuple[int, int, bytes]:
    return (row.event_us, row.created_us, row.values)
