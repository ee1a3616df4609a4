"""Whatever comes between: one run for one signal, never two at once, never over budget, none lost, none repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.config.retrain import Arming, RetrainConfig
from ray_pipeline.errors import CommitUnknownError, RayPipelineError, StoreUnavailableError, TrainingError
from ray_pipeline.retrain.decide import Action, decide
from ray_pipeline.retrain.observed import Champion, Observed, Signal
from ray_pipeline.retrain.records import Kind
from ray_pipeline.retrain.state import Armed, LoopState, Phase, Run, Watch, fold_all
from ray_pipeline.runtime.retrain.lease import Leases
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from tests.property.simulation.baton import Baton
from tests.unit.retrain.worlds import (
    BAD,
    FEW,
    FINE,
    LOST,
    MODEL,
    PIPELINE,
    POLICY,
    START,
    WON,
    World,
    at,
    check_promises,
    entries_of,
    kinds,
    loop_of,
    loss,
    policy,
    step,
)


class Crash(Exception):
    """The step's process is gone."""


def test_ten_thousand_repeated_signals_are_one_run() -> None:
    world, store = World(), MemoryStore()
    loop = loop_of(world, store, at(0))
    rng = Random(7)
    for number in range(10_000):
        if number % 500 == 0:  # another process, which has read nothing yet
            loop = loop_of(world, store, at(0), seed=number)
        loop.now_us = at(rng.random() * 13.9)  # also back and forth
        loop.go_on()
        loop.written.clear()
    entries = entries_of(store)
    assert kinds(entries).count(Kind.TRIGGERED) == 1
    assert len(world.trained) == 1
    assert len(entries) <= 10
    check_promises(entries, world, POLICY)


policies = st.builds(
    policy,
    cooldown_days=st.sampled_from([0.0, 0.5, 3.0]),
    weekly_budget=st.integers(0, 3),
    min_new_labels=st.sampled_from([0, 100]),
    watch_days=st.sampled_from([1.0, 9.0]),
    deadline_days=st.sampled_from([2.0, 60.0]),
)
SIGNALS = ((), (BAD,), (FINE,), (loss(0.015),), (BAD, loss(0.05, name=Arming.ESTIMATE)))


def shaken(world: World, rng: Random) -> None:
    """Let the world be another one."""
    world.signals = rng.choice(SIGNALS)
    world.afterwards = rng.choice(SIGNALS)
    world.new_labels = rng.choice([None, 0, 100, 10_000])
    world.red = rng.choice([(), (), ("red",)])
    world.look = rng.choice([WON, LOST, FEW])
    odds = rng.random()
    world.win = lambda run: Random(f"{run}{odds}").random() < 0.5
    broken = rng.choice(["", "", "", "train", "judge"])
    world.fails = lambda what: TrainingError(MODEL, "nothing to learn") if what == broken else None


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), policy=policies)
def test_any_days_of_any_signals_keep_every_promise(seed: int, policy: RetrainConfig) -> None:
    rng, world, store = Random(seed), World(), MemoryStore()
    now = 0.0
    for _ in range(25):
        now += rng.choice([0.0, 0.01, 0.6, 2.0, 8.0, -5.0])
        shaken(world, rng)
        if rng.random() < 0.1:
            world.champion = rng.randint(50, 99)  # somebody else
            world.moves.append(("by hand", 0, world.champion))
        step(world, store, at(now), policy)
    entries = entries_of(store)
    check_promises(entries, world, policy)
    assert fold_all(entries).run is None, "a step that was not interrupted leaves no run open"


