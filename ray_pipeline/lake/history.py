"""Everything that a log says, oldest first: for snapshots, for the list of bad records, for audits."""

from __future__ import annotations

from collections.abc import Iterator

from ray_pipeline.lake.entries import Data, LogEntry
from ray_pipeline.lake.keys import LogId, entry_key
from ray_pipeline.lake.log_reader import decode_entry
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.segments import is_last_of_segment, last_of_segment, read_segment


def read_history(
    store: ObjectStore, log: LogId, *, first: int = 0, through: int | None = None
) -> Iterator[tuple[int, LogEntry]]:
    """Yield ``(n, entry)`` from ``first`` up to the last entry there is, or up to ``through``.

    A hundred entries cost one read where their segment was written. The log may grow meanwhile: what is yielded is
    always a prefix of it. Raises ``LogBrokenError`` for an entry that cannot be read.
    """
    n = first
    while through is None or n <= through:
        found = _read_from(store, log, n)
        for entry in found:
            if through is not None and n > through:
                return
            yield n, entry
            n += 1
        if not found:
            return


def read_commits(
    store: ObjectStore, log: LogId, *, first: int = 0, through: int | None = None
) -> Iterator[tuple[int, Data]]:
    """Yield the data entries alone."""
    for n, entry in read_history(store, log, first=first, through=through):
        if isinstance(entry, Data):
            yield n, entry


def _read_from(store: ObjectStore, log: LogId, n: int) -> list[LogEntry]:
    """Return entry ``n`` and those after it in the same segment; one alone where there is no segment."""
    if n == 0 or is_last_of_segment(n - 1):  # the segment is asked for once, not before each of its entries
        segment = read_segment(store, log, last_of_segment(n))
        if segment is not None:
            return [decode_entry(data, log, segment.first + i) for i, data in enumerate(segment.entries)]
    data = store.get(entry_key(log, n))
    return [] if data is None else [decode_entry(data, log, n)]
