"""What online values cost the core of an ingest run: records per CPU-second with and without the example's views.

    python -m tests.bench.features_stream [records]

One partition's owner judges, lands and commits real departures on a disk, and then the projection folds each commit
and writes it to SQLite, all in one thread and one process, so that CPU-seconds are comparable. Kafka and Ray, which a
whole run pays besides, are left out: of that run online values cost a smaller share.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from ray_pipeline.clock import WallClock
from ray_pipeline.config import load_config
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.connectors.online.settings import Kind
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.demo.events import DEPARTURES, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.features.aggregates import count, mean, share
from ray_pipeline.features.compile import compile_view
from ray_pipeline.features.definition import CompiledView, ViewDefinition
from ray_pipeline.features.fields import field
from ray_pipeline.features.ports import OnlineStore
from ray_pipeline.runtime.features.projection import FeatureProjection
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.stream.pending import CommitLimits
from ray_pipeline.stream.ports import TopicDescription
from ray_pipeline.types import RecordBatch, SourceId, TopicPartition, Watermarks

CONTRACT = "contracts/flights/departures.odcs.yaml"
TP = TopicPartition("departures", 0)
POLL = 5_000
MOST = 25.0
"""Percent that online values may cost."""


def views() -> list[CompiledView]:
    """Return the example's views over departures."""
    contract = load_contract(CONTRACT)
    delay = field("departure_delay_minutes")
    features = {"departures": count(), "mean_delay": mean(delay), "share_late": share(delay > 15)}
    entities = {
        "origin_last_2h": ({"origin": "origin"}, 2),
        "carrier_last_24h": ({"carrier": "carrier.code"}, 24),
        "route_last_24h": ({"origin": "origin", "destination": "destination"}, 24),
    }
    return [
        compile_view(
            ViewDefinition(name, DEPARTURES, keys, features, window=timedelta(hours=hours), where=~field("cancelled")),
            contract,
        )
        for name, (keys, hours) in entities.items()
    ]


class OneTopic:
    """The brokers' answers, and a dead-letter topic that takes everything."""

    def __init__(self, end: int) -> None:
        self._end = end

    def describe(self, topic: str) -> TopicDescription:
        return TopicDescription(topic, SourceId("bench", "t1"), 1)

    def watermarks(self, topic_partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Watermarks]:
        return {tp: Watermarks(0, self._end) for tp in topic_partitions}

    def offset_at(self, topic_partition: TopicPartition, moment: datetime) -> int:
        return 0

    def open(self) -> int | None:
        return None

    def send(self, letters: Any, through: int) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU-seconds."""

    landing: float
    features: float


def batches(records: int) -> list[RecordBatch]:
    """Return departures as one partition delivers them."""
    events = []
    for event in streams(Days(date(2013, 1, 1), 365))[DEPARTURES].events():
        events.append(event)
        if len(events) == records:
            break
    found = []
    for start in range(0, len(events), POLL):
        some = events[start : start + POLL]
        offsets = range(start, start + len(some))
        found.append(
            RecordBatch(
                TP,
                start,
                start + len(some),
                offsets,
                [event.timestamp_ms for event in some],
                [event.key for event in some],
                [event.value for event in some],
                lambda _: (),
            )
        )
    return found


def run(folder: Path, read: list[RecordBatch], commit_records: int, fed: list[CompiledView]) -> Spent:
    """Land the batches; return what it took."""
    store = open_store(str(folder / "lake"), load_config("configs/local.yaml").store_options)
    online: OnlineStore = open_online(OnlineSettings(Kind.SQLITE, "bench", folder / "online.db"))
    topic = OneTopic(read[-1].end)

    def make(log: Any, tail: Any) -> FeatureProjection:
        return FeatureProjection(
            fed,
            lambda: online,
            store,
            log,
            start=tail.source_start,
            committed=tail.end,
            clock=WallClock(),
            rng=Random(0),
        )

    owner = PartitionOwner(
        store=store,
        admin=topic,
        make_sink=lambda _source: topic,
        contract=load_contract(CONTRACT),
        pipeline="bench",
        dataset=DEPARTURES,
        topic_partition=TP,
        owner="bench",
        supervisor=1,
        clock=WallClock(),
        rng=Random(0),
        limits=CommitLimits(commit_records, 3600.0),
        max_bad_share=1.0,
        make_features=make if fed else None,
    )
    owner.own()
    landing = features = 0.0
    for batch in read:
        began = time.process_time()
        owner.land(owner.judge(batch))
        last = batch is read[-1]
        committed = (owner.due() or last) and owner.commit()
        landing += time.process_time() - began
        if committed and owner.features is not None:
            began = time.process_time()
            owner.features.catch_up_until(float("inf"))
            features += time.process_time() - began
    assert owner.features is None or (owner.features.is_done and not owner.features.backlog)
    owner.close()
    online.close()
    return Spent(landing, features)


def main(records: int = 200_000) -> None:
    """Print what online values cost at commits of three sizes."""
    read, fed = batches(records), views()
    records = read[-1].end
    with tempfile.TemporaryDirectory() as name:
        run(Path(name) / "warm", read[:1], POLL, fed)
        for commit in (100_000, 20_000, 5_000):
            folder = Path(name) / str(commit)
            without = run(folder / "without", read, commit, [])
            spent = run(folder / "with", read, commit, fed)
            share_ = 100 * spent.features / (spent.landing + spent.features)
            print(
                f"{records:,} departures, commits of {commit:,}: {records / without.landing:,.0f} records per "
                f"CPU-second without, {records / (spent.landing + spent.features):,.0f} with {len(fed)} views: "
                f"online values cost {share_:.1f} % (most {MOST:.0f} %)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
