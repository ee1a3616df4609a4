"""Small lakes for the audit: written by the real log and the real landing, then spoiled by hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.lake.entries import Data, DataFile, LogEntry, Release, decode, encode
from ray_pipeline.lake.keys import LogId, entry_key
from ray_pipeline.lake.landing import Checkpoint, keep_contract, land_bad, land_rows
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.parquet import encode_parquet
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import BadRecord, TopicPartition

ORDERS = """\
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
customProperties:
  - {property: eventTime, value: at}
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: id, logicalType: string, required: true, logicalTypeOptions: {minLength: 1}}
      - {name: qty, logicalType: integer, required: true, logicalTypeOptions: {minimum: 1}}
      - {name: at, logicalType: timestamp, required: true}
      - {name: note, logicalType: string}
"""
DAY = 86_400_000_000
SUPERVISOR = 1


def contract_of(text: str = ORDERS, file: str = "orders.yaml") -> DataContract:
    return parse_contract(text, file)


def order(offset: int, **changes: Any) -> dict[str, Any]:
    """A good row; every third order is of the next day."""
    at = 1_357_000_000_000_000 + (DAY if offset % 3 == 0 else 0) + offset * 1_000
    return {"id": f"o-{offset}", "qty": offset + 1, "at": at, "note": None if offset % 2 else 'said "no"'} | changes


class Writer:
    """Writes one partition's log as an owner does, from rows that a test gives."""

    def __init__(self, store: MemoryStore, partition: int = 0, *, topic: str = "orders", start: int = 0) -> None:
        self.store, self.log_id = store, LogId("shop", topic, "c1", "t1", partition)
        self.clock = FrozenClock()
        self.log = PartitionLog(store, self.log_id, clock=self.clock, rng=Random(partition))
        self.contract = contract_of()
        self.log.open_log(start)

    def claim(self, contract: DataContract | None = None) -> Writer:
        self.contract = contract or self.contract
        keep_contract(self.store, "shop", self.contract)
        self.log.load()
        self.log.claim(owner="host/1/a", supervisor=SUPERVISOR, contract=self.contract.ref)
        return self

    def commit(
        self, end: int, good: Mapping[int, dict[str, Any]], bad: Mapping[int, bytes | None] | None = None, **more: Any
    ) -> Writer:
        """Commit from the tail to ``end``; offsets that are neither good nor bad were skipped."""
        tail = self.log.tail
        checkpoint = Checkpoint(
            "shop", self._tp, tail.end, end, tail.epoch, f"{Random(f'{tail.n}-{tail.end}').getrandbits(64):016x}"
        )
        records = self._bad_records(bad or {})
        landed = land_rows(self.store, checkpoint, [self._table(good)], self.contract.event_time)
        bad_files = land_bad(self.store, checkpoint, records, self.contract.ref)
        self.clock.advance(10)
        values: dict[str, Any] = {
            "epoch": tail.epoch,
            "nonce": checkpoint.nonce,
            "start": tail.end,
            "end": end,
            "leader_epoch": 3,
            "good": len(good),
            "bad": len(records),
            "tombstones": 0,
            "skipped": end - tail.end - len(good) - len(records),
            "files": landed.files,
            "bad_files": bad_files,
            "by_rule": dict(Counter(record.violations[0].rule for record in records)),
            "truncated": 0,
            "contract": self.contract.ref,
            "dlq_through": tail.dlq_through,
            "event_time_min": landed.event_time_min,
            "event_time_max": landed.event_time_max,
            "max_timestamp": 1_357_000_000_000 + end,
            "breaker": "armed",
            "committed_at": self.log.written_at(),
        }
        self.log.append(Data(**{**values, **more}))
        return self

    def release(self) -> Writer:
        self.log.append(Release(self.log.tail.epoch, self.log.nonce(), self.log.written_at()))
        return self

    @property
    def _tp(self) -> TopicPartition:
        return TopicPartition(self.log_id.topic, self.log_id.partition)

    def _table(self, good: Mapping[int, dict[str, Any]]) -> pa.Table:
        ours = {
            "_topic": self.log_id.topic,
            "_partition": self.log_id.partition,
            "_contract": self.contract.id,
            "_contract_version": self.contract.version,
            "_key": b"k",
        }
        rows = [{**row, **ours, "_offset": o, "_timestamp": 1_357_000_000_000 + o} for o, row in good.items()]
        return pa.Table.from_pylist(rows, landed_schema(self.contract))

    def _bad_records(self, bad: Mapping[int, bytes | None]) -> list[BadRecord]:
        judgement = self.contract.judge(list(bad.values()))
        return [
            BadRecord(offset, 1_357_000_000_000 + offset, b"k", value, (("h", b"1"),), judgement.violations[i])
            for i, (offset, value) in enumerate(bad.items())
        ]


BAD = b'{"id":"","qty":0,"at":"2013-01-01T00:00:00Z","surplus":1}'


def good_lake() -> MemoryStore:
    """Two partitions: 0 with a change of owner, bad records and skipped offsets, 1 with one commit."""
    store = MemoryStore()
    writer = Writer(store).claim()
    writer.commit(10, {o: order(o) for o in range(8)}, {8: BAD, 9: b"nonsense"})
    writer.commit(20, {o: order(o) for o in range(10, 17)}, {17: None}, dlq_through=10)
    writer.release().claim()
    writer.commit(25, {o: order(o) for o in range(20, 25)}, dlq_through=20)
    Writer(store, 1, start=100).claim().commit(105, {o: order(o) for o in range(100, 105)})
    return store


def log_id(partition: int = 0, topic: str = "orders") -> LogId:
    return LogId("shop", topic, "c1", "t1", partition)


def entry_of(store: MemoryStore, n: int, partition: int = 0) -> LogEntry:
    return decode(store.objects[entry_key(log_id(partition), n)])


def data_entries(store: MemoryStore, partition: int = 0) -> Iterator[tuple[int, Data]]:
    n = 0
    while (content := store.get(entry_key(log_id(partition), n))) is not None:
        entry = decode(content)
        if isinstance(entry, Data):
            yield n, entry
        n += 1


def rewrite(store: MemoryStore, n: int, partition: int = 0, **changes: Any) -> str:
    """Change fields of an entry; return its key."""
    key = entry_key(log_id(partition), n)
    store.objects[key] = encode(replace(decode(store.objects[key]), **changes))
    return key


def rewrite_rows(
    store: MemoryStore, n: int, change: Callable[[pa.Table], pa.Table], *, bad: bool = False, file: int = 0
) -> str:
    """Change the rows of one file and make its entry agree with the bytes, as a careful forger would."""
    entry = entry_of(store, n)
    assert isinstance(entry, Data)
    files = list(entry.bad_files if bad else entry.files)
    table = change(pq.read_table(pa.BufferReader(store.objects[files[file].key])))
    content = encode_parquet(table)
    store.objects[files[file].key] = content
    files[file] = resealed(files[file], content, table.num_rows)
    rewrite(store, n, **{"bad_files" if bad else "files": tuple(files)})
    return files[file].key


def resealed(file: DataFile, content: bytes, rows: int) -> DataFile:
    return replace(file, rows=rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def with_value(table: pa.Table, column: str, row: int, value: Any) -> pa.Table:
    """Set one cell."""
    i = table.schema.get_field_index(column)
    values = table.column(column).to_pylist()
    values[row] = value
    return table.set_column(i, table.schema.field(column), pa.array(values, table.schema.field(column).type))
