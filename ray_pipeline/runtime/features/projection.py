"""Online values of stream-fed views: a projection of one partition's log, which lags and catches up.

What was committed is in the log; the online store only repeats what follows from it. So the store may be slow, full or
away, and landing never waits: commits are noted here, and one other thread folds them and writes. Rows come from
memory while the projection is close behind, and from the files of the log when it is not. After the rows of a commit
comes the mark of how far the store is; a new owner goes on from there. It needs no claim: of two that write at the
same time both are right, and the store keeps what is newer.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from threading import Lock
from traceback import format_tb

import pyarrow as pa

from ray_pipeline.clock import Clock, backoff
from ray_pipeline.errors import RayPipelineError, StoreUnavailableError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.ports import OnlineStore, SourceMark, StateRow, WriteCounts
from ray_pipeline.lake.entries import Data, Gap
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.runtime.features.rebuild import (
    entries_after,
    names_for,
    newest_publication,
    read_rows,
    rows_at_hand,
)
from ray_pipeline.runtime.features.view_states import ViewStates
from ray_pipeline.runtime.reports import ViewReport
from ray_pipeline.types import Offset

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 2.0
"""How long one call may go on before the other partitions have their turn."""
WAITING_BYTES = 32 * 2**20
"""Of rows that wait in memory; what comes beyond is read from its files again."""
STATE_BYTES = 32 * 2**20
"""Of a partition's states, encoded, that stay in memory though the store has them."""
MOST_DIRTY = 20_000
"""States that are changed before they are written."""
WRITE_ROWS = 2_000
"""States of one write."""
LONGEST_WAIT = 10.0
FINAL_ATTEMPTS = 3


