"""What an online store must do, as plain dictionaries; every real one is compared with it."""

from __future__ import annotations

from collections.abc import Sequence

from ray_pipeline.features.ports import Asked, SourceMark, StateRow, Together, ValueRow, WriteCounts


class MemoryOnlineStore:
    """Newest wins, row by row."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str, str, str], StateRow] = {}
        self.rows: dict[tuple[str, str], ValueRow] = {}
        self.known: dict[tuple[str, str, str], SourceMark] = {}

    @property
    def shown(self) -> str:
        return "the online store in memory"

    def write_states(self, rows: Sequence[StateRow], marks: Sequence[SourceMark]) -> WriteCounts:
        counts = WriteCounts()
        for row in rows:
            key = (row.view, row.definition, row.entity, row.source)
            newer = key not in self.states or row.offset > self.states[key].offset
            if newer:
                self.states[key] = row
            counts += WriteCounts(written=1) if newer else WriteCounts(older=1)
        for mark in marks:
            where = (mark.view, mark.definition, mark.source)
            old = self.known.get(where, mark)
            furthest = max(old.offset, mark.offset), max(old.published_us, mark.published_us)
            self.known[where] = SourceMark(*where, *furthest)
        return counts

    def read_states(self, view: str, definition: str, entities: Sequence[str]) -> list[list[StateRow]]:
        return [
            [row for key, row in sorted(self.states.items()) if key[:3] == (view, definition, entity)]
            for entity in entities
        ]

    def write_rows(self, view: str, rows: Sequence[ValueRow]) -> WriteCounts:
        counts = WriteCounts()
        for row in rows:
            old = self.rows.get((view, row.entity))
            newer = old is None or _order(row) > _order(old)
            if newer:
                self.rows[view, row.entity] = row
            counts += WriteCounts(written=1) if newer else WriteCounts(older=1)
        return counts

    def read_rows(self, view: str, entities: Sequence[str]) -> list[ValueRow | None]:
        return [self.rows.get((view, entity)) for entity in entities]

    def read_together(self, asked: Sequence[Asked], *, marks: bool) -> Together:
        return Together(
            self.marks() if marks else [],
            [self.read_states(one.view, one.definition, one.entities) for one in asked if one.definition is not None],
            [self.read_rows(one.view, one.entities) for one in asked if one.definition is None],
        )

    def marks(self, view: str | None = None) -> list[SourceMark]:
        return [mark for key, mark in sorted(self.known.items()) if view in (None, key[0])]

    def count(self, view: str) -> int:
        return len(self.entities(view, 1_000_000))

    def entities(self, view: str, limit: int) -> list[str]:
        found = {key[2] for key in self.states if key[0] == view} | {key[1] for key in self.rows if key[0] == view}
        return sorted(found)[:limit]

    def drop(self, view: str, *, keep: str | None = None) -> None:
        self.states = {key: row for key, row in self.states.items() if key[0] != view or key[1] == keep}
        self.known = {key: mark for key, mark in self.known.items() if key[0] != view or key[1] == keep}
        if keep is None:
            self.rows = {key: row for key, row in self.rows.items() if key[0] != view}

    def close(self) -> None:
        pass


def _order(row: ValueRow) -> tuple[int, int, bytes]:
    return row.event_us, row.created_us, row.values
