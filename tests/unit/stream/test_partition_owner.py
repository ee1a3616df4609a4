"""The owner of one partition, step by step, over fakes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, cast

import pytest

from ray_pipeline.errors import (
    FencedError,
    PartitionStoppedError,
    SinkFencedError,
    SinkUnavailableError,
    StoreUnavailableError,
)
from ray_pipeline.lake.entries import Data
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log_reader import LogReader, read_tail
from ray_pipeline.lake.parquet import decode_parquet
from ray_pipeline.lake.resume import resume_topic
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.stream.pending import CommitLimits
from ray_pipeline.stream.ports import DeadLetter, TopicDescription
from ray_pipeline.stream.start import look_at
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.source import ScriptedRecord, ScriptedSource, numbered
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import SourceId, StopReason, TopicPartition, Watermarks
from tests.property.simulation.contract import NumberContract

TP = TopicPartition("numbers", 0)
GOOD = [b"%d" % i for i in range(10)]


class Sink:
    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.progress: int | None = None
        self.fault: Exception | None = None
        self.closed = 0

    def open(self) -> int | None:
        return self.progress

    def send(self, letters: Sequence[DeadLetter], through: int) -> None:
        if self.fault is not None:
            raise self.fault
        self.letters += letters
        self.progress = through

    def close(self) -> None:
        self.closed += 1


class World:
    """One topic, one store; as many owners as a test likes."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FrozenClock()
        self.sink = Sink()
        self.source_id = SourceId("c", "t")
        self.sources: list[SourceId] = []
        self.effects: list[str] = []
        self.marks: Watermarks | None = None
        self.play([])

    def play(self, records: Sequence[ScriptedRecord], end: int | None = None) -> None:
        self.kafka = ScriptedSource({TP: records}, {} if end is None else {TP: end})

    def describe(self, topic: str) -> TopicDescription:
        return TopicDescription(topic, self.source_id, 1)

    def watermarks(self, topic_partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Watermarks]:
        return {tp: self.marks or self.kafka.watermarks(tp) for tp in topic_partitions}

    def offset_at(self, topic_partition: TopicPartition, moment: Any) -> int:
        return 4

    def owner(self, **changes: Any) -> PartitionOwner:
        def make_sink(source: SourceId) -> Sink:
            self.sources.append(source)
            return self.sink

        options: dict[str, Any] = {
            "store": self.store,
            "admin": self,
            "make_sink": make_sink,
            "contract": cast("Any", NumberContract()),
            "pipeline": "p",
            "dataset": "numbers",
            "topic_partition": TP,
            "owner": "A",
            "supervisor": 1,
            "clock": self.clock,
            "rng": Random(len(self.store.objects)),
            "effects": self.effects.append,
        }
        return PartitionOwner(**{**options, **changes})

    def read(self, owner: PartitionOwner, max_records: int = 100) -> None:
        position = owner.own()
        self.kafka.assign({})
        self.kafka.assign({TP: position})
        self.read_on(owner, max_records)

    def read_on(self, owner: PartitionOwner, max_records: int = 100) -> None:
        for batch in self.kafka.poll(max_records, 0.1):
            owner.land(owner.judge(batch))

    def log(self) -> LogId:
        return LogId("p", TP.topic, self.source_id.cluster, self.source_id.topic_id, 0)

    def commits(self) -> list[Data]:
        reader = LogReader(self.store, self.log())
        reader.load()
        return reader.data_since(-1)

    def landed(self) -> list[int]:
        files = [file for entry in self.commits() for file in entry.files]
        return [n for file in files for n in decode_parquet(self.store.objects[file.key])["n"].to_pylist()]

    def resume(self, *, accept_gap: bool = False) -> None:
        resume_topic(
            self.store,
            "p",
            TP.topic,
            lambda: look_at(self, TP.topic),
            accept_gap=accept_gap,
            allowed_by="ann",
            clock=self.clock,
            rng=Random(1),
        )


@pytest.fixture
def world() -> World:
    return World()


