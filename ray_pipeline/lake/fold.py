"""What the entries of a log add up to, and which entry may follow: the state machine of one partition.

Pure: the writer folds each entry before it trusts the log, ``verify`` folds them all again.
"""

from __future__ import annotations

from dataclasses import replace

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import Claim, Close, Data, Gap, LogEntry, Open, Pause, Release, Resume, Tail
from ray_pipeline.types import StopReason


def fold(tail: Tail | None, entry: LogEntry, log: str = "log") -> Tail:
    """Return the tail after ``entry``; raise ``LogBrokenError`` where it cannot follow (I1, I2, I3, I6).

    >>> opened = fold(None, Open("p", "c", "t", "id", 0, start=40, nonce="n", written_at=""))
    >>> opened.n, opened.end
    (0, 40)
    """
    n = 0 if tail is None else tail.n + 1
    reason = _refusal(tail, entry)
    if reason is not None:
        raise LogBrokenError(log, n, reason)
    if tail is None:
        assert isinstance(entry, Open)
        return Tail(n=0, source_start=entry.start, end=entry.start, dlq_through=entry.start)
    return replace(_after(tail, entry), n=n)


def _after(tail: Tail, entry: LogEntry) -> Tail:
    match entry:
        case Claim():
            return _claimed(tail, entry)
        case Data():
            return _advanced(tail, entry)
        case Gap():
            return replace(tail, end=entry.end, gaps=tail.gaps + entry.end - entry.start)
        case Pause():
            return replace(tail, pause=entry)
        case Resume():
            overridden = tail.overridden or (tail.pause is not None and tail.pause.reason == StopReason.BAD_SHARE)
            return replace(tail, pause=None, overridden=overridden)
        case Release():
            return replace(tail, released=True)
        case Close():
            return replace(tail, closed=True)
        case Open():
            raise AssertionError("refused above")


def _claimed(tail: Tail, claim: Claim) -> Tail:
    freed = is_freed_by(tail, claim.contract.digest)
    return replace(
        tail,
        epoch=claim.epoch,
        owner=claim.owner,
        owner_nonce=claim.nonce,
        supervisor=claim.supervisor,
        contract=claim.contract,
        released=False,
        pause=None if freed else tail.pause,
    )


def is_freed_by(tail: Tail, digest: str) -> bool:
    """Say whether a claim under the contract of this digest ends the pause: another contract, another verdict."""
    pause = tail.pause
    return pause is not None and pause.reason == StopReason.BAD_SHARE and pause.contract.digest != digest


def _advanced(tail: Tail, data: Data) -> Tail:
    by_rule = dict(tail.by_rule)
    for rule, count in data.by_rule.items():
        by_rule[rule] = by_rule.get(rule, 0) + count
    return replace(
        tail,
        end=data.end,
        leader_epoch=data.leader_epoch if data.leader_epoch is not None else tail.leader_epoch,
        overridden=data.breaker == "overridden",
        dlq_through=data.dlq_through,
        good=tail.good + data.good,
        bad=tail.bad + data.bad,
        tombstones=tail.tombstones + data.tombstones,
        skipped=tail.skipped + data.skipped,
        commits=tail.commits + 1,
        by_rule=by_rule,
        contract=data.contract,
        committed_at=data.committed_at,
        event_time_max=_latest(tail.event_time_max, data.event_time_max),
    )


def _latest(one: str | None, other: str | None) -> str | None:
    # Both are UTC in one fixed form, so that text order is time order.
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _refusal(tail: Tail | None, entry: LogEntry) -> str | None:
    """Return why the entry cannot follow, or None."""
    if tail is None:
        return None if isinstance(entry, Open) else f"begins with a {entry.type} entry, not with open"
    if isinstance(entry, Open):
        return "a second open entry"
    if tail.closed:
        return f"a {entry.type} entry after close"
    match entry:
        case Claim():
            return _claim_refusal(tail, entry)
        case Data():
            return _owned_refusal(tail, entry) or _data_refusal(tail, entry)
        case Gap():
            return _range_refusal(tail, entry.start, entry.end)
        case Pause():
            if entry.offset != tail.end:
                return f"pause at offset {entry.offset}, but the log ends at {tail.end}"
            return _owned_refusal(tail, entry)
        case Release():
            return _owned_refusal(tail, entry)
        case Resume() | Close():
            return None


def _claim_refusal(tail: Tail, claim: Claim) -> str | None:
    if claim.epoch != tail.epoch + 1:
        return f"claim of epoch {claim.epoch} after epoch {tail.epoch}"
    if claim.supervisor < tail.supervisor:
        return f"claim for supervisor {claim.supervisor} after one for {tail.supervisor}"
    return None


def _owned_refusal(tail: Tail, entry: Data | Pause | Release) -> str | None:
    if entry.epoch != tail.epoch:
        return f"{entry.type} of epoch {entry.epoch} under a claim of epoch {tail.epoch}"
    if tail.released:
        return f"{entry.type} after release, without a new claim"
    return None


def _range_refusal(tail: Tail, start: int, end: int) -> str | None:
    if start != tail.end:
        return f"begins at offset {start}, but the log ends at {tail.end}"
    if end <= start:
        return f"an empty range, {start} to {end}"
    return None


def _data_refusal(tail: Tail, data: Data) -> str | None:
    if tail.pause is not None:
        return f"data after a pause ({tail.pause.reason}) that nobody ended"
    return _range_refusal(tail, data.start, data.end) or _count_refusal(data) or _projection_refusal(tail, data)


def _count_refusal(data: Data) -> str | None:
    if min(data.good, data.bad, data.tombstones, data.skipped) < 0:
        return "a negative count"
    counted = data.good + data.bad + data.tombstones + data.skipped
    if counted != data.end - data.start:
        return f"{data.end - data.start} offsets, but {counted} are accounted for"
    if sum(data.by_rule.values()) != data.bad:
        return f"{data.bad} bad records, but {sum(data.by_rule.values())} by rule"
    if sum(file.rows for file in data.files) != data.good:
        return f"{data.good} good records, but {sum(file.rows for file in data.files)} rows in its files"
    if sum(file.rows for file in data.bad_files) != data.bad:
        return f"{data.bad} bad records, but {sum(file.rows for file in data.bad_files)} rows in its bad files"
    return None


def _projection_refusal(tail: Tail, data: Data) -> str | None:
    if not tail.dlq_through <= data.dlq_through <= data.start:
        return f"dead letters through {data.dlq_through}, outside {tail.dlq_through} to {data.start}"
    return None
