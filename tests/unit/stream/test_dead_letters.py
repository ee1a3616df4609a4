"""The projection: what is missing, once, whatever the sink does."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from ray_pipeline.errors import FileCorruptError, SinkFencedError, SinkUnavailableError
from ray_pipeline.stream import dead_letters
from ray_pipeline.stream.dead_letters import CommittedLetters, DeadLetterProjection
from ray_pipeline.stream.ports import DeadLetter
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.types import BadRecord, ContractRef, TopicPartition

TP = TopicPartition("departures", 0)
REF = ContractRef("departures", "1", "d")


class Sink:
    """A transactional topic; ``faults`` are raised by the next calls."""

    def __init__(self, progress: int | None = None) -> None:
        self.progress = progress
        self.sent: list[int] = []
        self.transactions: list[int] = []
        self.opened = 0
        self.faults: list[Exception] = []
        self.lose_reply = False

    def open(self) -> int | None:
        self.opened += 1
        self._fail()
        return self.progress

    def send(self, letters: Sequence[DeadLetter], through: int) -> None:
        if not self.lose_reply:
            self._fail()
        self.sent += [letter.record.offset for letter in letters]
        self.transactions.append(len(letters))
        self.progress = through
        self._fail()

    def close(self) -> None: ...

    def _fail(self) -> None:
        if self.faults:
            raise self.faults.pop(0)


class History:
    def __init__(self, *commits: CommittedLetters) -> None:
        self.commits = list(commits)
        self.mine = True

    def letters_since(self, offset: int) -> list[CommittedLetters]:
        return [commit for commit in self.commits if commit.end > offset]

    def still_mine(self) -> bool:
        return self.mine


def letter(offset: int, size: int = 1) -> DeadLetter:
    return DeadLetter(TP, BadRecord(offset, 0, None, b"x" * size, (), ()), REF, "file")


def commit(start: int, end: int, *offsets: int) -> CommittedLetters:
    return CommittedLetters(start, end, len(offsets), lambda: [letter(offset) for offset in offsets])


def projection(sink: Sink, history: History, *, known: int = 0, committed: int = 0) -> DeadLetterProjection:
    return DeadLetterProjection(
        sink, history, known_through=known, committed=committed, clock=FrozenClock(), rng=Random(1)
    )


def test_the_sink_is_opened_only_for_a_dead_letter() -> None:
    sink, history = Sink(), History()
    projected = projection(sink, history)
    projected.committed(10, None)
    projected.catch_up()
    assert sink.opened == 0
    assert projected.through == 10
    projected.committed(20, commit(10, 20, 12, 15))
    assert (projected.through, projected.backlog) == (10, 2)
    projected.catch_up()
    assert (sink.sent, sink.progress) == ([12, 15], 20)
    assert (projected.through, projected.backlog) == (20, 0)


def test_a_new_owner_sends_only_what_is_missing() -> None:
    sink = Sink(progress=13)
    history = History(commit(0, 10, 3, 4), commit(10, 20, 11, 12, 13, 17))
    projected = projection(sink, history, committed=20)
    projected.catch_up()
    assert sink.sent == [13, 17]


def test_without_progress_the_log_says_where_to_begin() -> None:
    sink = Sink(progress=None)
    history = History(commit(0, 10, 3, 4), commit(10, 20, 11))
    projection(sink, history, known=10, committed=20).catch_up()
    assert sink.sent == [11]


@pytest.mark.parametrize("fault", [SinkUnavailableError("dlq", "down"), SinkFencedError("id")])
def test_after_an_error_the_sink_is_opened_again_and_asked(fault: Exception) -> None:
    sink, history = Sink(), History(commit(0, 10, 3, 4))
    sink.lose_reply = True
    projected = projection(sink, history, committed=10)
    sink.faults = [fault]
    clock = projected._clock
    sink.faults.insert(0, SinkUnavailableError("dlq", "down"))  # open fails, then the send's reply is lost
    for _ in range(5):
        projected.catch_up()
        clock.sleep(60)
    assert sink.sent == [3, 4]
    assert projected.backlog == 0
    assert projected.trouble == ""


def test_a_blocked_sink_is_left_alone_for_a_while() -> None:
    sink, history = Sink(), History(commit(0, 10, 3))
    sink.faults = [SinkUnavailableError("dlq", "denied")] * 100
    projected = projection(sink, history, committed=10)
    for _ in range(50):
        projected.catch_up()
    assert sink.opened == 1
    assert "denied" in projected.trouble
    for _ in range(20):
        projected._clock.sleep(3600)
        projected.catch_up()
    assert sink.opened == 21
    assert projected.backlog == 1


def test_fenced_with_a_newer_owner_about_is_the_end() -> None:
    sink, history = Sink(), History(commit(0, 10, 3))
    history.mine = False
    sink.faults = [SinkFencedError("id")]
    with pytest.raises(SinkFencedError):
        projection(sink, history, committed=10).catch_up()


def test_progress_past_our_commits_is_a_newer_owners_or_another_topics() -> None:
    sink, history = Sink(progress=500), History(commit(0, 10, 3))
    history.mine = False
    with pytest.raises(SinkFencedError):
        projection(sink, history, committed=10).catch_up()
    history.mine = True
    projection(sink, history, committed=10).catch_up()
    assert sink.sent == [3]


def test_a_damaged_bad_file_blocks_the_topic_and_nothing_else() -> None:
    def damaged() -> list[DeadLetter]:
        raise FileCorruptError("bad/1", "its SHA-256 is not that of its log entry")

    projected = projection(Sink(), History(CommittedLetters(0, 10, 1, damaged)), committed=10)
    projected.catch_up()
    assert "bad/1" in projected.trouble
    assert projected.backlog == 1


def test_many_letters_go_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "MAX_LETTERS", 3)
    monkeypatch.setattr(dead_letters, "MAX_BYTES", 100)
    sizes = [1, 1, 1, 1, 90, 90, 500, 1]
    letters = [letter(i, size) for i, size in enumerate(sizes)]
    sink = Sink()
    history = History(CommittedLetters(0, 50, 8, lambda: letters))
    projected = projection(sink, history, committed=50)
    projected.catch_up()
    assert sink.sent == list(range(8))
    assert sink.transactions == [3, 2, 1, 1, 1]
    assert sink.progress == 50


def test_at_the_end_of_a_run_it_tries_a_few_times_at_once() -> None:
    sink, history = Sink(), History(commit(0, 10, 3))
    sink.faults = [SinkUnavailableError("dlq", "down")] * 2
    projected = projection(sink, history, committed=10)
    projected.catch_up(final=True)
    assert sink.sent == [3]
