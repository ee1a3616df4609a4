"""The log as a feature projection reads it: entries after an offset, and the rows that an entry made count.

Entries are walked, not collected: after a long outage there may be millions of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.lake.entries import Data, Gap
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.keys import SEGMENT_SIZE, LogId
from ray_pipeline.lake.log_reader import LogReader, read_entries
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.rows import TIMESTAMP
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.schema_union import conform, fits
from ray_pipeline.types import Offset

OURS = pa.schema(
    [pa.field("_partition", pa.int32()), pa.field("_offset", pa.int64()), pa.field("_timestamp", TIMESTAMP)]
)
"""What every event needs beside the columns of its view."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def entries_after(store: ObjectStore, log: LogId, offset: Offset) -> Iterator[Data | Gap]:
    """Yield the commits and gaps that end past ``offset``, oldest first, up to the last one there is."""
    for _, entry in read_history(store, log, first=_first_after(store, log, offset)):
        if isinstance(entry, Data | Gap) and entry.end > offset:
            yield entry


def _first_after(store: ObjectStore, log: LogId, offset: Offset) -> int:
    """Return the number of an entry before which no commit ends past ``offset``: the beginning of some segment."""
    tail = LogReader(store, log).load()
    if tail is None or offset <= tail.source_start:
        return 0
    first = (tail.n + 1) // SEGMENT_SIZE * SEGMENT_SIZE
    while first > 0:
        entries = read_entries(store, log, first - 1)
        if any(isinstance(entry, Data | Gap) and entry.end <= offset for entry in entries):
            return first - SEGMENT_SIZE
        first -= SEGMENT_SIZE
    return 0


def names_for(views: Sequence[CompiledView]) -> list[str]:
    """Return the columns that these views of one dataset read, and those that make a row an event."""
    read = (name for view in views for name in (*view.schema.names, *view.columns, view.event_time))
    return list(dict.fromkeys([*read, *OURS.names]))


def read_rows(store: ObjectStore, entry: Data, names: Sequence[str]) -> pa.Table:
    """Return those columns of a commit's rows that its files have; each file is checked against its entry.

    Raises ``FileCorruptError`` where a file is not what the entry says.
    """
    parts: list[pa.Table] = []
    for file in entry.files:
        parquet = open_verified(store.get(file.key), file)
        there = [name for name in names if name in parquet.schema_arrow.names]
        parts.extend(read_batches(parquet, file.key, there))
    return _together(parts)


def rows_at_hand(tables: Sequence[pa.Table], names: Sequence[str]) -> pa.Table:
    """Return the same rows from the tables that were just landed."""
    parts = [table for table in tables if table.num_rows]
    return _together([part.select([name for name in names if name in part.column_names]) for part in parts])


def latest_believed(entry: Data, lateness: int) -> int:
    """Return, in milliseconds, up to when a record of a commit can have been published; ``lateness`` for the clocks."""
    return (datetime.fromisoformat(entry.committed_at) - _EPOCH) // timedelta(milliseconds=1) + lateness // 1000


def newest_publication(entry: Data, rows: pa.Table, lateness: int) -> int | None:
    """Return the newest publication among a commit's records, in microseconds; None where it says none.

    Producers write it, and one whose clock is wrong may name any year. What nobody waits for any more is left out by
    it, and a replay takes it for now: so what is ahead of the commit by more than ``lateness`` counts for neither.
    Other processes that read the log come to the same answer.
    """
    if entry.max_timestamp is None:
        return None
    latest = latest_believed(entry, lateness)
    if entry.max_timestamp <= latest:
        return entry.max_timestamp * 1000
    published = rows.column("_timestamp").cast(TIMESTAMP).cast(pa.int64())
    newest = pc.max(published.filter(pc.less_equal(published, latest))).as_py()
    return None if newest is None else int(newest) * 1000


def as_events(rows: pa.Table, view: CompiledView) -> pa.Table:
    """Return the rows with the columns of a view as its contract has them; one that they lack is null.

    Rows of an earlier contract may have another type: raises ``FeatureComputeError`` where a value would change.
    """
    ours = [rows.schema.field(view.event_time)] if view.event_time not in view.schema.names else []
    schema = pa.schema([*view.schema, *ours, *OURS])
    for field in schema:
        if field.name in rows.column_names and not fits(rows.schema.field(field.name).type, field.type):
            found = rows.schema.field(field.name).type
            raise FeatureComputeError(view.name, "", f"column {field.name!r} landed as {found}, now it is {field.type}")
    return conform(rows, schema)


def _together(parts: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts) if parts else OURS.empty_table()
