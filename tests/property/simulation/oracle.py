"""What must hold when a simulated world has come to rest, read from its objects and its brokers alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.lake.bad_records import BAD_SCHEMA
from ray_pipeline.lake.entries import Data, DataFile, Gap, LogEntry, Open, Tail, decode
from ray_pipeline.lake.fold import fold
from ray_pipeline.lake.keys import LogId, entry_key, parse_file_key, parse_log_key
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.testing.store import MemoryStore

if TYPE_CHECKING:
    from .parts import SimTopic
    from .world import World


def check_world(world: World) -> None:
    """Raise ``AssertionError`` with the first promise that was broken."""
    store = world.objects
    logs = {key.log for name in store.objects if (key := parse_log_key(name)) is not None}
    for log in sorted(logs):
        topic = next(topic for topic in world.broker.incarnations if topic.source == log.source)
        entries = _entries(store, log)
        tail = _folded(entries, log)
        assert read_tail(store, log) == tail, f"{log}: its segments say something else than its entries"
        bad = _check_ranges(store, topic, entries, world)
        _check_letters(world, log, bad, through=tail.end if topic is world.broker.topic else None)
        if topic is world.broker.topic:
            assert tail.end == len(topic.slots), f"ends at {tail.end} of {len(topic.slots)}"


def _entries(store: MemoryStore, log: LogId) -> list[LogEntry]:
    count = sum(1 for name in store.objects if (key := parse_log_key(name)) and key.log == log and key.n is not None)
    return [decode(store.objects[entry_key(log, n)]) for n in range(count)]  # a KeyError is a hole in the log


def _folded(entries: Sequence[LogEntry], log: LogId) -> Tail:
    tail = None
    for entry in entries:
        tail = fold(tail, entry, str(log))
    assert tail is not None
    return tail


def _check_ranges(store: MemoryStore, topic: SimTopic, entries: Sequence[LogEntry], world: World) -> list[int]:
    """I1 to I5 and I7, against the source itself: lost = doubled = ghost = 0. Return the bad offsets."""
    at = 0
    bad: list[int] = []
    for entry in entries:
        if isinstance(entry, Open):
            at = entry.start
        elif isinstance(entry, Gap):
            assert entry.start == at, entry
            assert entry.end <= topic.low, f"gave up offsets that the topic has: {entry}"
            at = entry.end
        elif isinstance(entry, Data):
            assert entry.start == at, entry
            bad += _check_commit(store, topic, entry, world)
            at = entry.end
    return bad


def _check_commit(store: MemoryStore, topic: SimTopic, entry: Data, world: World) -> list[int]:
    source = {offset: topic.slots[offset] for offset in range(entry.start, entry.end)}
    numbers = {offset: int(value) for offset, value in source.items() if isinstance(value, bytes) and value.isdigit()}
    poison = {offset: value for offset, value in source.items() if isinstance(value, bytes) and not value.isdigit()}
    empty = [offset for offset, value in source.items() if value is None]
    skips = world.contracts[0].tombstones == "skip"
    landed = _rows(store, entry.files, entry, landed_schema(world.contracts[0]), "n")  # type: ignore[arg-type]
    assert sorted((row["_offset"], row["n"]) for row in landed) == sorted(numbers.items()), "landed is not the source"
    refused = _rows(store, entry.bad_files, entry, BAD_SCHEMA, "_value")
    expected = {**poison, **({} if skips else dict.fromkeys(empty, None))}
    assert [(row["_offset"], row["_value"]) for row in refused] == sorted(expected.items()), "bad is not the source"
    assert entry.tombstones == (len(empty) if skips else 0)
    assert entry.skipped == sum(value == "marker" for value in source.values())
    return sorted(expected)


def _rows(store: MemoryStore, files: Sequence[DataFile], entry: Data, schema: Any, column: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for file in files:
        key = parse_file_key(file.key)
        assert key is not None
        assert (key.start, key.end, key.epoch, key.day) == (entry.start, entry.end, entry.epoch, file.day)
        data = store.objects[file.key]
        assert hashlib.sha256(data).hexdigest() == file.sha256
        parquet = pq.ParquetFile(pa.BufferReader(data))
        assert parquet.schema_arrow.equals(schema)
        assert parquet.metadata.num_rows == file.rows
        rows += parquet.read(columns=["_offset", column], use_threads=False).to_pylist()
    return rows


def _check_letters(world: World, log: LogId, bad: list[int], through: int | None) -> None:
    """I8: each dead letter once; all of them where the projection could come to rest."""
    letters = world.broker.letters.get(log.source, [])
    assert len(letters) == len(set(letters)), f"{log}: dead letters twice: {sorted(letters)}"
    assert letters == sorted(letters), f"{log}: dead letters out of order: {letters}"
    assert set(letters) <= set(bad), f"{log}: dead letters of what was not committed: {set(letters) - set(bad)}"
    if through is not None:
        assert letters == bad, f"{log}: dead letters {letters}, bad records {bad}"
