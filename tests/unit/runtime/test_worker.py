"""The worker's two threads, with a scripted source and scripted owners: nothing here waits for a clock."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from ray_pipeline.errors import (
    FencedError,
    LogBrokenError,
    PartitionStoppedError,
    SourceUnavailableError,
    StoreUnavailableError,
)
from ray_pipeline.runtime.lanes import FEATURE_SECONDS
from ray_pipeline.runtime.reports import PartitionState, ViewReport
from ray_pipeline.runtime.worker import QUEUE_CHUNKS, Worker
from ray_pipeline.types import Position, RecordBatch, TopicPartition

A, B = TopicPartition("t", 0), TopicPartition("t", 1)
PATIENCE = 20.0


class Clock:
    """Stands still until a test moves it; sleeping is not allowed to block a thread."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self):
        raise AssertionError("the worker asks for no date")

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class ScriptedSource:
    """Delivers what a test appends: records of a partition, or an error."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.script: deque = deque()
        self.assigned: dict = {}
        self.hints: list = []
        self.closed = False
        self.delivered = 0

    def assign(self, positions):
        with self.changed:
            for tp in [*self.assigned]:
                if tp not in positions:
                    del self.assigned[tp]
            for tp, position in positions.items():
                self.assigned.setdefault(tp, position.offset)
            self.changed.notify_all()

    def poll(self, max_records, timeout):
        with self.changed:
            if not self.script:
                self.changed.wait(0.01)
                return []
            head = self.script[0]
            if isinstance(head, Exception):
                raise self.script.popleft()
            tp, count = head
            if tp not in self.assigned:
                self.changed.wait(0.01)
                return []
            self.script.popleft()
            start = self.assigned[tp]
            self.assigned[tp] = start + count
            self.delivered += 1
            self.changed.notify_all()
            return [batch(tp, start, count)]

    def hint(self, tp, position):
        self.hints.append((tp, position.offset))

    def close(self):
        self.closed = True

    def gives(self, *items):
        with self.changed:
            self.script.extend(items)
            self.changed.notify_all()


def batch(tp, start, count):
    offsets = range(start, start + count)
    return RecordBatch(tp, start, start + count, offsets, offsets, [b"k"] * count, [b"v"] * count, lambda _i: ())


class ScriptedFeatures:
    """Online values whose store answers when a test lets it."""

    def __init__(self, log: dict, tp: TopicPartition) -> None:
        self._log, self._tp = log, tp
        self.answers, self.asked = threading.Event(), threading.Event()
        self.through = 0
        self.deadlines: list[float] = []
        self.troubles = ""

    @property
    def is_done(self):
        return self.through == self._log.get(self._tp, 0)

    @property
    def is_due(self):
        return not self.is_done

    def reports(self):
        return (ViewReport("view", self.through, self._log.get(self._tp, 0) - self.through, self.troubles),)

    def catch_up(self):
        self.asked.set()
        assert self.answers.wait(PATIENCE)
        self.through = self._log.get(self._tp, 0)

    def catch_up_until(self, deadline):
        self.deadlines.append(deadline)
        if self.answers.is_set():
            self.through = self._log.get(self._tp, 0)


@dataclass
class ScriptedOwner:
    """An owner whose log is a number; ``fails`` maps a step to the errors that its next calls raise."""

    topic_partition: TopicPartition
    log: dict
    commit_at: int = 10
    fails: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    landing: threading.Event | None = None
    pending: int = 0
    letters: int = 0
    dead_letter_trouble: str = ""
    features: ScriptedFeatures | None = None

    @property
    def committed(self):
        return self.log.get(self.topic_partition, 0)

    @property
    def pending_dead_letters(self):
        return self.letters

    def _step(self, name):
        self.calls.append(name)
        if self.fails.get(name):
            raise self.fails[name].pop(0)

    def own(self):
        self.pending = 0
        self._step("own")
        return Position(self.committed)

    def judge(self, records):
        return Judged(records)

    def land(self, judged):
        if self.landing is not None:
            assert self.landing.wait(PATIENCE)
        self._step("land")
        assert judged.batch.start == self.committed + self.pending, "a chunk of another assignment was landed"
        self.pending += len(judged)
        return judged.refused

    def due(self):
        return self.pending >= self.commit_at

    def commit(self):
        self._step("commit")
        if not self.pending:
            return False
        self.log[self.topic_partition] = self.committed + self.pending
        self.pending = 0
        return True

    def project(self, *, final=False):
        self._step("project")
        self.letters = 0

    def release(self):
        self._step("release")

    def close(self):
        self._step("close")


class Judged:
    def __init__(self, records):
        self.batch, self.refused = records, 0

    def __len__(self):
        return len(self.batch)


class Bench:
    """A worker with its fakes; ``until`` asks it as the supervisor does until something is true."""

    def __init__(self):
        self.clock, self.source, self.log = Clock(), ScriptedSource(), {}
        self.owners: list[ScriptedOwner] = []
        self.prepare = lambda _owner: None
        self.effects: list[str] = []
        self.silent = threading.Event()
        self.messages: list[str] = []
        self.worker = Worker(
            source=self.source,
            make_owner=self._make,
            clock=self.clock,
            incarnation="test",
            on_silence=self.silent.set,
            effects=self.effects.append,
        )
        self.worker.start()

    def _make(self, tp, supervisor, partitions):
        owner = ScriptedOwner(tp, self.log)
        self.prepare(owner)
        self.owners.append(owner)
        return owner

    def until(self, true, *wanted, drain=False, generation=0, moves=0.0):
        turn = threading.Event()
        for _ in range(int(PATIENCE / 0.005)):
            report = self.worker.reconcile(1, dict.fromkeys(wanted, generation), drain=drain)
            self.messages += report.messages
            if true(report):
                return report
            self.clock.seconds += moves
            turn.wait(0.005)
        raise AssertionError(f"did not happen: {report}, {self.messages}")


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.worker.stop()
    assert bench.source.closed


def reading(*tps):
    return lambda report: {p.topic_partition for p in report.partitions if p.state is PartitionState.READING} == {*tps}


def at(tp, position):
    return lambda report: any(p.topic_partition == tp and p.position == position for p in report.partitions)


def test_it_owns_reads_commits_and_leaves_a_hint(bench):
    bench.until(reading(A), A)
    bench.source.gives((A, 10))
    report = bench.until(lambda r: bench.log.get(A) == 10 and bench.source.hints, A)
    assert bench.source.hints == [(A, 10)]
    [partition] = report.partitions
    assert (partition.position, partition.committed, partition.records) == (10, 10, 10)
    assert bench.effects == ["after_consume", "after_offset_commit"]


def test_a_partition_that_moves_away_is_committed_projected_and_released_first(bench):
    bench.until(reading(A, B), A, B)
    bench.source.gives((A, 3))
    bench.until(at(A, 3), A, B)
    report = bench.until(lambda r: len(r.partitions) == 1, B)
    assert bench.log == {A: 3}
    mover = next(owner for owner in bench.owners if owner.topic_partition == A)
    assert mover.calls[-4:] == ["commit", "project", "release", "close"]
    assert [(p.topic_partition, p.committed) for p in report.released] == [(A, 3)]
    assert bench.source.assigned.keys() == {B}


def test_a_drain_commits_everything_and_says_so(bench):
    bench.until(reading(A, B), A, B)
    bench.source.gives((A, 3), (B, 4))
    bench.until(lambda r: at(A, 3)(r) and at(B, 4)(r), A, B)
    report = bench.until(lambda r: r.drained, drain=True)
    assert bench.log == {A: 3, B: 4}
    assert report.partitions == ()


def test_what_waits_between_the_threads_is_bounded(bench):
    gate = threading.Event()
    bench.prepare = lambda owner: setattr(owner, "landing", gate)
    bench.until(reading(A), A)
    bench.source.gives(*[(A, 1)] * 50)
    most = QUEUE_CHUNKS + 2  # one in each thread's hands
    bench.until(lambda _r: bench.source.delivered >= most, A)
    with bench.source.changed:
        assert not bench.source.changed.wait_for(lambda: bench.source.delivered > most, 0.3)
    gate.set()
    bench.until(at(A, 50), A)


def test_an_error_of_the_store_is_said_once_and_the_log_s_tail_is_read_again(bench):
    outage = StoreUnavailableError("s3://b", "put", "connection refused")
    bench.prepare = lambda owner: owner.fails.update(commit=[outage])
    bench.until(reading(A), A)
    [owner] = bench.owners
    owner.fails["own"] = [outage, outage]
    bench.source.gives((A, 10))
    report = bench.until(lambda r: r.trouble, A)
    assert "connection refused" in report.trouble
    bench.until(lambda _r: owner.calls.count("own") == 4, A, moves=0.5)
    assert bench.log == {}
    bench.until(lambda _r: bench.source.assigned.get(A) == 0, A)  # from the log's tail, not from where it was
    bench.source.gives((A, 10))
    report = bench.until(lambda r: bench.log.get(A) == 10 and not r.trouble, A)
    assert [m for m in bench.messages if "paused" in m] == [f"t[0] paused: {outage}"]


def test_attempts_come_slower_and_slower(bench):
    outage = SourceUnavailableError("k:9092", "no broker")
    bench.prepare = lambda owner: owner.fails.update(own=[outage] * 4)
    moments = []

    def look(_report):
        [owner] = bench.owners or [None]
        while owner and len(moments) < owner.calls.count("own"):
            moments.append(bench.clock.seconds)
        return len(moments) == 5

    bench.until(look, A, moves=0.05)
    waits = [later - before for before, later in pairwise(moments)]
    assert [wait >= least for wait, least in zip(waits, (0.2, 0.5, 1.0, 2.0), strict=True)] == [True] * 4


def test_a_stop_found_while_reading_commits_what_came_before_it(bench):
    bench.until(reading(A, B), A, B)
    [one] = [owner for owner in bench.owners if owner.topic_partition == A]
    stop = PartitionStoppedError("t", 0, "offsets-expired", "offsets 3 to 5 are gone")
    one.fails["own"] = [stop]
    bench.source.gives((A, 3), stop, (B, 10))
    report = bench.until(lambda r: bench.log.get(B) == 10, A, B)
    report = bench.until(lambda r: any(p.state is PartitionState.STOPPED for p in r.partitions), A, B)
    assert bench.log == {A: 3, B: 10}
    stopped = next(p for p in report.partitions if p.topic_partition == A)
    assert (stopped.reason, stopped.detail) == ("offsets-expired", "offsets 3 to 5 are gone")
    bench.until(reading(A, B), A, B, moves=0.5)  # a person resumed it: the log says so when it is owned again
    assert bench.messages.count("t[0] stopped (offsets-expired): offsets 3 to 5 are gone") == 1


def test_a_stopped_partition_is_reported_as_stopped_after_a_drain(bench):
    stop = PartitionStoppedError("t", 0, "bad-share", "1000 of 1000 are bad")
    bench.prepare = lambda owner: owner.fails.update(commit=[stop])
    bench.until(reading(A), A)
    bench.source.gives((A, 3))
    bench.until(at(A, 3), A)
    report = bench.until(lambda r: r.drained, drain=True)
    assert [(p.state, p.reason) for p in report.released] == [(PartitionState.STOPPED, "bad-share")]


def test_a_new_generation_claims_the_partition_again(bench):
    bench.until(reading(A), A)
    bench.until(lambda r: reading(A)(r) and len(bench.owners) == 2, A, generation=1)
    assert bench.owners[0].calls[-1] == "close"


def test_who_is_fenced_ends_and_commits_nothing_more(bench):
    bench.prepare = lambda owner: owner.fails.update(commit=[FencedError("log", "me", "somebody")])
    bench.until(reading(A, B), A, B)
    bench.source.gives((A, 10))
    report = bench.until(lambda r: r.fenced, A, B)
    assert "somebody" in report.fenced
    bench.until(lambda _r: all(owner.calls[-1] == "close" for owner in bench.owners), A, B)
    assert bench.log == {}


def test_an_unexpected_error_reaches_whoever_asks(bench):
    bench.prepare = lambda owner: owner.fails.update(own=[LogBrokenError("log", 3, "torn")])
    with pytest.raises(LogBrokenError, match="torn"):
        bench.until(lambda _r: False, A)


def test_brokers_that_go_away_are_told_once_and_so_is_their_return(bench):
    bench.until(reading(A), A)
    away = SourceUnavailableError("k:9092", "no broker")
    bench.source.gives(away, away, away)
    bench.until(lambda r: r.trouble, A)
    bench.until(lambda _r: not bench.source.script, A)
    bench.until(lambda r: not r.trouble, A, moves=0.5)  # no record came, and none is needed
    assert bench.messages == [f"paused: {away}", "Kafka answers again; reading goes on"]
    bench.source.gives((A, 10))
    bench.until(lambda _r: bench.log.get(A) == 10, A)


def test_without_a_word_from_the_supervisor_it_ends(bench):
    bench.until(reading(A), A)
    bench.clock.seconds += 61
    assert bench.silent.wait(PATIENCE)


def with_features(bench):
    """Give every owner online values, and return the list of them."""
    made: list[ScriptedFeatures] = []

    def prepare(owner):
        owner.features = ScriptedFeatures(bench.log, owner.topic_partition)
        made.append(owner.features)

    bench.prepare = prepare
    return made


def test_landing_goes_on_while_the_online_store_hangs(bench):
    made = with_features(bench)
    bench.until(reading(A), A)
    bench.source.gives((A, 10))
    bench.until(lambda _r: made[0].asked.is_set(), A)
    bench.source.gives((A, 10), (A, 10))
    report = bench.until(lambda r: bench.log.get(A) == 30 and r.partitions[0].feature_lag == 30, A)
    assert report.partitions[0].views[0].through == 0
    made[0].answers.set()
    bench.until(lambda r: r.partitions[0].feature_lag == 0, A)


def test_a_partition_moves_away_without_waiting_for_its_online_values(bench):
    made = with_features(bench)
    bench.until(reading(A, B), A, B)
    bench.source.gives((A, 10))
    bench.until(lambda _r: made[0].asked.is_set(), A, B)
    report = bench.until(reading(B), B)
    assert bench.owners[0].calls[-2:] == ["release", "close"]
    assert not made[0].deadlines
    assert [p.feature_lag for p in report.released] == [10]
    made[0].answers.set()


def test_the_end_of_a_run_waits_for_online_values_after_everything_is_released(bench):
    made = with_features(bench)
    bench.until(reading(A), A)
    bench.source.gives((A, 5))
    bench.until(at(A, 5), A)
    made[0].answers.set()
    report = bench.until(lambda r: r.drained, drain=True)
    assert made[0].through == bench.log[A] == 5
    assert [p.feature_lag for p in report.released] == [0]
    assert bench.owners[0].calls[-2:] == ["release", "close"]


def test_the_end_of_a_run_gives_up_on_online_values_and_says_what_they_lack(bench):
    made = with_features(bench)
    bench.until(reading(A), A)
    bench.source.gives((A, 5))
    bench.until(at(A, 5), A)
    now = bench.clock.seconds
    features = made[0]
    features.catch_up = lambda: None
    report = bench.until(lambda r: r.drained, drain=True)
    assert features.deadlines == [now + FEATURE_SECONDS]
    assert [p.feature_lag for p in report.released] == [5]


def test_why_online_values_lag_is_said_once_and_so_is_that_they_follow(bench):
    made = with_features(bench)
    bench.until(reading(A), A)
    made[0].answers.set()
    made[0].troubles = "the online store x did not answer"
    bench.until(lambda _r: bench.messages, A)
    made[0].troubles = ""
    bench.until(lambda _r: len(bench.messages) == 2, A)
    assert bench.messages == [
        "t[0]: online values lag, landing does not: the online store x did not answer",
        "t[0]: online values follow again",
    ]