class FaultyStore:
    """The store as one step sees it: replies are lost, and at some call the process dies."""

    def __init__(self, truth: MemoryStore, rng: Random, share: float, die_at: int) -> None:
        self.truth, self.url = truth, truth.url
        self._rng, self._share, self._left = rng, share, die_at

    def uri(self, key: str) -> str:
        return self.truth.uri(key)

    def get(self, key: str) -> bytes | None:
        found: bytes | None = self._do(lambda: self.truth.get(key))
        return found

    def put(self, key: str, data: bytes) -> None:
        self._do(lambda: self.truth.put(key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        created: bool = self._do(lambda: self.truth.put_if_absent(key, data), writes=True)
        return created

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._do(lambda: list(self.truth.list(prefix))))

    def delete(self, key: str) -> None:
        raise AssertionError("the loop deletes nothing")

    def point(self, _name: str) -> None:
        self._left -= 1
        if self._left == 0:
            raise Crash

    def _do(self, effect: Callable[[], Any], *, writes: bool = False) -> Any:
        self.point("before the store")
        fault = self._rng.random() if writes else 1.0
        if fault < self._share:
            if fault < self._share / 2:
                effect()
            raise StoreUnavailableError(self.url, "answer", "simulated")
        found = effect()
        self.point("after the store")
        return found


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.0, 0.3]), policy=policies)
def test_a_crash_at_any_step_neither_loses_nor_repeats_a_run(seed: int, share: float, policy: RetrainConfig) -> None:
    rng, world, store = Random(seed), World(), MemoryStore()
    now = 0.0
    for _ in range(12):
        now += rng.choice([0.0, 0.3, 4.0, 9.0])
        shaken(world, rng)
        world.fails = lambda _what: None
        for _try in range(rng.randint(0, 3)):
            faulty = FaultyStore(store, rng, share, rng.randint(1, 120))
            with suppress(Crash, CommitUnknownError):
                loop_of(world, faulty, at(now), policy, seed=rng.getrandbits(32), point=faulty.point).go_on()
        before = fold_all(entries_of(store)).run
        written = step(world, store, at(now), policy)
        if before is not None:
            ended = [one for one in written if one.run == before.id and one.kind in ("promoted", "refused", "failed")]
            assert len(ended) == 1, "the run was lost, or ended twice"
        check_promises(entries_of(store), world, policy)
    done = {one.run for one in entries_of(store) if one.kind in (Kind.PROMOTED, Kind.REFUSED, Kind.FAILED)}
    assert done == {one.run for one in entries_of(store) if one.kind == Kind.TRIGGERED}
    promoted = [one.run for one in entries_of(store) if one.kind == Kind.PROMOTED]
    assert sorted({run for run, expected, to in world.moves if to > expected}) == sorted(promoted)  # type: ignore[type-var]


def nothing() -> None:
    """A step without a lease has none to look at."""


class SharedStore(FaultyStore):
    """One store of several steps: between any two calls another one may run."""

    def __init__(self, baton: Baton, truth: MemoryStore, rng: Random, share: float) -> None:
        super().__init__(truth, rng, share, -1)
        self._baton = baton

    def point(self, _name: str) -> None:
        self._baton.step()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32), steps=st.integers(2, 3), share=st.sampled_from([0.0, 0.2]), leased=st.booleans(),
    policy=policies,
)  # fmt: skip
def test_steps_at_once_never_begin_two_runs(
    seed: int, steps: int, share: float, leased: bool, policy: RetrainConfig
) -> None:
    """With leases and without: they spare work, the ledger keeps the promise. Some of the clocks are set back."""
    rng, world, truth = Random(seed), World(win=lambda _run: True), MemoryStore()
    world.afterwards = (BAD,)
    baton = Baton(Random(seed + 1))
    baton.crash_share = 0.002
    store = SharedStore(baton, truth, rng, share)

    def body(number: int) -> Callable[[], None]:
        own = Random(seed + 10 + number)

        def run() -> None:
            now = 0.0
            for turn in range(4):
                now += own.choice([0.0, 1.0, 9.0, -20.0])
                clock = FrozenClock()
                clock.advance(own.choice([0.0, 0.0, -1e6, 30.0]))
                leases = Leases(
                    store, PIPELINE, MODEL, clock=clock, seconds=60.0, rng=own, is_gone=lambda _lease: False
                )
                try:
                    lease = leases.take(f"step {number}") if leased else None
                    check = nothing if lease is None else partial(leases.check, lease)
                    seeded = own.getrandbits(32) + turn
                    loop_of(world, store, at(now), policy, seed=seeded, point=store.point, check=check).go_on()
                    if lease is not None:
                        leases.release(lease)
                except (RayPipelineError, ValueError):
                    continue  # busy, lost, or the store would not say

        return run

    for number in range(steps):
        baton.spawn(f"step {number}", body(number))
    while len(baton.alive) > 1:
        baton.step()
        assert baton.steps < 200_000
    assert not baton.failures
    check_promises(entries_of(truth), world, policy)


