"""A world for the loop: a registry of numbers, signals by script, trainings that cost nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from ray_pipeline.config.retrain import Arming, RetrainConfig
from ray_pipeline.errors import AliasConflictError
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.retrain.observed import Champion, Observed, Signal
from ray_pipeline.retrain.records import DAY, Kind, LoopEntry
from ray_pipeline.retrain.state import WEEK, LoopState, Run, Watch
from ray_pipeline.runtime.retrain.ledger import LoopLedger
from ray_pipeline.runtime.retrain.loop import Loop
from ray_pipeline.testing.clock import FrozenClock

PIPELINE, MODEL = "flights", "late_arrival"
START = 1_370_044_800_000_000
"""2013-06-01."""
POLICY = RetrainConfig(spec=Path("model.yaml"))
WON = {"win": True, "enough": True, "reason": "the second one is better"}
LOST = {"win": False, "enough": True, "reason": "the second one is not shown to be better"}
FEW = {"win": False, "enough": False, "reason": "too little to judge by"}


def loss(excess: float, low: float | None = None, name: Arming = Arming.LABELS, days: int = 14) -> Signal:
    """A champion's loss above its own; the low end of the interval lies a bit below it."""
    return Signal(name, excess, excess - 0.005 if low is None else low, excess + 0.005, 9000, days, said="as seen")


BAD, FINE = loss(0.05), loss(0.0)


def at(days: float) -> int:
    """A moment, counted from the start."""
    return START + round(days * DAY)


def quiet(_point: str) -> None:
    """Nothing happens between."""


@dataclass(eq=False)
class World:
    """What is outside of the ledger, and stays when a step dies."""

    champion: int = 1
    versions: int = 1
    moves: list[tuple[str, int, int]] = field(default_factory=list)
    """(run, from, to)."""
    trained: dict[str, int] = field(default_factory=dict)
    signals: tuple[Signal, ...] = (BAD,)
    afterwards: tuple[Signal, ...] = (FINE,)
    """What is said of another champion."""
    new_labels: int | None = 10_000
    red: tuple[str, ...] = ()
    win: Callable[[str], bool] = lambda _run: False
    look: Mapping[str, Any] = field(default_factory=lambda: dict(LOST))
    fails: Callable[[str], Exception | None] = lambda _what: None


