"""Whatever goes wrong, and whoever comes between: every landed row is exactly one of published, quarantined, held."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.errors import CommitUnknownError, StoreUnavailableError, UsageError
from ray_pipeline.gate.entries import Decision, OffsetSpan, Selection
from ray_pipeline.gate.release import release_held, release_quarantine
from ray_pipeline.gate.verify import TableFiles, verify_gate
from ray_pipeline.lake.verify_report import Status
from ray_pipeline.sla.result import CheckResult, Verdict
from ray_pipeline.testing.store import MemoryStore
from tests.unit.gate.worlds import DAYS, PIPELINE, TOPIC, Verdicts, World, places, result

KINDS = ("crash before", "crash after", "lost reply", "no answer", "late", "rival", "twin", "person")


class Crash(Exception):
    """The gate's process is gone."""


class FaultyStore:
    """The store as one gate sees it: at chosen calls something happens."""

    def __init__(
        self, truth: MemoryStore, events: dict[int, Callable[[FaultyStore, Callable[[], object]], None]]
    ) -> None:
        self.truth, self.events = truth, events
        self.calls = 0
        self.late: list[Callable[[], object]] = []
        self.url = truth.url

    def uri(self, key: str) -> str:
        return self.truth.uri(key)

    def _do(self, effect: Callable[[], object]) -> object:
        self.calls += 1
        event = self.events.pop(self.calls, None)
        if event is not None:
            event(self, effect)
        return effect()

    def get(self, key: str) -> bytes | None:
        return self._do(lambda: self.truth.get(key))  # type: ignore[return-value]

    def put(self, key: str, data: bytes) -> None:
        self._do(lambda: self.truth.put(key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._do(lambda: self.truth.put_if_absent(key, data))  # type: ignore[return-value]

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._do(lambda: list(self.truth.list(prefix))))  # type: ignore[call-overload, no-any-return]

    def delete(self, key: str) -> None:
        raise AssertionError("a gate deletes nothing")


class Fate:
    """Makes the events of one world, and its verdicts, from a seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.rng = world, Random(seed)
        self.decided: list[Decision] = []

    def verdicts(self) -> Verdicts:
        bad = {day: self.rng.choice([None, Verdict.FAILED, Verdict.PENDING, Verdict.UNKNOWN]) for day in DAYS}
        rows = {f"row.{by}": by for by in (2, 3, 7) if self.rng.random() < 0.4}

        def of(day: str) -> list[CheckResult]:
            verdict = bad[day]
            return [] if verdict is None else [result("day", verdict, day=day)]

        return Verdicts(of, rows)

    def event(self, kind: str, run_id: str) -> Callable[[FaultyStore, Callable[[], object]], None]:
        def happen(store: FaultyStore, effect: Callable[[], object]) -> None:
            match kind:
                case "crash before":
                    raise Crash
                case "crash after":
                    effect()
                    raise Crash
                case "lost reply":
                    effect()
                    raise StoreUnavailableError(store.url, "answer", "simulated")
                case "no answer":
                    raise StoreUnavailableError(store.url, "answer", "simulated")
                case "late":
                    store.late.append(effect)
                    raise StoreUnavailableError(store.url, "answer", "simulated")
                case "rival":
                    rival = f"rival-{run_id}-{len(self.decided)}"
                    self.decided.append(self.world.gate(rival, self.verdicts()))
                case "twin":
                    self.decided.append(self.world.gate(run_id, self.verdicts()))
                case _:
                    self.person()

        return happen

    def person(self) -> None:
        """Release something, if there is anything to release."""
        ledger = self.world.ledger()
        try:
            if self.rng.random() < 0.5:
                release_held(ledger, self.rng.choice(DAYS), "seen and fine", "ann")
            else:
                span = OffsetSpan(self.rng.randrange(2), 0, self.rng.randrange(1, 30))
                choices = [Selection(day=DAYS[0]), Selection(check="row.2"), Selection(offsets=(span,))]
                release_quarantine(
                    ledger, self.rng.choice(choices), "seen and fine", "ann", waive=self.rng.random() < 0.5
                )
        except UsageError:
            pass  # there is nothing of the kind


def run_to_the_end(world: World, fate: Fate, run_id: str, events: dict[int, str]) -> Decision:
    """Run a gate, and again with the same run id as often as it dies."""
    store = FaultyStore(world.store, {k: fate.event(kind, run_id) for k, kind in events.items()})
    for _ in range(len(events) + 2):
        try:
            decision = world.gate(run_id, fate.verdicts(), store=store)
        except (Crash, StoreUnavailableError, CommitUnknownError):
            continue
        while store.late:
            store.late.pop()()  # what the gate gave up waiting for happens after all
        fate.decided.append(decision)
        return decision
    raise AssertionError("died more often than it was killed")


def all_is_well(world: World, decided: list[Decision]) -> None:
    ledger = world.ledger()
    state = ledger.state()
    assert not state.pending_held and not state.pending_quarantine
    for decision in decided:
        assert ledger.decision(decision.n) == decision
    entries = list(ledger.entries())
    assert [entry.n for entry, _ in entries] == list(range(state.n + 1))
    decisions = [entry for entry, _ in entries if isinstance(entry, Decision)]
    assert len({decision.run_id for decision in decisions}) == len(decisions)
    published = [file for decision in decisions for file in decision.publish]
    assert len({file.key for file in published}) == len(published)
    rows = places(world.store, state)
    assert rows["landed"] == sorted([*rows["published"], *rows["quarantined"], *rows["held"]])
    assert len(set(rows["landed"])) == len(rows["landed"]) == state.landed
    assert [len(rows[name]) for name in ("published", "quarantined", "held")] == [
        state.published,
        state.quarantined,
        state.held_rows,
    ]
    table = TableFiles(tuple((world.store.uri(file.key), file.rows) for file in published), state.decision)
    for found in verify_gate(world.store, PIPELINE, TOPIC, table=table):
        assert found.status is Status.HELD, found


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("land"), st.integers(1, 12), st.integers(0, 1)),
            st.tuples(
                st.just("gate"), st.dictionaries(st.integers(1, 60), st.sampled_from(KINDS), max_size=4), st.just(0)
            ),
            st.tuples(st.just("person"), st.just(0), st.just(0)),
            st.tuples(st.just("again"), st.just(0), st.just(0)),
        ),
        max_size=8,
    ),
)
def test_every_row_is_in_one_place_whatever_happens(seed: int, steps: list[tuple[str, object, int]]) -> None:
    world = World()
    fate = Fate(world, seed)
    decided: dict[str, Decision] = {}
    for i, (what, size, partition) in enumerate([("land", 9, 0), *steps, ("gate", {}, 0)]):
        match what, size:
            case "land", int():
                world.land(size, partition)
            case "gate", dict():
                decided[f"run-{i}"] = run_to_the_end(world, fate, f"run-{i}", size)
            case "person", _:
                fate.person()
            case _:
                for run_id, decision in decided.items():
                    assert world.gate(run_id, fate.verdicts()) == decision
    all_is_well(world, fate.decided)
    assert world.ledger().state().landed == sum(writer.log.tail.good for writer in world.writers)


@pytest.fixture(scope="module")
def prepared() -> World:
    """New, held and quarantined rows, and a release of each kind that waits: one gate with all it can have to do."""
    world = World()
    world.land(12)
    by_day = {DAYS[0]: [result("day")], DAYS[1]: []}
    world.gate("first", Verdicts(lambda day: by_day[day], {"row.2": 2}))
    world.land(6, 1)
    release_held(world.ledger(), DAYS[0], "seen", "ann")
    release_quarantine(world.ledger(), Selection(day=DAYS[1]), "seen", "ann", waive=True)
    world.land(6)
    return world


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_may_die_or_be_overtaken_at_every_single_call(prepared: World, kind: str) -> None:
    calls = FaultyStore(prepared.copy().store, {})
    prepared.copy().gate("count", Verdicts(rows={"row.2": 2}), store=calls)
    assert calls.calls > 30
    step = 1 if kind.startswith("crash") or kind == "rival" else 3
    for k in range(1, calls.calls + 1, step):
        world = prepared.copy()
        fate = Fate(world, k)
        decision = run_to_the_end(world, fate, "run", {k: kind})
        assert world.gate("run") == decision
        world.gate("last")
        all_is_well(world, fate.decided)
        assert world.ledger().state().landed == 24


def test_two_gates_with_one_run_id_decide_once(prepared: World) -> None:
    world = prepared.copy()
    ledger, late = world.ledger(), world.ledger()
    state = late.state()
    slow = world.decide(late, state, "run", Verdicts(), world.store)
    decision = world.gate("run")
    assert not late.append(slow)
    assert late.find_run("run") == ledger.find_run("run") == decision
    all_is_well(world, [decision])
