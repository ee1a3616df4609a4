"""What lands is the same to the byte with online values, without, and with a store that is down for the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.features.definition import CompiledView
from ray_pipeline.runtime.features.projection import FeatureProjection
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.stream.pending import CommitLimits
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.online import MemoryOnlineStore
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import RecordBatch
from tests.bench.features_stream import CONTRACT, TP, OneTopic, batches, views


@pytest.fixture(scope="module")
def read() -> list[RecordBatch]:
    return batches(6_000)


def land(
    read: Sequence[RecordBatch], fed: Sequence[CompiledView], online: MemoryOnlineStore
) -> tuple[MemoryStore, FeatureProjection | None]:
    lake, clock, topic = MemoryStore(), FrozenClock(), OneTopic(read[-1].end)

    def make(log, tail):  # type: ignore[no-untyped-def]
        return FeatureProjection(
            fed,
            lambda: online,
            lake,
            log,
            start=tail.source_start,
            committed=tail.end,
            clock=clock,
            rng=Random(1),
        )

    owner = PartitionOwner(
        store=lake,
        admin=topic,
        make_sink=lambda _source: topic,
        contract=load_contract(CONTRACT),
        pipeline="p",
        dataset="departures",
        topic_partition=TP,
        owner="test",
        supervisor=1,
        clock=clock,
        rng=Random(0),
        limits=CommitLimits(1_000, 3600.0),
        make_features=make if fed else None,
    )
    owner.own()
    for batch in read:
        owner.land(owner.judge(batch))
        owner.commit()
        if owner.features is not None:
            owner.features.catch_up()
        if batch is read[0]:
            owner.own()  # as after an error: online values go on, whoever claims the log
    features = owner.features
    owner.release()
    return lake, features


def test_what_lands_does_not_depend_on_online_values(read: list[RecordBatch]) -> None:
    without, none = land(read, [], MemoryOnlineStore())
    online, down = MemoryOnlineStore(), MemoryOnlineStore()
    down.is_down = True
    fed = views()
    followed, features = land(read, fed, online)
    lagging, behind = land(read, fed, down)
    assert none is None
    assert without.objects == followed.objects == lagging.objects
    assert features is not None
    assert behind is not None
    assert features.is_done
    assert features.backlog == 0
    assert behind.backlog == read[-1].end
    assert {mark.view for mark in online.marks()} == {view.name for view in fed}
    assert {mark.offset for mark in online.marks()} == {read[-1].end}


def test_a_claim_that_is_made_again_keeps_what_was_folded(read: list[RecordBatch]) -> None:
    online = MemoryOnlineStore()
    land(read, views(), online)
    assert online.count("origin_last_2h") == 3
    # One look at the marks, and nothing but writes: the states were still in memory after the second claim.
    assert not [call for call in online.asked if call == "read states"]
