"""Read a partition's log from its newest segment on, and remember what came since."""

from __future__ import annotations

from collections.abc import Iterator

from ray_pipeline.errors import LogBrokenError, StoreUnavailableError
from ray_pipeline.lake.entries import Data, Gap, LogEntry, Tail, decode
from ray_pipeline.lake.fold import fold
from ray_pipeline.lake.keys import SEGMENT_SIZE, LogId, entry_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.segments import Segment, is_last_of_segment, read_pointer, read_segment


class LogReader:
    """The tail of one log, and its entries since the last segment. It writes nothing.

    A read may be stale: then the tail is older than the log, which the next write proves by colliding.
    """

    def __init__(self, store: ObjectStore, log: LogId) -> None:
        self._store, self.log = store, log
        self.tail: Tail | None = None
        self.filled: list[Segment] = []
        """Segments that were passed entry by entry: nobody wrote them, or nobody's write was seen."""
        self._recent: list[tuple[bytes, LogEntry]] = []

    def load(self) -> Tail | None:
        """Read the log anew and return its tail; None where there is no log."""
        self.tail, self._recent, self.filled = None, [], []
        segment = self._newest_segment()
        if segment is not None:
            self.tail = segment.tail
        return self.advance()

    def advance(self) -> Tail | None:
        """Read on from the tail."""
        while (data := self._store.get(entry_key(self.log, self.next_n))) is not None:
            self.push(data)
        return self.tail

    @property
    def next_n(self) -> int:
        """The number of the entry after the tail."""
        return 0 if self.tail is None else self.tail.n + 1

    def push(self, data: bytes) -> Tail:
        """Fold the entry after the tail, given as it is stored."""
        n = self.next_n
        entry = decode_entry(data, self.log, n)
        tail = fold(self.tail, entry, str(self.log))
        self.tail = tail
        self._recent.append((data, entry))
        if is_last_of_segment(n):
            self.filled.append(Segment(tuple(data for data, _ in self._recent), tail))
            self._recent = []
        return tail

    def data_since(self, offset: int) -> list[Data]:
        """Return the data entries that end past ``offset``, oldest first."""
        found: list[Data] = []
        for entry in self._backwards():
            if isinstance(entry, Data | Gap) and entry.end <= offset:
                break
            if isinstance(entry, Data):
                found.append(entry)
        return found[::-1]

    def _newest_segment(self) -> Segment | None:
        pointer = read_pointer(self._store, self.log)
        newest = None if pointer is None else read_segment(self._store, self.log, pointer)
        last = SEGMENT_SIZE - 1 if newest is None else newest.tail.n + SEGMENT_SIZE
        while (segment := read_segment(self._store, self.log, last)) is not None:
            newest = segment
            last += SEGMENT_SIZE
        return newest

    def _backwards(self) -> Iterator[LogEntry]:
        for _, entry in reversed(self._recent):
            yield entry
        last = self.next_n - len(self._recent) - 1
        for end in range(last, -1, -SEGMENT_SIZE):
            yield from reversed(read_entries(self._store, self.log, end))


def read_entries(store: ObjectStore, log: LogId, last: int) -> list[LogEntry]:
    """Return the entries of the segment that ends with entry ``last``, from the segment or one by one."""
    segment = read_segment(store, log, last)
    if segment is not None:
        return [decode_entry(data, log, segment.first + i) for i, data in enumerate(segment.entries)]
    entries = []
    for n in range(last - SEGMENT_SIZE + 1, last + 1):
        data = store.get(entry_key(log, n))
        if data is None:
            raise StoreUnavailableError(store.url, f"show entry {n} of {log}", "later entries are there")
        entries.append(decode_entry(data, log, n))
    return entries


def decode_entry(data: bytes, log: LogId, n: int) -> LogEntry:
    """Return entry ``n``; raise ``LogBrokenError`` where the bytes are none."""
    try:
        return decode(data)
    except (ValueError, KeyError, TypeError) as error:
        raise LogBrokenError(str(log), n, f"cannot be read ({error})") from error


def read_tail(store: ObjectStore, log: LogId) -> Tail | None:
    """Return the fold of a log as it is now, for commands that only look."""
    return LogReader(store, log).load()


def is_claimed_by(store: ObjectStore, log: LogId, nonce: str) -> bool:
    """Read the log anew, and say whether the claim with this nonce is still the last one."""
    tail = read_tail(store, log)
    return tail is not None and tail.owner_nonce == nonce and not tail.closed
