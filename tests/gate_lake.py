"""A lake of one or more datasets on disk, landed by the real judge, landing and log, without Kafka or Ray."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa

from ray_pipeline.clock import Clock
from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.lake.entries import Data, timestamp_text
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.landing import Checkpoint, Describe, keep_contract, land_bad, land_rows
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.rows import TIMESTAMP, constant, landed_table
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.stream.judging import judge_batch, sort_out
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.types import RecordBatch, TopicPartition

Record = Mapping[str, Any] | bytes


class GateLake:
    """A configuration in a folder, and a pen for its logs."""

    def __init__(
        self, folder: Path, contracts: Mapping[str, Path | str], pipeline: str = "shop", more: str = "", store: str = ""
    ) -> None:
        """``contracts``: dataset → file, or its text, which is written to ``<dataset>.odcs.yaml`` in the folder."""
        lines = [f"pipeline: {pipeline}", "kafka: {bootstrap.servers: '127.0.0.1:1'}", f"store: {store or './lake'}"]
        lines.append("datasets:")
        for dataset, contract in contracts.items():
            if isinstance(contract, str):
                path = folder / f"{dataset}.odcs.yaml"
                path.write_text(contract)
            else:
                path = contract
            lines.append(f"  {dataset}: {{contract: '{path}'}}")
        self.file = folder / "config.yaml"
        self.file.write_text("\n".join([*lines, more]) + "\n")
        self.config: PipelineConfig = load_config(self.file)
        self.store: ObjectStore = open_lake(self.config)
        self.clock = FrozenClock()
        self.describe: dict[str, Describe] = {}
        """Dataset → what the footers of its files say."""
        self._logs: dict[tuple[str, int], PartitionLog] = {}
        self._contracts: dict[str, DataContract] = {}

    def contract(self, dataset: str) -> DataContract:
        if dataset not in self._contracts:
            settings = self.config.datasets[dataset]
            self._contracts[dataset] = load_contract(settings.contract, object_name=settings.object)
        return self._contracts[dataset]

    def land(
        self,
        dataset: str,
        records: Iterable[Record],
        *,
        partition: int = 0,
        published: str | Iterable[int] | None = None,
        committed_at: str | None = None,
    ) -> Data:
        """Judge and commit some records in one entry.

        ``published`` is one moment for all, or milliseconds for each; by default the clock's now, as ``committed_at``.
        """
        contract = self.contract(dataset)
        log = self._log(dataset, partition, contract)
        values = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
        start = log.tail.end
        end = start + len(values)
        batch = RecordBatch(
            TopicPartition(self.config.datasets[dataset].topic, partition),
            start,
            end,
            range(start, end),
            self._timestamps(published, len(values)),
            [b"k"] * len(values),
            values,
            lambda _: (),
        )
        sorted_out = sort_out(contract, judge_batch(contract, batch))
        nonce = f"{Random(f'{dataset}-{partition}-{log.tail.n}').getrandbits(64):016x}"
        checkpoint = Checkpoint(self.config.pipeline, batch.topic_partition, start, end, log.tail.epoch, nonce)
        tables = []
        if sorted_out.table is not None and sorted_out.table.num_rows:
            tables.append(landed_table(contract, batch, sorted_out.rows, sorted_out.table))
        landed = land_rows(self.store, checkpoint, tables, contract.event_time, self.describe.get(dataset))
        bad_files = land_bad(self.store, checkpoint, sorted_out.bad, contract.ref)
        entry = Data(
            epoch=log.tail.epoch,
            nonce=nonce,
            start=start,
            end=end,
            leader_epoch=None,
            good=len(sorted_out.rows),
            bad=len(sorted_out.bad),
            tombstones=sorted_out.tombstones,
            skipped=0,
            files=landed.files,
            bad_files=bad_files,
            by_rule=dict(Counter(record.violations[0].rule for record in sorted_out.bad)),
            truncated=0,
            contract=contract.ref,
            dlq_through=log.tail.dlq_through,
            event_time_min=landed.event_time_min,
            event_time_max=landed.event_time_max,
            max_timestamp=max(batch.timestamps, default=None),
            breaker="armed",
            committed_at=committed_at or timestamp_text(self.clock.now()),
        )
        log.append(entry)
        return entry

    def land_table(self, dataset: str, rows: pa.Table, published: str, *, partition: int = 0) -> Data:
        """Commit rows that were judged before, all published, and landed, at one moment."""
        contract = self.contract(dataset)
        log = self._log(dataset, partition, contract)
        start = log.tail.end
        count = rows.num_rows
        topic = TopicPartition(self.config.datasets[dataset].topic, partition)
        at = self._timestamps(published, 1)[0]
        ours = {
            "_topic": constant(topic.topic, count),
            "_partition": pa.repeat(pa.scalar(partition, pa.int32()), count),
            "_offset": pa.array(range(start, start + count), pa.int64()),
            "_timestamp": pa.repeat(pa.scalar(at, pa.int64()), count).cast(TIMESTAMP),
            "_key": pa.repeat(pa.scalar(b"k", pa.binary()), count),
            "_contract": constant(contract.id, count),
            "_contract_version": constant(contract.version, count),
        }
        for name, values in ours.items():
            rows = rows.append_column(name, values)
        nonce = f"{Random(f'{dataset}-{partition}-{log.tail.n}').getrandbits(64):016x}"
        checkpoint = Checkpoint(self.config.pipeline, topic, start, start + count, log.tail.epoch, nonce)
        landed = land_rows(self.store, checkpoint, [rows], contract.event_time, self.describe.get(dataset))
        entry = Data(
            epoch=log.tail.epoch,
            nonce=nonce,
            start=start,
            end=start + count,
            leader_epoch=None,
            good=count,
            bad=0,
            tombstones=0,
            skipped=0,
            files=landed.files,
            bad_files=(),
            by_rule={},
            truncated=0,
            contract=contract.ref,
            dlq_through=log.tail.dlq_through,
            event_time_min=landed.event_time_min,
            event_time_max=landed.event_time_max,
            max_timestamp=at,
            breaker="armed",
            committed_at=timestamp_text(datetime.fromisoformat(published)),
        )
        log.append(entry)
        return entry

    def _timestamps(self, published: str | Iterable[int] | None, count: int) -> list[int]:
        if published is None:
            return [int(self.clock.now().timestamp() * 1000)] * count
        if isinstance(published, str):
            return [int(datetime.fromisoformat(published).astimezone(UTC).timestamp() * 1000)] * count
        return list(published)

    def _log(self, dataset: str, partition: int, contract: DataContract) -> PartitionLog:
        key = (dataset, partition)
        if key not in self._logs:
            log_id = LogId(self.config.pipeline, self.config.datasets[dataset].topic, "c1", f"t-{dataset}", partition)
            clock: Clock = self.clock
            log = self._logs[key] = PartitionLog(self.store, log_id, clock=clock, rng=Random(partition))
            if log.load() is None:
                log.open_log(0)
            keep_contract(self.store, self.config.pipeline, contract)
            log.claim(owner="host/1/a", supervisor=1, contract=contract.ref)
        return self._logs[key]
