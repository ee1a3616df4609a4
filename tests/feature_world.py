"""Landed events of a generated view: real logs and files in memory, without Kafka, Ray or a contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import polars as pl
import pyarrow as pa

from ray_pipeline.features.definition import CompiledView
from ray_pipeline.features.entity import key_parts
from ray_pipeline.features.shape import ValueType, ViewShape
from ray_pipeline.lake.entries import Data
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.landing import Checkpoint, land_rows
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.rows import TIMESTAMP
from ray_pipeline.runtime.features.projection import FeatureProjection
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import ContractRef, TopicPartition
from tests.feature_oracle import OracleEvent

PIPELINE, TOPIC, TOPIC_ID = "p", "data", "t1"
COMMITTED = datetime(2026, 3, 20, tzinfo=UTC)
"""Everything is published before it lands."""
MOMENT = pa.timestamp("us", tz="UTC")
KEY_TYPES = {
    ValueType.STRING: pa.string(),
    ValueType.INT64: pa.int64(),
    ValueType.BOOL: pa.bool_(),
    ValueType.FLOAT64: pa.float64(),
}
VALUE_TYPES = {
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "timestamp": MOMENT,
    "decimal:2": pa.decimal128(38, 2),
}


def compiled(shape: ViewShape, name: str = "") -> CompiledView:
    """Return the view whose events are rows with columns k0 …, v0 … and happened_at."""
    fields = [pa.field(f"k{i}", KEY_TYPES[key.type]) for i, key in enumerate(shape.keys)]
    fields += [pa.field(f"v{i}", VALUE_TYPES[one.value_type]) for i, one in enumerate(shape.features) if one.value_type]
    fields.append(pa.field("happened_at", MOMENT))
    return CompiledView(
        replace(shape, name=name or shape.name),
        tuple(pl.col(f"k{i}") for i in range(len(shape.keys))),
        tuple(pl.col(f"v{i}") if one.value_type else None for i, one in enumerate(shape.features)),
        None,
        "happened_at",
        tuple(field.name for field in fields),
        pa.schema(fields),
    )


def on_milliseconds(event: OracleEvent) -> OracleEvent:
    """Return the event as Kafka can publish it; it is as late as it was, by whole milliseconds of lateness."""
    return replace(event, event=event.event // 1000 * 1000, published=event.published // 1000 * 1000)


class FeatureWorld:
    """Logs of one topic, and what lands in them."""

    def __init__(self, view: CompiledView) -> None:
        self.view, self.lake, self.clock = view, MemoryStore(), FrozenClock(COMMITTED)
        self._logs: dict[int, PartitionLog] = {}

    def log(self, partition: int = 0) -> PartitionLog:
        if partition not in self._logs:
            log_id = LogId(PIPELINE, TOPIC, "c1", TOPIC_ID, partition)
            log = self._logs[partition] = PartitionLog(self.lake, log_id, clock=self.clock, rng=Random(partition))
            if log.load() is None:
                log.open_log(0)
            log.claim(owner="test", supervisor=1, contract=ContractRef("c", "1", "00"))
        return self._logs[partition]

    def table(self, partition: int, events: Sequence[OracleEvent]) -> pa.Table:
        """Return rows as they land."""
        schema = pa.schema(
            [
                *self.view.schema,
                pa.field("_partition", pa.int32()),
                pa.field("_offset", pa.int64()),
                pa.field("_timestamp", TIMESTAMP),
                pa.field("more", pa.string()),
            ]
        )
        columns: dict[str, list[object]] = {name: [] for name in schema.names}
        for event in events:
            parts = key_parts(event.entity) if event.entity else [None] * len(self.view.shape.keys)
            row = {f"k{i}": part for i, part in enumerate(parts)}
            row |= {f"v{i}": value for i, value in enumerate(event.values)}
            row |= {
                "happened_at": event.event,
                "_partition": partition,
                "_offset": event.offset,
                "_timestamp": event.published // 1000,
                "more": "more",
            }
            for name, values in columns.items():
                values.append(row[name])
        return pa.table([pa.array(columns[field.name], field.type) for field in schema], schema=schema)

    def land(
        self, partition: int, events: Sequence[OracleEvent], *, records: int | None = None
    ) -> tuple[Data, pa.Table]:
        """Commit some events, whose offsets follow one another, in one entry; return it with its rows."""
        log = self.log(partition)
        start = log.tail.end
        end = max([start + (records or 0), *(event.offset + 1 for event in events)])
        table = self.table(partition, events)
        nonce, epoch = log.nonce(), log.tail.epoch
        checkpoint = Checkpoint(PIPELINE, TopicPartition(TOPIC, partition), start, end, epoch, nonce)
        landed = land_rows(self.lake, checkpoint, [table], "happened_at")
        entry = Data(
            epoch=epoch,
            nonce=nonce,
            start=start,
            end=end,
            leader_epoch=None,
            good=len(events),
            bad=0,
            tombstones=end - start - len(events),
            skipped=0,
            files=landed.files,
            bad_files=(),
            by_rule={},
            truncated=0,
            contract=ContractRef("c", "1", "00"),
            dlq_through=log.tail.dlq_through,
            event_time_min=landed.event_time_min,
            event_time_max=landed.event_time_max,
            max_timestamp=max((event.published // 1000 for event in events), default=None),
            breaker="armed",
            committed_at=log.written_at(),
        )
        log.append(entry)
        return entry, table

    def projection(self, online: object, partition: int = 0, **more: object) -> FeatureProjection:
        """Return a new owner's projection."""
        tail = self.log(partition).tail
        views = more.pop("views", [self.view])
        return FeatureProjection(
            views,  # type: ignore[arg-type]
            lambda: online,  # type: ignore[arg-type,return-value]
            self.lake,
            self.log(partition).id,
            start=tail.source_start,
            committed=tail.end,
            clock=self.clock,
            rng=Random(0),
            **more,  # type: ignore[arg-type]
        )