moments = st.integers(START - 100 * 86_400_000_000, START + 100 * 86_400_000_000)
finite = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))
signal = st.builds(
    Signal,
    name=st.sampled_from(list(Arming)),
    excess=finite,
    low=finite,
    high=finite,
    rows=st.integers(0, 10),
    days=st.integers(0, 20),
    fired=st.one_of(st.none(), st.booleans()),
)
version = st.integers(1, 4)
judgement = st.sampled_from([None, WON, LOST, FEW, {}])
state = st.builds(
    LoopState,
    at_us=st.one_of(st.none(), moments),
    armed=st.dictionaries(st.sampled_from([str(one) for one in Arming]), st.builds(Armed, version, moments)),
    run=st.one_of(
        st.none(),
        st.builds(Run, st.just("r"), st.just("labels"), version, moments, version, st.sampled_from(list(Phase)),
                  st.integers(0, 5), st.one_of(st.none(), version), judgement),
    ),
    watch=st.one_of(
        st.none(),
        st.builds(Watch, st.just("r"), version, version, moments, moments, st.integers(0, 3),
                  st.one_of(st.none(), moments), judgement),
    ),
    starts=st.lists(moments, max_size=4).map(lambda found: tuple(sorted(found))),
    decided_us=st.one_of(st.none(), moments),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    state=state,
    signals=st.lists(signal, max_size=5),
    champion=st.one_of(st.none(), st.builds(Champion, version, st.one_of(st.none(), moments))),
    labels=st.one_of(st.none(), st.integers(0, 20_000)),
    red=st.booleans(),
    now=moments,
    arming=st.lists(st.sampled_from(list(Arming)), max_size=6),
)
def test_there_is_always_a_decision_and_none_without_what_it_needs(
    state: LoopState,
    signals: list[Signal],
    champion: Champion | None,
    labels: int | None,
    red: bool,
    now: int,
    arming: list[Arming],
) -> None:
    asked = policy(arming=tuple(arming))
    observed = Observed(MODEL, state, champion, tuple(signals), ("red",) if red else (), labels, None)
    found = decide(observed, asked, now)
    assert found == decide(observed, asked, now)
    assert found.reason
    assert found.at_us >= now
    if found.action is Action.TRIGGER:
        assert state.run is None
        assert state.watch is None
        assert not red
        assert labels is not None
        assert labels >= asked.min_new_labels
        assert found.signal in [str(one) for one in arming]
        week = [one for one in state.starts if one > found.at_us - 7 * 86_400_000_000]
        assert len(week) < asked.weekly_budget
    if found.action is Action.PROMOTE:
        assert state.run is not None
        assert state.run.won
    if found.action is Action.ROLL_BACK:
        assert state.watch is not None
        assert state.watch.lost
    if state.run is not None:
        assert found.action not in (Action.TRIGGER, Action.ARM, Action.LOOK)


@pytest.mark.parametrize("kind", ["promoted", "rolled_back", "trained", "judged", "refused"])
def test_no_entry_can_be_written_without_what_it_rests_on(kind: str) -> None:
    """Whatever a caller asks for: the ledger folds before it writes."""
    world, store = World(red=("red",)), MemoryStore()
    step(world, store, at(0))
    loop = loop_of(world, store, at(1))
    decision = loop.decided()
    entry = loop.ledger.entry(Kind(kind), decision, who="eve", policy="p", challenger=2)
    with pytest.raises(ValueError, match=r"not open|not watched"):
        loop.ledger.append(entry)
    assert len(entries_of(store)) == 2
