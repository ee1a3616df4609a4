"""What the entries of a loop's ledger add up to, and which entry may follow. Pure.

Whoever writes folds the entry first, and whoever reads folds them all again: a run that was begun twice, or a promotion
that no judgement of that very version stands behind, cannot be written, and is not believed where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from ray_pipeline.config.retrain import Arming
from ray_pipeline.features.training_spec import moment_us

from .records import DAY, Kind, LoopEntry, day_of

WEEK = 7 * DAY
Said = TypeVar("Said")


class Phase(StrEnum):
    """How far an open run is."""

    TRIGGERED = "triggered"
    TRAINED = "trained"
    JUDGED = "judged"


@dataclass(frozen=True, slots=True)
class Armed:
    """A signal that is armed."""

    champion: int
    """The version that it speaks of: it says nothing of another one."""
    since_us: int


@dataclass(frozen=True, slots=True)
class Run:
    """One challenger, from its trigger to its end."""

    id: str
    signal: str
    champion: int
    """Whom it challenges."""
    at_us: int
    """T of the run: what is known, is known by then."""
    entry: int
    phase: Phase = Phase.TRIGGERED
    attempts: int = 0
    """Trainings that were begun; more than one where a step was interrupted in the middle."""
    challenger: int | None = None
    judgement: Mapping[str, Any] | None = None

    @property
    def won(self) -> bool:
        """Whether the judgement is there, and for the challenger."""
        return self.judgement is not None and self.judgement.get("win") is True


@dataclass(frozen=True, slots=True)
class Watch:
    """A promotion that is still looked at."""

    run: str
    version: int
    before: int
    since_us: int
    until_us: int
    looks: int = 0
    """Those that had enough rows."""
    looked_us: int | None = None
    last: Mapping[str, Any] | None = None
    """What the last look found."""

    @property
    def lost(self) -> bool:
        """Whether the version before was found better."""
        return self.last is not None and self.last.get("win") is True

    @property
    def is_over(self) -> bool:
        """Whether it was looked at after its end, with enough rows."""
        enough = self.last is not None and self.last.get("enough") is True
        return enough and self.looked_us is not None and self.looked_us >= self.until_us


@dataclass(frozen=True, slots=True)
class LoopState:
    """Everything that the entries so far say."""

    number: int = 0
    """Of the last entry."""
    at_us: int | None = None
    """Event time of the last entry."""
    armed: Mapping[str, Armed] = field(default_factory=dict)
    answered: Mapping[str, str] = field(default_factory=dict)
    """Signal → the day on which a run that it stood behind ended: it does not arm again on that day."""
    run: Run | None = None
    watch: Watch | None = None
    starts: tuple[int, ...] = ()
    """Moments at which runs began, those of the last seven days before the newest."""
    decided_us: int | None = None
    """The last promotion or refusal."""
    waiting: tuple[str, str] | None = None
    """Trigger id and code of the last ``waiting`` that still holds."""
    used: frozenset[str] = frozenset()
    """Every trigger id that there was."""
    ends: Mapping[str, int] = field(default_factory=dict)
    """How the runs ended → how many."""

    @property
    def last_start_us(self) -> int | None:
        """When the newest run began."""
        return self.starts[-1] if self.starts else None


def fold(state: LoopState, entry: LoopEntry) -> LoopState:
    """Return the state after ``entry``; ``ValueError`` says why it cannot follow."""
    if entry.number != state.number + 1:
        raise ValueError(f"says that it is entry {entry.number}")
    at = entry.at_us
    if state.at_us is not None and at < state.at_us:
        raise ValueError("is of an earlier moment than the entry before it")
    return replace(_AFTER[Kind(entry.kind)](state, entry, at), number=entry.number, at_us=at)


def fold_all(entries: Iterable[LoopEntry]) -> LoopState:
    """Return the state after all of these entries, which begin with number 1."""
    state = LoopState()
    for entry in entries:
        state = fold(state, entry)
    return state


def _armed(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    signal, champion = _said(entry.signal, "a signal"), _said(entry.champion, "a champion")
    before = state.armed.get(signal)
    _check(before is None or before.champion != champion, f"arms {signal}, which is armed")
    return replace(state, armed={**state.armed, signal: Armed(champion, at)})


def _disarmed(state: LoopState, entry: LoopEntry, _at: int) -> LoopState:
    signal = _said(entry.signal, "a signal")
    _check(signal in state.armed, f"disarms {signal}, which is not armed")
    rest = {name: one for name, one in state.armed.items() if name != signal}
    return replace(state, armed=rest, waiting=None if not rest else state.waiting)


def _waiting(state: LoopState, entry: LoopEntry, _at: int) -> LoopState:
    return replace(state, waiting=(_said(entry.run, "a run"), entry.code))


def _triggered(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    run, signal = _said(entry.run, "a run"), _said(entry.signal, "a signal")
    _check(state.run is None, "begins a run while another one is open")
    _check(state.watch is None, "begins a run while a promotion is watched")
    _check(run not in state.used, f"begins run {run} once more")
    begun = Run(run, signal, _said(entry.champion, "a champion"), at, entry.number)
    starts = (*(one for one in state.starts if one > at - WEEK), at)
    return replace(state, run=begun, starts=starts, waiting=None, used=state.used | {run})


def _training(state: LoopState, entry: LoopEntry, _at: int) -> LoopState:
    run = _open(state, entry, Phase.TRIGGERED)
    return replace(state, run=replace(run, attempts=run.attempts + 1))


def _trained(state: LoopState, entry: LoopEntry, _at: int) -> LoopState:
    run = _open(state, entry, Phase.TRIGGERED)
    _check(run.attempts > 0, "is of a training that never began")
    return replace(state, run=replace(run, phase=Phase.TRAINED, challenger=_said(entry.challenger, "a version")))


def _judged(state: LoopState, entry: LoopEntry, _at: int) -> LoopState:
    run = _open(state, entry, Phase.TRAINED)
    _check(entry.challenger == run.challenger, "judges another version than the one that was trained")
    judgement = entry.evidence.get("judgement")
    _check(isinstance(judgement, Mapping), "has no judgement among its evidence")
    return replace(state, run=replace(run, phase=Phase.JUDGED, judgement=judgement))


def _promoted(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    run = _open(state, entry, Phase.JUDGED)
    _check(run.won, "promotes a version that won no judgement")
    _check(entry.challenger == run.challenger, "promotes another version than the one that was judged")
    _check(entry.champion == run.champion, "promotes over another version than the one that was judged against")
    until = entry.evidence.get("watch_until")
    watch = Watch(run.id, _said(run.challenger, "a version"), run.champion, at, at if until is None else _moment(until))
    return replace(_ended(state, entry, at), watch=watch, decided_us=at, armed={}, answered={})


def _refused(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    _open(state, entry, Phase.JUDGED)
    return replace(_ended(state, entry, at), decided_us=at)


def _failed(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    return _ended(state, entry, at)


def _ended(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    """Close the run: every signal was answered by it, and has to show itself again on another day."""
    _check(state.run is not None and entry.run == state.run.id, f"ends run {entry.run}, which is not open")
    answered = {**state.answered, **dict.fromkeys(state.armed, day_of(at))}
    ends = {**state.ends, entry.kind: state.ends.get(entry.kind, 0) + 1}
    return replace(state, run=None, armed={}, answered=answered, waiting=None, ends=ends)


def _watched(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    watch = _watch(state, entry)
    found = entry.evidence.get("judgement")
    _check(isinstance(found, Mapping), "has no judgement among its evidence")
    assert isinstance(found, Mapping)
    looks = watch.looks + (found.get("enough") is True)
    return replace(state, watch=replace(watch, looks=looks, looked_us=at, last=found))


def _kept(state: LoopState, entry: LoopEntry, _at: int) -> LoopState:
    _watch(state, entry)
    return replace(state, watch=None)


def _rolled_back(state: LoopState, entry: LoopEntry, at: int) -> LoopState:
    watch = _watch(state, entry)
    _check(watch.lost, "rolls back a promotion that did not lose")
    _check(entry.challenger == watch.before, "rolls back to another version than the one before")
    ends = {**state.ends, entry.kind: state.ends.get(entry.kind, 0) + 1}
    answered = dict.fromkeys((str(one) for one in Arming), day_of(at))
    return replace(state, watch=None, armed={}, answered=answered, waiting=None, ends=ends)


_AFTER = {
    Kind.ARMED: _armed,
    Kind.DISARMED: _disarmed,
    Kind.WAITING: _waiting,
    Kind.TRIGGERED: _triggered,
    Kind.TRAINING: _training,
    Kind.TRAINED: _trained,
    Kind.JUDGED: _judged,
    Kind.PROMOTED: _promoted,
    Kind.REFUSED: _refused,
    Kind.FAILED: _failed,
    Kind.WATCHED: _watched,
    Kind.KEPT: _kept,
    Kind.ROLLED_BACK: _rolled_back,
}


def _open(state: LoopState, entry: LoopEntry, phase: Phase) -> Run:
    run = state.run
    if run is None or entry.run != run.id:
        raise ValueError(f"speaks of run {entry.run}, which is not open")
    _check(run.phase is phase, f"cannot follow: the run is {run.phase}")
    return run


def _watch(state: LoopState, entry: LoopEntry) -> Watch:
    watch = state.watch
    if watch is None or entry.run != watch.run:
        raise ValueError(f"speaks of the promotion by run {entry.run}, which is not watched")
    return watch


def _said(value: Said | None, what: str) -> Said:
    if value is None:
        raise ValueError(f"does not name {what}")
    return value


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _moment(text: object) -> int:
    return moment_us(text)
