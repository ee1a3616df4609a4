"""What landed of a subject by bin and day: from the counts in the files' footers, or from their rows.

Only logs say which files there are, so the counts are as exactly once as the rows. A file that was counted in the bins
of another baseline, or in none, is counted here; both ways give the same numbers. Counts are added up, so how many
readers share the work changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.footer import KEY, FileCounts, counted_columns, decode
from ray_pipeline.drift.lens import Lens, count_table, lens_of
from ray_pipeline.errors import BaselineError, UsageError
from ray_pipeline.lake.entries import Data, DataFile, Tail
from ray_pipeline.lake.fold import fold
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.read_ahead import read_ahead
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.drift.baseline_log import WatchedBaseline
from ray_pipeline.runtime.wiring import open_lake

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.drift.values import Ints

_READERS = 8


@dataclass(frozen=True, slots=True)
class PartitionPlace:
    """How far one partition's log was read."""

    log: str
    """As its entries' keys begin."""
    n: int
    """The last entry that was read."""
    event_time_max_us: int | None
    """The latest event that landed; None where none did."""
    committed_at_us: int | None
    """When the last commit was made."""
    released: bool
    """Nobody owns it: its last owner left in order, or the topic that it is about is gone."""


@dataclass(frozen=True, slots=True)
class SubjectCounts:
    """Rows by column, day and bin."""

    columns: Mapping[str, BlockCounts]
    """Every column of the baseline, and ``score`` where it has one; of days with rows alone."""
    rows: Mapping[str, int]
    """Day → rows that were counted."""
    places: tuple[PartitionPlace, ...]
    counted_files: int
    """Files whose footer had the counts."""
    recounted_files: int
    """Files that were counted from their rows."""


def read_counts(
    config: PipelineConfig,
    watched: WatchedBaseline,
    *,
    first_day: str,
    until_day: str,
    through: Mapping[str, int] | None = None,
    parts: int = 1,
) -> SubjectCounts:
    """Return the counts of the event days ``first_day <= day < until_day`` in the bins of a baseline.

    ``through`` (log → entry) reads each log as it was then; a log that is not in it had not begun. ``parts``: so many
    readers share the files. Of predictions those are counted that the baseline's own model version made. Every file is
    checked against its SHA-256 before its footer is believed.
    """
    store, topic = open_lake(config), config.dataset(watched.subject).topic
    days = (first_day, until_day)
    return count_topic(store, config.pipeline, topic, watched, days, through=through, parts=parts)


def count_topic(
    store: ObjectStore,
    pipeline: str,
    topic: str,
    watched: WatchedBaseline,
    days: tuple[str, str],
    *,
    through: Mapping[str, int] | None = None,
    parts: int = 1,
) -> SubjectCounts:
    """Return the same for a topic of a store."""
    if parts < 1:
        raise UsageError(f"counts are read by one part at least, not by {parts}")
    found: list[PartitionPlace] = []
    files: list[DataFile] = []
    for log in find_logs(store, pipeline, topic):
        if through is not None and str(log) not in through:
            continue
        tail, landed = _read_log(store, log, None if through is None else through[str(log)])
        if tail is not None:
            found.append(_place(log, tail))
            files += [file for file in landed if file.day is not None and days[0] <= file.day < days[1]]
    shares = [share for part in range(parts) if (share := files[part::parts])]
    lens = lens_of(watched.baseline, watched.model)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read-counts") as pool:
        sums = list(pool.map(lambda share: _count_share(store, watched, lens, share), shares))
    return _added(watched, sums, tuple(found))


def places(config: PipelineConfig, dataset: str) -> tuple[PartitionPlace, ...]:
    """Return how far every partition of a dataset is, from the tails of its logs alone."""
    store, topic = open_lake(config), config.dataset(dataset).topic
    tails = ((log, read_tail(store, log)) for log in find_logs(store, config.pipeline, topic))
    return tuple(_place(log, tail) for log, tail in tails if tail is not None)


@dataclass(slots=True)
class _Sum:
    """What one reader's files add up to."""

    columns: dict[str, dict[str, Ints]]
    """Column → day → rows by bin."""
    rows: dict[str, int]
    counted_files: int = 0
    recounted_files: int = 0

    def add(self, day: str, found: FileCounts) -> None:
        """Add the counts of a file, or of some of its rows."""
        self.rows[day] = self.rows.get(day, 0) + found.counted
        for name, bins in found.columns.items():
            days = self.columns[name]
            days[day] = days[day] + bins if day in days else bins


def _count_share(store: ObjectStore, watched: WatchedBaseline, lens: Lens, files: Sequence[DataFile]) -> _Sum:
    """Add up some files; each is fetched whole, for its SHA-256 says whether its footer is the one that was written."""
    columns = counted_columns(watched.baseline)
    found = _Sum({name: {} for name in columns}, {})
    contents = read_ahead(store, [file.key for file in files])
    for file, (_, content) in zip(files, contents, strict=True):
        day = file.day or ""
        parquet = open_verified(content, file)
        footer = (parquet.metadata.metadata or {}).get(KEY.encode())
        counts = decode(footer, watched.digest, columns, file.rows, whole=watched.model is None)
        if counts is not None:
            found.counted_files += 1
            found.add(day, counts)
            continue
        found.recounted_files += 1
        there = [name for name in lens.needs if name in parquet.schema_arrow.names]
        for rows in read_batches(parquet, file.key, there):
            found.add(day, _counted(watched, lens, rows, file))
    return found


def _counted(watched: WatchedBaseline, lens: Lens, rows: pa.Table, file: DataFile) -> FileCounts:
    try:
        return count_table(lens, watched.baseline, rows)
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise BaselineError(watched.subject, f"{file.key} cannot be counted in its bins: {error}") from error


def _added(watched: WatchedBaseline, sums: Sequence[_Sum], found: tuple[PartitionPlace, ...]) -> SubjectCounts:
    rows: dict[str, int] = {}
    for one in sums:
        for day, number in one.rows.items():
            rows[day] = rows.get(day, 0) + number
    columns = {}
    for name, column in counted_columns(watched.baseline).items():
        days: dict[str, Ints] = {}
        for one in sums:
            for day, bins in one.columns[name].items():
                days[day] = days[day] + bins if day in days else bins
        blocks = tuple(day for day in sorted(days) if days[day].any())
        total = np.array([days[day] for day in blocks], np.int64).reshape(len(blocks), column.bins)
        columns[name] = BlockCounts(blocks, total)
    return SubjectCounts(
        columns=columns,
        rows={day: rows[day] for day in sorted(rows) if rows[day]},
        places=found,
        counted_files=sum(one.counted_files for one in sums),
        recounted_files=sum(one.recounted_files for one in sums),
    )


def _read_log(store: ObjectStore, log: LogId, through: int | None) -> tuple[Tail | None, list[DataFile]]:
    """Return what a log says up to an entry: its fold, and the files that it names."""
    tail: Tail | None = None
    files: list[DataFile] = []
    for _, entry in read_history(store, log, through=through):
        tail = fold(tail, entry, str(log))
        if isinstance(entry, Data):
            files += entry.files
    return tail, files


def _place(log: LogId, tail: Tail) -> PartitionPlace:
    return PartitionPlace(
        log=str(log),
        n=tail.n,
        event_time_max_us=_micros(tail.event_time_max),
        committed_at_us=_micros(tail.committed_at),
        released=tail.released or tail.closed,
    )


def _micros(moment: str | None) -> int | None:
    # Not datetime: an event time may lie beyond its last year.
    return None if moment is None else int(np.datetime64(moment.removesuffix("Z"), "us").astype(np.int64))
