"""One view's states of one partition: those in memory, and those that the online store lacks.

A state is a pure function of the log up to an entry: of the entity's events, and of how the partition's publications
moved on. The store's own row is such a state, so an entity that memory does not hold is read from there, and folded
on. Memory is a cache of bounded size; only what was not written yet must stay.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from traceback import format_tb

import polars as pl
import pyarrow as pa

from ray_pipeline.errors import FeatureComputeError, RayPipelineError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.events import event_rows
from ray_pipeline.features.fold import fold_events
from ray_pipeline.features.ports import OnlineStore, SourceMark, StateRow
from ray_pipeline.features.state import EntityState, decode_state, encode_state
from ray_pipeline.runtime.features.rebuild import as_events
from ray_pipeline.types import Offset

logger = logging.getLogger(__name__)

READ_ENTITIES = 1_000
"""Whose states are asked for in one call."""


class ViewStates:
    """Folds one view's events, entry by entry. One thread uses it."""

    def __init__(
        self, view: CompiledView, source: str, *, start: Offset, retain_us: int | None, most_bytes: int
    ) -> None:
        self.view, self._source, self._start = view, source, start
        self._retain_us = view.shape.lateness if retain_us is None else retain_us
        self._most_bytes = most_bytes
        self.set_aside: Counter[str] = Counter()
        """Rows that are no events of the view, by reason; those of an entry that was folded twice count once."""
        self.reason = ""
        """Why nothing is computed from ``stops_at`` on; empty while all goes well."""
        self.stops_at: Offset | None = None
        self._counted: Offset = start
        self.begin(None)
        self.is_begun = False
        """Whether it goes on from where the store is; if not, :meth:`begin` is to be called."""

    def begin(self, mark: SourceMark | None) -> None:
        """Start after a mark, with nothing in memory; None: at the log's first record."""
        self.through = self._start if mark is None else mark.offset
        """Every record before it is in the states, here or in the store."""
        self.written: Offset | None = None if mark is None else mark.offset
        """Every record before it is in the store's; None: it has no mark."""
        self._newest_us = 0 if mark is None else mark.published_us
        self._is_complete = mark is None
        self._states: dict[str, EntityState] = {}
        self._through_of: dict[str, Offset] = {}
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        self._dirty: set[str] = set()
        self.is_begun = True

    @property
    def dirty(self) -> int:
        """How many states the store lacks."""
        return len(self._dirty)

    @property
    def is_stopped(self) -> bool:
        """Whether it went as far as it ever will."""
        return self.stops_at is not None and self.through >= self.stops_at

    @property
    def is_written(self) -> bool:
        """Whether the store has all that was folded."""
        return self.written == self.through

    def pass_over(self, end: Offset) -> None:
        """Go on behind offsets that hold no event."""
        self.through = max(self.through, end)

    def fold(self, online: OnlineStore, rows: pa.Table, start: Offset, end: Offset, newest_us: int | None) -> None:
        """Take the rows of one entry; ``newest_us`` is the newest publication in it.

        On an error of the store nothing has changed. An error of the view itself stops the view before this entry.
        """
        newest = self._newest_us if newest_us is None else max(self._newest_us, newest_us)
        if not rows.num_rows:
            self.through, self._newest_us = end, newest
            return None
        try:
            events = event_rows(self.view, as_events(rows, self.view))
            self._take(online, events.frame, end, newest)
        except FeatureComputeError as error:
            return self._stop(start, str(error))
        except RayPipelineError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it is this view's alone
            # Where it was raised, without its words: they may quote a value.
            kind, where = type(error).__name__, "".join(format_tb(error.__traceback__))
            logger.warning("view %s: %s\n%s", self.view.name, kind, where)
            return self._stop(start, f"view {self.view.name}: unexpected {kind}")
        if end > self._counted:
            self.set_aside = self.set_aside + Counter(events.skipped)  # a new one: others look at it meanwhile
            self._counted = end
        self.through, self._newest_us = end, newest
        return None

    def rows(self) -> list[StateRow]:
        """Return the states that the store lacks."""
        shape = self.view.shape
        found = []
        try:
            for entity in self._dirty:
                data = encode_state(shape, self._states[entity])
                found.append(
                    StateRow(shape.name, shape.definition, entity, self._source, self._through_of[entity], data)
                )
                self._weigh(entity, len(data))
        except FeatureComputeError as error:
            self._stop(self._start if self.written is None else self.written, str(error))
            return []
        return found

    def mark(self) -> SourceMark:
        """Return how far the store is once it has those rows."""
        shape = self.view.shape
        return SourceMark(shape.name, shape.definition, self._source, self.through, self._newest_us)

    def wrote(self, mark: SourceMark) -> None:
        """Take note that the store has them, and keep no more in memory than is allowed."""
        self.written = mark.offset
        for entity in self._dirty:  # what was used last goes last
            self._states[entity] = self._states.pop(entity)
        self._dirty.clear()
        while self._bytes > self._most_bytes and self._states:
            self._forget(next(iter(self._states)))
            self._is_complete = False

    def _take(self, online: OnlineStore, events: pl.DataFrame, end: Offset, newest: int) -> None:
        entities = events.get_column("entity").unique().to_list()
        if not self._is_complete:
            self._fetch(online, [entity for entity in entities if entity not in self._states])
        # Another owner of the partition may have written further than this entry: it was right, as we would be.
        ahead = {entity for entity in entities if self._through_of.get(entity, 0) >= end}
        if ahead:
            events = events.filter(~pl.col("entity").is_in(list(ahead)))
        touched = {one: self._states[one] for one in entities if one in self._states and one not in ahead}
        fold_events(self.view.shape, touched, events, newest_us=newest, retain_us=self._retain_us)
        # Whoever had an event is written, also where it did not count: what can be asked for may be less now, and a
        # state must not depend on how many entries were folded before it was written.
        for entity, state in touched.items():
            self._states[entity] = state
            self._through_of[entity] = end
        self._dirty |= touched.keys()

    def _fetch(self, online: OnlineStore, entities: Sequence[str]) -> None:
        shape = self.view.shape
        for i in range(0, len(entities), READ_ENTITIES):
            some = entities[i : i + READ_ENTITIES]
            for entity, rows in zip(some, online.read_states(shape.name, shape.definition, some), strict=True):
                for row in rows:
                    if row.source == self._source:
                        self._states[entity] = _decode(self.view, row)
                        self._through_of[entity] = row.offset
                        if row.offset > (self._start if self.written is None else self.written):
                            # Written before a mark that never came: it is in the store once our mark is.
                            self._dirty.add(entity)
                        self._weigh(entity, len(row.state))

    def _stop(self, at: Offset, reason: str) -> None:
        # Some of the states may have been changed already: begin again after the mark, and end before the entry.
        self.reason, self.stops_at, self.is_begun = reason, at, False

    def _weigh(self, entity: str, size: int) -> None:
        self._bytes += size - self._sizes.get(entity, 0)
        self._sizes[entity] = size

    def _forget(self, entity: str) -> None:
        self._bytes -= self._sizes.pop(entity, 0)
        del self._states[entity], self._through_of[entity]


def _decode(view: CompiledView, row: StateRow) -> EntityState:
    try:
        return decode_state(view.shape, row.state)
    except ValueError as error:
        raise FeatureComputeError(
            view.name,
            "",
            f"the online store holds a state that cannot be read ({error}); drop the view there and "
            "write it again with `ray-pipeline features backfill --online`",
        ) from None
