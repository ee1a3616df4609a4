"""A person lets a stopped partition go on: what may be written to its log, or why nothing may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from ray_pipeline.clock import Clock
from ray_pipeline.errors import FencedError
from ray_pipeline.lake.entries import Close, Gap, Resume, Tail
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.types import Offset, SourceId, StopReason, Watermarks

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Ways:
    """What a person's command does to one log; nothing, where ``done`` is False."""

    done: bool
    sentence: str
    gap_to: Offset | None = None
    """Give up the offsets from the log's end to here."""
    resume: bool = False
    close: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """What became of one log."""

    log: LogId
    ways: Ways


def decide_resume(tail: Tail, marks: Watermarks | None, *, accept_gap: bool) -> Ways:
    """Return what ``resume`` does to a log; ``marks`` are None where its topic is no more.

    >>> decide_resume(Tail(n=4, source_start=0, end=90), Watermarks(0, 200), accept_gap=False).sentence
    'is not stopped'
    """
    if tail.closed:
        return Ways(False, "is closed")
    if marks is None:
        if accept_gap:
            return Ways(True, f"is closed at offset {tail.end}; the new topic is read from its beginning", close=True)
        return Ways(False, "is of a topic that was deleted and made again; --accept-gap closes it")
    if tail.pause is None:
        return Ways(False, "is not stopped")
    if tail.end < marks.low:
        return _over_gap(tail, marks.low, accept_gap)
    if tail.end > marks.high:
        return Ways(
            False, f"waits for offset {tail.end}, and the topic ends at {marks.high}; try again when it is past"
        )
    if tail.pause.reason == StopReason.LOG_TRUNCATED and not accept_gap:
        return Ways(False, f"may lack records written to lost offsets before {tail.end}; --accept-gap goes on there")
    return Ways(True, f"goes on at offset {tail.end}", resume=True)


def _over_gap(tail: Tail, low: Offset, accept_gap: bool) -> Ways:
    lost = f"offsets {tail.end} to {low - 1}"
    if not accept_gap:
        return Ways(False, f"cannot read {lost}, which are gone; --accept-gap records the gap and goes on at {low}")
    return Ways(True, f"goes on at offset {low}; {lost} are recorded as a gap", gap_to=low, resume=True)


def resume_topic(
    store: ObjectStore,
    pipeline: str,
    topic: str,
    source: SourceId,
    marks: Mapping[int, Watermarks],
    *,
    accept_gap: bool,
    allowed_by: str,
    clock: Clock,
    rng: Random,
    partition: int | None = None,
) -> list[Resumed]:
    """Decide and do it for every log of a topic, or of one partition; closed logs are not mentioned."""
    found = []
    for log in find_logs(store, pipeline, topic):
        if partition is not None and log.partition != partition:
            continue
        pen = PartitionLog(store, log, clock=clock, rng=rng)
        mine = marks.get(log.partition) if log.source == source else None
        ways = _resume(pen, mine, accept_gap=accept_gap, allowed_by=allowed_by)
        if ways is not None:
            found.append(Resumed(log, ways))
    return found


def _resume(log: PartitionLog, marks: Watermarks | None, *, accept_gap: bool, allowed_by: str) -> Ways | None:
    for _ in range(ATTEMPTS):
        tail = log.load()
        if tail is None or tail.closed:
            return None
        ways = decide_resume(tail, marks, accept_gap=accept_gap)
        # When anything came between, the decision was about another log: read it again, decide again.
        if not ways.done or _write(log, tail, ways, allowed_by):
            return ways
    raise FencedError(str(log.id), allowed_by, "an owner that keeps writing")


def _write(log: PartitionLog, tail: Tail, ways: Ways, allowed_by: str) -> bool:
    entries: list[Gap | Resume | Close] = []
    if ways.gap_to is not None:
        reason = str(StopReason.OFFSETS_EXPIRED)
        entries.append(Gap(log.nonce(), tail.end, ways.gap_to, reason, allowed_by, log.written_at()))
    if ways.resume:
        entries.append(Resume(log.nonce(), allowed_by, log.written_at()))
    if ways.close:
        entries.append(Close(log.nonce(), str(StopReason.TOPIC_RECREATED), allowed_by, log.written_at()))
    return all(log.append_if_next(entry) is not None for entry in entries)
