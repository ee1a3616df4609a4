"""What the entries of a ledger add up to, and which entry may follow. Pure.

The writer folds each entry before it is written, and whoever verifies folds them all again. The books must balance:
every landed row of a decision's ranges, and every row held before, is exactly one of published, quarantined, held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.keys import LogId

from .entries import (
    DayDecision,
    DayState,
    Decision,
    GateEntry,
    GateState,
    LogPosition,
    LogRange,
    ReleaseHeld,
    ReleaseQuarantine,
    Series,
)

HISTORY = 60
"""Values that are remembered per check."""
RUNS = 16
"""Run ids that are remembered in the state itself."""
_NO_DAY = DayState(-1, "", "", 0, 0, 0, 0, 0)


def fold(state: GateState, entry: GateEntry, ledger: str = "ledger") -> GateState:
    """Return the state after ``entry``; raise ``LogBrokenError`` where it cannot follow."""
    reason = _refusal(state, entry)
    if reason is not None:
        raise LogBrokenError(ledger, state.n + 1, reason)
    match entry:
        case Decision():
            return _decided(state, entry)
        case ReleaseHeld():
            return replace(state, n=entry.n, pending_held=(*state.pending_held, entry))
        case ReleaseQuarantine():
            return replace(state, n=entry.n, pending_quarantine=(*state.pending_quarantine, entry))


def _decided(state: GateState, decision: Decision) -> GateState:
    done = set(decision.carried_out)
    held = {day: files for day, files in state.held.items() if day not in {d.day for d in decision.days}}
    held |= {day.day: day.held_files for day in decision.days if day.held_files}
    days = dict(state.days) | {day.day: _day_after(state, day, decision.n) for day in decision.days}
    minima = [state.event_time_min, *(span.event_time_min for span in decision.offsets)]
    return GateState(
        n=decision.n,
        decision=decision.n,
        through=_through(state, decision.offsets),
        days=dict(sorted(days.items())),
        held=dict(sorted(held.items())),
        pending_held=tuple(release for release in state.pending_held if release.n not in done),
        pending_quarantine=tuple(release for release in state.pending_quarantine if release.n not in done),
        history=_history(state.history, decision.history),
        published_days=_published_days(state.published_days, decision.published_days),
        runs=(*state.runs, (decision.run_id, decision.n))[-RUNS:],
        event_time_min=min((moment for moment in minima if moment is not None), default=None),
        contract=decision.contract,
    )


def _day_after(state: GateState, day: DayDecision, n: int) -> DayState:
    before = state.days.get(day.day, _NO_DAY)
    return DayState(
        n=n,
        manifest=day.manifest,
        sha256=day.sha256,
        landed=before.landed + day.new,
        published=before.published + day.published + day.released,
        quarantined=before.quarantined + day.quarantined - day.released,
        held=day.held,
        released=before.released + day.released,
    )


def _through(state: GateState, ranges: Iterable[LogRange]) -> tuple[LogPosition, ...]:
    positions: dict[LogId, LogPosition] = {at.log: at for at in state.through}
    for span in ranges:
        before = positions.get(span.log)
        latest = [span.event_time_max, before.event_time_max if before else None]
        positions[span.log] = LogPosition(
            span.log,
            span.n,
            span.end,
            span.rows + (before.rows if before else 0),
            max((moment for moment in latest if moment is not None), default=None),
        )
    return tuple(positions[log] for log in sorted(positions))


def _history(old: Mapping[str, Series], new: Mapping[str, Series]) -> Mapping[str, Series]:
    merged = {
        check: tuple(sorted({**dict(old.get(check, ())), **dict(values)}.items())) for check, values in new.items()
    }
    return {check: series[-HISTORY:] for check, series in sorted({**old, **merged}.items())}


def _published_days(
    old: Mapping[str, tuple[int, int]], new: Mapping[str, tuple[int, int]]
) -> Mapping[str, tuple[int, int]]:
    days = dict(old)
    for day, (good, bad) in new.items():
        before = days.get(day, (0, 0))
        days[day] = (before[0] + good, before[1] + bad)
    return dict(sorted(days.items()))


def _refusal(state: GateState, entry: GateEntry) -> str | None:
    """Return why the entry cannot follow, or None."""
    if entry.n != state.n + 1:
        return f"says that it is entry {entry.n}"
    match entry:
        case Decision():
            return _decision_refusal(state, entry)
        case ReleaseHeld():
            return None if entry.day in state.held else f"releases {entry.day}, which is not held"
        case ReleaseQuarantine():
            chosen = entry.selection
            empty = chosen.day is None and chosen.check is None and not chosen.offsets
            return "releases quarantined rows without saying which" if empty else None


def _decision_refusal(state: GateState, decision: Decision) -> str | None:
    if decision.run_id in dict(state.runs):
        return f"run {decision.run_id!r} was decided before"
    pending = {release.n for release in state.pending_held} | {release.n for release in state.pending_quarantine}
    if len(set(decision.carried_out)) != len(decision.carried_out) or not pending.issuperset(decision.carried_out):
        return "carries out a release that is not pending"
    if len({day.day for day in decision.days}) != len(decision.days):
        return "speaks of a day twice"
    return (
        _ranges_refusal(state, decision.offsets)
        or _first(_day_refusal(state, day) for day in decision.days)
        or _books_refusal(decision)
        or _files_refusal(decision)
    )


def _ranges_refusal(state: GateState, ranges: tuple[LogRange, ...]) -> str | None:
    if len({span.log for span in ranges}) != len(ranges):
        return "covers a log twice"
    for span in ranges:
        before = state.position(span.log)
        first = 0 if before is None else before.n + 1
        if span.first != first or span.n < span.first:
            return f"judges entries {span.first} to {span.n} of {span.log}, which was judged up to {first - 1}"
        if before is not None and span.start != before.end:
            return f"begins at offset {span.start} of {span.log}, which was judged up to {before.end}"
        if not 0 <= span.rows <= span.end - span.start:
            return f"{span.rows} rows in {span.end - span.start} offsets of {span.log}"
    return None


def _day_refusal(state: GateState, day: DayDecision) -> str | None:
    if min(day.new, day.published, day.quarantined, day.held, day.released) < 0:
        return f"a negative count for {day.day}"
    before = state.days.get(day.day, _NO_DAY)
    judged, told = day.new + before.held, day.published + day.quarantined + day.held
    if judged != told:
        return f"{judged} rows of {day.day} were to be decided on, but {told} are"
    if day.released > before.quarantined:
        return f"releases {day.released} rows of {day.day}, of which {before.quarantined} are quarantined"
    if _rows(day.held_files) != day.held:
        return f"{day.held} rows of {day.day} held, but {_rows(day.held_files)} in its held files"
    return None


def _books_refusal(decision: Decision) -> str | None:
    days = decision.days
    landed, new = sum(span.rows for span in decision.offsets), sum(day.new for day in days)
    if landed != new:
        return f"{landed} rows landed in its ranges, but its days have {new} new ones"
    published = sum(day.published + day.released for day in days)
    if _rows(decision.publish) != published:
        return f"{published} rows published, but {_rows(decision.publish)} in the files it publishes"
    quarantined = sum(day.quarantined - day.released for day in days)
    moved = _rows(decision.quarantine) - _rows(decision.replaced)
    if moved != quarantined:
        return f"the quarantine grows by {quarantined} rows, but its files by {moved}"
    return None


def _files_refusal(decision: Decision) -> str | None:
    held = [file for day in decision.days for file in day.held_files]
    for what, files in (
        ("published", (*decision.publish, *held)),
        ("quarantined", decision.quarantine),
        ("replaced", decision.replaced),
    ):
        keys = [file.key for file in files]
        if len(set(keys)) != len(keys):
            return f"a file is {what} twice"
    known = {day.day for day in decision.days}
    strange = {file.day for file in (*decision.publish, *decision.quarantine)} - known
    return f"a file of {min(map(str, strange))}, of which it says nothing" if strange else None


def _rows(files: Iterable[DataFile]) -> int:
    return sum(file.rows for file in files)


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason is not None), None)