def test_files_then_the_entry_then_the_dead_letters(world: World) -> None:
    world.play(numbered([*GOOD, b"bad", None]), end=15)
    owner = world.owner()
    world.read(owner)
    assert (owner.pending_records, owner.committed) == (12, 0)
    assert owner.commit()
    owner.project()
    (entry,) = world.commits()
    assert (entry.start, entry.end, entry.good, entry.bad, entry.tombstones, entry.skipped) == (0, 15, 10, 1, 1, 3)
    assert sorted(world.landed()) == list(range(10))
    (letter,) = world.sink.letters
    assert (letter.record.offset, letter.record.value) == (10, b"bad")
    assert letter.bad_file == world.store.uri(entry.bad_files[0].key)
    assert world.effects == [
        "during_claim",
        "after_upload",
        "before_log_put",
        "after_log_put",
        "before_dlq_commit",
        "after_dlq_commit",
    ]
    assert not owner.commit()
    assert f"p/contracts/{NumberContract().digest}.json" in world.store.objects


def test_a_commit_is_due_by_records_or_seconds(world: World) -> None:
    world.play(numbered(GOOD))
    owner = world.owner(limits=CommitLimits(records=10, seconds=5))
    world.read(owner, max_records=4)
    assert not owner.due()
    world.clock.advance(5)
    assert owner.due()
    owner.commit()
    assert not owner.due()


def test_a_successor_reads_on_at_the_tail_and_sends_what_was_left(world: World) -> None:
    world.play(numbered([b"bad", *GOOD]))
    first = world.owner()
    world.read(first, max_records=5)
    first.commit()  # and is killed before its dead letter goes out
    second = world.owner(owner="B")
    assert second.own().offset == 5
    assert second.pending_dead_letters == 1
    second.project()
    assert [letter.record.offset for letter in world.sink.letters] == [0]
    world.read_on(first)
    with pytest.raises(FencedError, match="A was replaced by B"):
        first.commit()


def test_a_blocked_dead_letter_topic_never_blocks_good_data(world: World) -> None:
    world.play(numbered([b"bad", *GOOD]))
    world.sink.fault = SinkUnavailableError("dlq", "denied")
    owner = world.owner()
    world.read(owner, max_records=5)
    owner.commit()
    owner.project()
    world.read_on(owner)
    owner.commit()
    owner.project()
    assert (owner.committed, owner.pending_dead_letters) == (11, 1)
    assert "denied" in owner.dead_letter_trouble
    assert [entry.dlq_through for entry in world.commits()] == [0, 0]
    world.sink.fault = None
    world.clock.advance(120)
    owner.project()
    assert (owner.pending_dead_letters, len(world.sink.letters)) == (0, 1)


def test_a_fenced_producer_ends_the_owner_only_where_another_claimed(world: World) -> None:
    world.play(numbered([b"bad", *GOOD]))
    owner = world.owner()
    world.read(owner)
    owner.commit()
    world.sink.fault = SinkFencedError("p.numbers.0")
    owner.project()  # a twin's late producer, while our claim is the last: try again later
    world.owner(owner="B").own()
    world.clock.advance(60)
    with pytest.raises(FencedError, match="A was replaced by B"):
        owner.project()


def test_the_breaker_pauses_before_the_commit_and_resume_goes_on(world: World) -> None:
    world.play(numbered([b"bad"] * 20))
    owner = world.owner(breaker_records=10)
    world.read(owner)
    assert owner.due()
    with pytest.raises(PartitionStoppedError, match=r"10 of 10 consecutive records are bad \(by rule: type 10\)"):
        owner.commit()
    assert world.commits() == []
    with pytest.raises(PartitionStoppedError):  # and stays so
        world.owner(breaker_records=10).own()
    world.resume()
    again = world.owner(breaker_records=10)
    world.read(again)
    assert again.commit()
    assert world.commits()[0].breaker == "overridden"


