"""What a person may decide, and what the log says of it afterwards."""

from __future__ import annotations

from random import Random

import pytest

from ray_pipeline.lake.entries import Gap, Pause, Resume, Tail
from ray_pipeline.lake.log_reader import LogReader, read_tail
from ray_pipeline.lake.resume import Resumed, decide_resume, resume_topic
from ray_pipeline.types import SourceId, StopReason, Watermarks

from .conftest import AT, CONTRACT, LOG, Owners, data

HERE = SourceId("c", "t")


def paused(reason: StopReason, end: int = 50) -> Tail:
    return Tail(n=9, source_start=0, end=end, pause=Pause(1, "p", end, str(reason), "", CONTRACT, AT))


@pytest.mark.parametrize(
    ("tail", "marks", "accept", "done", "words"),
    [
        (paused(StopReason.BAD_SHARE), Watermarks(0, 90), False, True, "goes on at offset 50"),
        (paused(StopReason.OFFSETS_EXPIRED), Watermarks(70, 90), False, False, "offsets 50 to 69, which are gone"),
        (paused(StopReason.OFFSETS_EXPIRED), Watermarks(70, 90), True, True, "goes on at offset 70"),
        (paused(StopReason.OFFSETS_EXPIRED), Watermarks(50, 90), False, True, "goes on at offset 50"),
        (paused(StopReason.BAD_SHARE), Watermarks(70, 90), False, False, "--accept-gap"),
        (paused(StopReason.LOG_TRUNCATED), Watermarks(0, 30), True, False, "waits for offset 50"),
        (paused(StopReason.LOG_TRUNCATED), Watermarks(0, 90), False, False, "--accept-gap goes on there"),
        (paused(StopReason.LOG_TRUNCATED), Watermarks(0, 90), True, True, "goes on at offset 50"),
        (paused(StopReason.TOPIC_RECREATED), None, False, False, "--accept-gap closes it"),
        (paused(StopReason.TOPIC_RECREATED), None, True, True, "closed at offset 50"),
        (Tail(n=1, source_start=0, end=50), Watermarks(70, 90), True, False, "is not stopped"),
    ],
)
def test_the_decision(tail: Tail, marks: Watermarks | None, accept: bool, done: bool, words: str) -> None:
    ways = decide_resume(tail, marks, accept_gap=accept)
    assert ways.done is done
    assert words in ways.sentence


def resume(owners: Owners, marks: Watermarks, source: SourceId = HERE, *, accept_gap: bool) -> list[Resumed]:
    return resume_topic(
        owners.store,
        "flights",
        "departures",
        lambda: (source, {0: marks}),
        accept_gap=accept_gap,
        allowed_by="ann",
        clock=owners.clock,
        rng=Random(7),
    )


def stopped(owners: Owners, reason: StopReason) -> None:
    log = owners.owner()
    log.append(data(0, 10))
    log.append(Pause(1, "p", 10, str(reason), "because", CONTRACT, AT))


def test_an_accepted_gap_is_recorded_with_who_allowed_it(owners: Owners) -> None:
    stopped(owners, StopReason.OFFSETS_EXPIRED)
    (resumed,) = resume(owners, Watermarks(25, 90), accept_gap=True)
    assert resumed.ways.done
    tail = read_tail(owners.store, LOG)
    assert tail is not None
    assert (tail.end, tail.gaps, tail.pause) == (25, 15, None)
    reader = LogReader(owners.store, LOG)
    reader.load()
    *_, gap, released = [entry for _, entry in reader._recent]
    assert isinstance(gap, Gap)
    assert gap.allowed_by == "ann"
    assert isinstance(released, Resume)


def test_a_refused_resume_writes_nothing(owners: Owners) -> None:
    stopped(owners, StopReason.OFFSETS_EXPIRED)
    before = dict(owners.store.objects)
    (resumed,) = resume(owners, Watermarks(25, 90), accept_gap=False)
    assert not resumed.ways.done
    assert owners.store.objects == before


def test_the_log_of_a_topic_made_again_is_closed_once(owners: Owners) -> None:
    stopped(owners, StopReason.TOPIC_RECREATED)
    (resumed,) = resume(owners, Watermarks(0, 5), SourceId("c", "t2"), accept_gap=True)
    assert resumed.ways.close
    tail = read_tail(owners.store, LOG)
    assert tail is not None
    assert tail.closed
    assert resume(owners, Watermarks(0, 5), SourceId("c", "t2"), accept_gap=True) == []


def test_a_decision_about_a_log_that_moved_is_made_again(owners: Owners) -> None:
    stopped(owners, StopReason.OFFSETS_EXPIRED)
    looks = 0

    def look() -> tuple[SourceId, dict[int, Watermarks]]:
        nonlocal looks
        looks += 1
        if looks == 1:  # while the brokers answer, somebody else resumes and a new owner commits
            other = owners.log()
            other.load()
            other.append_if_next(Gap("g", 10, 25, "offsets-expired", "bob", AT))
        return HERE, {0: Watermarks(25, 90)}

    options = {"accept_gap": True, "allowed_by": "ann", "clock": owners.clock, "rng": Random(7)}
    (resumed,) = resume_topic(owners.store, "flights", "departures", look, **options)  # type: ignore[arg-type]
    assert looks == 2
    assert resumed.ways.gap_to is None
    assert resumed.ways.resume
