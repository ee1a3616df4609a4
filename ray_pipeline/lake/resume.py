"""A person lets a stopped partition go on: what may be written to its log, or why nothing may."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


Look = Callable[[], tuple[SourceId, Mapping[int, Watermarks]]]
"""Ask the brokers which topic this is now, and what its partitions hold."""


def resume_topic(
    store: ObjectStore,
    pipeline: str,
    topic: str,
    look: Look,
    *,
    accept_gap: bool,
    allowed_by: str,
    clock: Clock,
    rng: Random,
    partition: int | None = None,
) -> list[Resumed]:
    """Decide and do it for every log of a topic, or of one partition; closed logs are not mentioned.

    The brokers are asked after the logs were read, never before: only then a log of another topic id than theirs is
    surely of a topic that is gone. And when anything was written to a log meanwhile, the decision was about another
    log: read again, ask again, decide again.
    """
    logs = [log for log in find_logs(store, pipeline, topic) if partition in (None, log.partition)]
    waiting = {log: PartitionLog(store, log, clock=clock, rng=rng) for log in logs}
    found: dict[LogId, Resumed] = {}
    for _ in range(ATTEMPTS):
        tails = {log: pen.load() for log, pen in waiting.items()}
        source, marks = look()
        for log, tail in tails.items():
            if tail is not None and not tail.closed:
                mine = marks.get(log.partition) if log.source == source else None
                ways = decide_resume(tail, mine, accept_gap=accept_gap)
                if ways.done and not _write(waiting[log], tail, ways, allowed_by):
                    continue
                found[log] = Resumed(log, ways)
            del waiting[log]
        if not waiting:
            return [found[log] for log in sorted(found)]
    raise FencedError(str(next(iter(waiting))), allowed_by, "an owner that keeps writing")


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