def test_another_contract_frees_what_the_breaker_stopped(world: World) -> None:
    world.play(numbered([b"bad"] * 20))
    owner = world.owner(breaker_records=10)
    world.read(owner)
    with pytest.raises(PartitionStoppedError):
        owner.commit()
    assert world.owner(contract=cast("Any", NumberContract("2"))).own().offset == 0


def test_expired_offsets_stop_the_partition_until_a_person_accepts_the_gap(world: World) -> None:
    world.play(numbered(GOOD))
    owner = world.owner()
    world.read(owner, max_records=3)
    owner.commit()
    world.play(numbered(GOOD[6:], first=6))
    with pytest.raises(PartitionStoppedError, match="offsets 3 to 5 were removed"):
        world.owner().own()
    tail = read_tail(world.store, world.log())
    assert tail is not None
    assert tail.pause is not None
    assert tail.pause.reason == StopReason.OFFSETS_EXPIRED
    world.resume()
    with pytest.raises(PartitionStoppedError):
        world.owner().own()
    world.resume(accept_gap=True)
    last = world.owner()
    world.read(last)
    last.commit()
    assert sorted(world.landed()) == [0, 1, 2, 6, 7, 8, 9]


def test_a_truncated_topic_stops_the_partition(world: World) -> None:
    world.play(numbered(GOOD))
    owner = world.owner()
    world.read(owner)
    owner.commit()
    world.marks = Watermarks(0, 4)
    with pytest.raises(PartitionStoppedError, match="log-truncated"):
        world.owner().own()


def test_a_topic_made_again_stops_until_its_old_log_is_closed(world: World) -> None:
    world.play(numbered(GOOD))
    owner = world.owner(start="latest")
    world.marks = Watermarks(0, 2)
    world.read(owner, max_records=3)
    old = world.log()
    owner.commit()
    world.read_on(owner)
    world.source_id, world.marks = SourceId("c", "t2"), None
    world.play(numbered([b"77"]))
    with pytest.raises(PartitionStoppedError, match="topic-recreated"):
        owner.commit()  # what it holds may be of either topic
    for _ in range(2):
        with pytest.raises(PartitionStoppedError, match="topic-recreated"):
            world.owner(start="latest").own()
    tail = read_tail(world.store, old)
    assert tail is not None
    assert tail.end == 5
    world.resume(accept_gap=True)
    fresh = world.owner(start="latest")
    world.read(fresh)
    fresh.commit()
    assert world.landed() == [77]
    assert world.sources[-1] == SourceId("c", "t2")


@pytest.mark.parametrize(("start", "offset"), [("earliest", 0), ("latest", 10)])
def test_the_start_policy_is_for_the_first_run_only(world: World, start: Any, offset: int) -> None:
    world.play(numbered(GOOD))
    assert world.owner(start=start).own().offset == offset
    world.play(numbered(GOOD * 3))
    assert world.owner(start="latest").own().offset == offset


def test_the_older_supervisor_exits(world: World) -> None:
    world.owner(supervisor=2, owner="new").own()
    with pytest.raises(FencedError, match="new, which supervisor 2 started"):
        world.owner(supervisor=1).own()


def test_release_leaves_nothing_behind(world: World) -> None:
    world.play(numbered(GOOD))
    owner = world.owner()
    world.read(owner)
    owner.commit()
    owner.release()
    owner.close()
    tail = read_tail(world.store, world.log())
    assert tail is not None
    assert tail.released
    assert world.sink.closed == 1


def test_an_outage_of_the_store_loses_nothing_that_was_read(world: World) -> None:
    class Down(MemoryStore):
        down = False

        def put(self, key: str, data: bytes) -> None:
            if self.down:
                raise StoreUnavailableError(self.url, "put", "test")
            super().put(key, data)

    world.store = Down()
    world.play(numbered(GOOD))
    owner = world.owner()
    world.read(owner)
    world.store.down = True
    with pytest.raises(StoreUnavailableError):
        owner.commit()
    world.store.down = False
    assert owner.commit()
    assert sorted(world.landed()) == list(range(10))
