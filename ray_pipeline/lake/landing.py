"""Put a checkpoint's files into the store. They count only once a log entry names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.bad_records import bad_records, bad_table
from ray_pipeline.lake.days import event_range, split_by_day
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.keys import bad_key, contract_key, data_key
from ray_pipeline.lake.parquet import decode_parquet, encode_parquet
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.types import BadRecord, ContractRef, Offset, TopicPartition

Describe = Callable[[pa.Table], Mapping[str, bytes] | None]
"""What a file's footer is to say of its rows, by key; None: nothing."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Whose files these are: offsets, epoch, and a nonce that no other attempt has, so that nothing is overwritten."""

    pipeline: str
    topic_partition: TopicPartition
    start: Offset
    end: Offset
    epoch: int
    nonce: str


@dataclass(frozen=True, slots=True)
class LandedFiles:
    """What the log entry is to say about the landed rows."""

    files: tuple[DataFile, ...]
    event_time_min: str | None
    event_time_max: str | None


def land_rows(
    store: ObjectStore,
    checkpoint: Checkpoint,
    tables: Sequence[pa.Table],
    event_time: str | None,
    describe: Describe | None = None,
) -> LandedFiles:
    """Write one file per event day; ``describe`` says what is written into its footer."""
    if not any(table.num_rows for table in tables):
        return LandedFiles((), None, None)
    table = pa.concat_tables(tables)
    tp = checkpoint.topic_partition
    files = []
    for day, rows in split_by_day(table, event_time):
        key = data_key(
            checkpoint.pipeline,
            tp.topic,
            tp.partition,
            checkpoint.start,
            checkpoint.end,
            day,
            checkpoint.epoch,
            checkpoint.nonce,
        )
        files.append(_write(store, key, rows, day, None if describe is None else describe(rows)))
    earliest, latest = event_range(table, event_time)
    return LandedFiles(tuple(files), earliest, latest)


def land_bad(
    store: ObjectStore, checkpoint: Checkpoint, records: Sequence[BadRecord], contract: ContractRef
) -> tuple[DataFile, ...]:
    """Write the bad file; no file where no record is bad."""
    if not records:
        return ()
    tp = checkpoint.topic_partition
    key = bad_key(
        checkpoint.pipeline,
        tp.topic,
        tp.partition,
        checkpoint.start,
        checkpoint.end,
        checkpoint.epoch,
        checkpoint.nonce,
    )
    return (_write(store, key, bad_table(tp, records, contract), None),)


def read_bad(store: ObjectStore, file: DataFile) -> list[BadRecord]:
    """Return the records of a bad file; raise ``FileCorruptError`` where it is not what the log entry says."""
    data = store.get(file.key)
    if data is None:
        raise FileCorruptError(file.key, "is missing")
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise FileCorruptError(file.key, "its SHA-256 is not that of its log entry")
    return bad_records(decode_parquet(data))


def keep_contract(store: ObjectStore, pipeline: str, contract: DataContract) -> None:
    """Store the contract's text under its digest: a log entry that names it can be judged again for ever."""
    store.put_if_absent(contract_key(pipeline, contract.digest, contract.kind), contract.text.encode())


def _write(
    store: ObjectStore, key: str, table: pa.Table, day: str | None, metadata: Mapping[str, bytes] | None = None
) -> DataFile:
    data = encode_parquet(table, metadata)
    store.put(key, data)
    return DataFile(key, table.num_rows, len(data), hashlib.sha256(data).hexdigest(), day)