@dataclass(eq=False)
class WorldHands:
    """Does what the loop asks for; ``point`` is called around each effect, and may raise."""

    world: World
    point: Callable[[str], None] = quiet

    def observe(self, state: LoopState) -> Observed:
        world = self.world
        return Observed(
            MODEL,
            state,
            Champion(world.champion, START - 30 * DAY),
            world.signals,
            world.red,
            world.new_labels,
            START - 365 * DAY,
        )

    def train(self, run: Run) -> tuple[int, str, Mapping[str, Any]]:
        self._fail("train")
        self.point("before training")
        if run.id not in self.world.trained:
            self.world.versions += 1
            self.world.trained[run.id] = self.world.versions
        self.point("after training")
        return self.world.trained[run.id], "trained", {}

    def judge(self, run: Run) -> Mapping[str, Any]:
        self._fail("judge")
        return {"judgement": dict(WON if self.world.win(run.id) else LOST)}

    def promote(self, run: Run, reason: str, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
        self._fail("promote")
        assert evidence["judgement"]["win"] is True
        assert run.challenger is not None
        self.point("before promotion")
        undone = any(one[0] == run.id for one in self.world.moves) and self.world.moves[-1][0] != run.id
        if undone or (run.id, run.challenger, run.champion) in self.world.moves:  # as the registry's history tells
            raise AliasConflictError(MODEL, "champion", run.champion, self.world.champion)
        self._move(run.id, run.champion, run.challenger)
        self.point("after promotion")
        return {"move": len(self.world.moves)}

    def look(self, watch: Watch, at_us: int) -> Mapping[str, Any]:
        self._fail("look")
        return {"judgement": dict(self.world.look)}

    def roll_back(self, watch: Watch, reason: str, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
        self._fail("roll back")
        self.point("before rollback")
        if self.world.champion != watch.before and self.world.moves[-1][0] != watch.run:
            raise AliasConflictError(MODEL, "champion", watch.version, self.world.champion)
        self._move(watch.run, watch.version, watch.before)
        self.point("after rollback")
        return {}

    def _move(self, run: str, expected: int, to: int) -> None:
        if self.world.champion == to:
            return
        if self.world.champion != expected:
            raise AliasConflictError(MODEL, "champion", expected, self.world.champion)
        self.world.moves.append((run, expected, to))
        self.world.champion = to
        self.world.signals = self.world.afterwards

    def _fail(self, what: str) -> None:
        if (error := self.world.fails(what)) is not None:
            raise error


def loop_of(
    world: World,
    store: ObjectStore,
    now_us: int,
    policy: RetrainConfig = POLICY,
    *,
    seed: int = 0,
    point: Callable[[str], None] = quiet,
    check: Callable[[], None] = lambda: None,
) -> Loop:
    """Return a step's loop, as a process of its own has it."""
    ledger = LoopLedger(store, PIPELINE, MODEL, clock=FrozenClock(), rng=Random(seed))
    return Loop(policy, ledger, WorldHands(world, point), now_us, "tests", check=check)


def step(world: World, store: ObjectStore, now_us: int, policy: RetrainConfig = POLICY) -> tuple[LoopEntry, ...]:
    """Take one step; return what it wrote."""
    loop = loop_of(world, store, now_us, policy)
    loop.go_on()
    return tuple(loop.written)


def kinds(entries: Sequence[LoopEntry]) -> list[str]:
    return [one.kind for one in entries]


def entries_of(store: ObjectStore) -> tuple[LoopEntry, ...]:
    """Return the ledger as a reader sees it; reading folds it."""
    return LoopLedger(store, PIPELINE, MODEL, clock=FrozenClock()).entries()


def check_promises(entries: Sequence[LoopEntry], world: World, policy: RetrainConfig) -> None:
    """Hold what the loop promises of any ledger."""
    begun = [one for one in entries if one.kind == Kind.TRIGGERED]
    assert len({one.run for one in begun}) == len(begun), "a run was begun twice"
    starts = [one.at_us for one in begun]
    for number, start in enumerate(starts):
        week = [one for one in starts[: number + 1] if one > start - WEEK]
        assert len(week) <= policy.weekly_budget, "over budget"
        if number:
            assert start - starts[number - 1] >= policy.cooldown_days * DAY, "within the cooldown"
    run: str | None = None
    judged: dict[str, LoopEntry] = {}
    promoted, back = [], []
    for one in entries:
        if one.kind == Kind.TRIGGERED:
            assert run is None, "two runs at once"
            run = one.run
        elif one.kind == Kind.JUDGED:
            judged[one.run or ""] = one
        elif one.kind in (Kind.PROMOTED, Kind.REFUSED, Kind.FAILED):
            assert run is not None
            assert one.run == run
            run = None
        if one.kind == Kind.PROMOTED:
            evidence = judged[one.run or ""]
            assert evidence.challenger == one.challenger
            assert evidence.evidence["judgement"]["win"] is True
            promoted.append((one.run, one.champion, one.challenger))
        if one.kind == Kind.ROLLED_BACK:
            back.append((one.run, one.champion, one.challenger))
    done = [one for one in world.moves if one[0] != "by hand"]
    assert len(set(done)) == len(done), "moved twice"
    assert {*promoted, *back} <= set(done), "the ledger says what was not done"
    assert set(world.trained) <= {one.run for one in begun}, "trained without a trigger"


def policy(**changes: Any) -> RetrainConfig:
    """The default policy with changes."""
    return POLICY.model_copy(update=changes)