def source_of(log: LogId) -> str:
    """Return how the online store names a log's partition."""
    return f"{log.topic}/{log.topic_id}/{log.partition}"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A commit and its rows."""

    entry: Data
    rows: pa.Table


class FeatureProjection:
    """Keeps one partition's share of some views of its dataset in the online store.

    :meth:`committed` may be called while another thread is in :meth:`catch_up`, and neither waits for the other.
    """

    def __init__(
        self,
        views: Sequence[CompiledView],
        open_online: Callable[[], OnlineStore],
        lake: ObjectStore,
        log: LogId,
        *,
        start: Offset,
        committed: Offset,
        clock: Clock,
        rng: Random,
        retain_us: int | None = None,
        state_bytes: int = STATE_BYTES,
        waiting_bytes: int = WAITING_BYTES,
        ignore_marks: bool = False,
        effects: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """``start`` is where the log begins, ``retain_us`` how far back states can be read (None: by lateness).

        With ``ignore_marks`` everything is computed from the log's beginning and written, whatever is there.
        """
        self.log, self._source = log, source_of(log)
        self._open_online, self._lake, self._clock, self._rng = open_online, lake, clock, rng
        self._waiting_bytes, self._ignore_marks, self._effects = waiting_bytes, ignore_marks, effects
        self._names = names_for(views)
        share = state_bytes // max(1, len(views))
        self._views = [
            ViewStates(view, self._source, start=start, retain_us=retain_us, most_bytes=share) for view in views
        ]
        self._start, self._committed = start, committed
        self._lock = Lock()  # of the queue and the committed offset
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._reading: Iterator[Data | Gap] | None = None
        self._failures = 0
        self._retry_at = clock.monotonic()
        self._closed = False
        self.counts = WriteCounts()
        """What became of the states that were written."""
        self.trouble = ""
        """Why the online values lag; empty while they do not."""

    # -- asked by any thread -----------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """How many committed offsets the view that is furthest behind lacks in the store."""
        return max((self._lag(view) for view in self._views), default=0)

    @property
    def is_due(self) -> bool:
        """Whether :meth:`catch_up` has something to do now."""
        return not self._closed and self._clock.monotonic() >= self._retry_at and not self.is_done

    @property
    def is_done(self) -> bool:
        """Whether every view is as far as it can be."""
        return all(view.is_begun and view.is_written and self._is_folded(view) for view in self._views)

    @property
    def troubles(self) -> str:
        """Everything that is in the way, for people."""
        return "; ".join([*([self.trouble] if self.trouble else []), *(v.reason for v in self._views if v.reason)])

    def reports(self) -> tuple[ViewReport, ...]:
        """Return where each view stands."""
        return tuple(
            ViewReport(
                view.view.name,
                self._start if view.written is None else view.written,
                self._lag(view),
                view.reason or self.trouble,
                dict(view.set_aside),
            )
            for view in self._views
        )

    def committed(self, entry: Data, tables: Sequence[pa.Table]) -> None:
        """Take note of a commit, with its rows as they were landed."""
        rows = rows_at_hand(tables, self._names)
        with self._lock:
            follows = entry.start == (self._queue[-1].entry.end if self._queue else self._committed)
            if follows and self._queue_bytes + rows.nbytes <= self._waiting_bytes:
                self._queue.append(_Waiting(entry, rows))
                self._queue_bytes += rows.nbytes
            self._committed = max(self._committed, entry.end)

    def follow(self, committed: Offset) -> None:
        """Take note of how far the log is, after it was claimed again."""
        with self._lock:
            self._committed = max(self._committed, committed)

    def close(self) -> None:
        """Have a :meth:`catch_up` that runs now end soon, and every later one do nothing."""
        self._closed = True

    # -- the projecting thread ---------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Fold and write what was committed, for a few seconds at most. It never raises for what is outside."""
        if self.is_due:
            self._try(self._clock.monotonic() + PATIENCE_SECONDS)

    def catch_up_until(self, deadline: float) -> None:
        """Go on to the end, or to a moment of the monotonic clock, or until a few attempts in a row have failed."""
        failures = self._failures
        while not (self._closed or self.is_done) and self._clock.monotonic() < deadline:
            if self._failures >= failures + FINAL_ATTEMPTS:
                return
            self._clock.sleep(max(0.0, min(1.0, self._retry_at - self._clock.monotonic())))
            before = self._failures
            self._try(deadline)
            if self._failures <= before:
                failures = self._failures

    def _try(self, deadline: float) -> None:
        try:
            online = self._open_online()
            while not (self._closed or self.is_done):
                self._begin(online)
                self._fold_some(online, deadline)
                self._write(online)
                if self._clock.monotonic() >= deadline:
                    break
        except RayPipelineError as error:
            self._put_off(str(error))
        except Exception as error:  # noqa: BLE001  whatever it is, landing goes on
            kind, where = type(error).__name__, "".join(format_tb(error.__traceback__))
            logger.warning("%s: %s\n%s", self.log, kind, where)
            self._put_off(f"unexpected {kind}")
        else:
            self._failures, self.trouble = 0, ""

    def _put_off(self, trouble: str) -> None:
        self._reading = None
        self.trouble = trouble
        self._retry_at = self._clock.monotonic() + backoff(self._failures, self._rng, 0.5, LONGEST_WAIT)
        self._failures += 1

    def _begin(self, online: OnlineStore) -> None:
        """Compare with the store's marks: a view that is new here goes on from there, and so does one that was lost.

        A store that was emptied, or that fell back behind what it had confirmed, is thus filled again from the log.
        """
        marks = {(mark.view, mark.definition): mark for mark in online.marks() if mark.source == self._source}
        for view in self._views:
            shape = view.view.shape
            mark = marks.get((shape.name, shape.definition))
            lost = view.written is not None and (mark is None or mark.offset < view.written)
            if not view.is_begun or lost:
                ignored = self._ignore_marks and not lost
                view.begin(None if ignored else mark)
                self._reading = None

    def _fold_some(self, online: OnlineStore, deadline: float) -> None:
        """Fold entries until enough is to be written, or time is over."""
        while sum(view.dirty for view in self._views) < MOST_DIRTY:
            behind = [view for view in self._views if view.is_begun and not self._is_folded(view)]
            if not behind or self._closed:
                return
            entry, rows = self._next(min(view.through for view in behind))
            for view in behind:
                if view.through >= entry.end:
                    continue
                if isinstance(entry, Gap) or rows is None:
                    view.pass_over(entry.end)
                else:
                    newest = newest_publication(entry, rows, view.view.shape.lateness)
                    view.fold(online, rows, entry.start, entry.end, newest)
            self._effects("after_feature_fold")
            if self._clock.monotonic() >= deadline:
                return

    def _next(self, through: Offset) -> tuple[Data | Gap, pa.Table | None]:
        """Return the entry after an offset, with its rows."""
        with self._lock:
            while self._queue and self._queue[0].entry.end <= through:
                self._queue_bytes -= self._queue.popleft().rows.nbytes
            first = self._queue[0] if self._queue else None
        if first is not None and first.entry.start <= through:
            self._reading = None
            return first.entry, first.rows
        entry = self._next_in_log(through)
        return entry, read_rows(self._lake, entry, self._names) if isinstance(entry, Data) else None

    def _next_in_log(self, through: Offset) -> Data | Gap:
        for _ in range(2):  # what was read before may have ended where the log then ended
            if self._reading is None:
                self._reading = entries_after(self._lake, self.log, through)
            for entry in self._reading:
                if entry.end > through:
                    return entry
            self._reading = None
        raise StoreUnavailableError(self._lake.url, "show a new entry", f"{self.log} is committed beyond {through}")

    def _write(self, online: OnlineStore) -> None:
        found: list[tuple[ViewStates, SourceMark, list[StateRow]]] = []
        for view in self._views:
            if view.is_begun and not view.is_written:
                rows = view.rows()
                if view.is_begun:
                    found.append((view, view.mark(), rows))
        if not found or self._closed:
            return
        rows = [row for _, _, some in found for row in some]
        self._effects("before_feature_write")
        for i in range(0, len(rows) - WRITE_ROWS, WRITE_ROWS):
            self.counts += online.write_states(rows[i : i + WRITE_ROWS], [])
            self._effects("between_feature_writes")
        rest = (len(rows) - 1) // WRITE_ROWS * WRITE_ROWS if rows else 0
        self.counts += online.write_states(rows[rest:], [mark for _, mark, _ in found])
        self._effects("after_feature_write")
        for view, mark, _ in found:
            view.wrote(mark)

    def _is_folded(self, view: ViewStates) -> bool:
        return view.through >= self._committed or view.is_stopped

    def _lag(self, view: ViewStates) -> int:
        return max(0, self._committed - (self._start if view.written is None else view.written))
