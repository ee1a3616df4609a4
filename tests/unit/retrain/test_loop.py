"""Whole stories of the loop in a world of numbers."""

from __future__ import annotations

import pytest

from ray_pipeline.errors import (
    AliasConflictError,
    FileCorruptError,
    ModelFileError,
    RetrainError,
    StoreUnavailableError,
    TrainingError,
)
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.retrain.records import LoopEntry
from ray_pipeline.runtime.retrain.keys import entry_key
from ray_pipeline.testing.store import MemoryStore
from tests.unit.retrain.worlds import (
    BAD,
    FEW,
    FINE,
    MODEL,
    PIPELINE,
    POLICY,
    WON,
    World,
    at,
    check_promises,
    entries_of,
    kinds,
    loop_of,
    policy,
    step,
)

REFUSED = ["armed", "triggered", "training", "trained", "judged", "refused"]
PROMOTED = [*REFUSED[:-1], "promoted"]


def test_a_challenger_that_does_not_win_is_refused_and_the_signal_needs_another_day() -> None:
    world, store = World(), MemoryStore()
    assert kinds(step(world, store, at(0))) == REFUSED
    assert step(world, store, at(0.5)) == ()
    assert kinds(step(world, store, at(1))) == ["armed", "waiting"]
    assert step(world, store, at(13.9)) == ()
    assert kinds(step(world, store, at(14))) == REFUSED[1:]
    assert world.champion == 1
    check_promises(entries_of(store), world, POLICY)


def test_new_labels_are_needed_after_a_refusal() -> None:
    world, store = World(), MemoryStore()
    step(world, store, at(0))
    world.new_labels = 12
    assert kinds(step(world, store, at(20))) == ["armed", "waiting"]
    assert entries_of(store)[-1].code == "labels"
    world.new_labels = 5000
    assert kinds(step(world, store, at(21))) == REFUSED[1:]


def test_a_winner_is_promoted_watched_and_kept() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    assert kinds(step(world, store, at(0))) == PROMOTED
    assert world.champion == 2
    world.signals = (FINE,)
    assert kinds(step(world, store, at(7))) == ["watched"]
    assert kinds(step(world, store, at(14))) == ["watched", "kept"]
    assert entries_of(store)[-1].code == "no loss"
    check_promises(entries_of(store), world, POLICY)


def test_a_promotion_that_loses_is_rolled_back() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    world.look, world.signals = WON, (FINE,)
    assert kinds(step(world, store, at(8))) == ["watched", "rolled_back"]
    assert world.champion == 1
    assert [one[1:] for one in world.moves] == [(1, 2), (2, 1)]
    check_promises(entries_of(store), world, POLICY)


def test_nothing_is_trained_while_a_promotion_is_watched() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    world.signals = (BAD,)
    assert kinds(step(world, store, at(1))) == ["armed", "waiting"]
    assert entries_of(store)[-1].code == "watching"
    world.win = lambda _run: False
    assert kinds(step(world, store, at(14))) == ["watched", "kept", *REFUSED[1:]]


def test_a_watch_whose_labels_never_come_ends() -> None:
    world, store = World(win=lambda _run: True, look=FEW), MemoryStore()
    step(world, store, at(0))
    world.signals = (FINE,)
    written = [one for day in range(1, 40) for one in step(world, store, at(day))]
    assert written[-1].code == "too few rows"
    assert len(written) < 30


def test_a_training_that_fails_ends_the_run_and_the_champion_stays() -> None:
    world, store = World(), MemoryStore()
    world.fails = lambda what: TrainingError(MODEL, "the fit died") if what == "train" else None
    assert kinds(step(world, store, at(0))) == ["armed", "triggered", "training", "failed"]
    assert entries_of(store)[-1].evidence == {"error": "TrainingError"}
    assert "the fit died" in entries_of(store)[-1].reason
    world.fails = lambda _what: None
    assert kinds(step(world, store, at(1))) == ["armed", "waiting"]
    assert entries_of(store)[-1].code == "cooldown"
    assert kinds(step(world, store, at(14)))[-1] == "refused"
    assert world.champion == 1


@pytest.mark.parametrize(
    ("what", "error", "end", "code"),
    [
        ("judge", ModelFileError("late_arrival/2", "model.skops", "is gone"), "failed", "judging"),
        ("promote", ModelFileError("late_arrival/2", "model.skops", "is gone"), "failed", "promotion"),
        ("promote", AliasConflictError(MODEL, "champion", 1, 9), "refused", "champion moved"),
    ],
)
def test_what_cannot_be_judged_or_promoted_ends_the_run(what: str, error: Exception, end: str, code: str) -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    world.fails = lambda asked: error if asked == what else None
    last = step(world, store, at(0))[-1]
    assert (last.kind, last.code) == (end, code)
    assert world.champion == 1


def test_a_rollback_that_cannot_be_is_said_and_the_promotion_stays() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    world.look, world.signals = WON, (FINE,)
    world.fails = lambda what: (
        ModelFileError("late_arrival/1", "model.skops", "is gone") if what == "roll back" else None
    )
    last = step(world, store, at(8))[-1]
    assert (last.kind, last.code, world.champion) == ("kept", "cannot roll back", 2)


def test_a_store_that_does_not_answer_ends_the_step_and_not_the_run() -> None:
    world, store = World(), MemoryStore()
    world.fails = lambda what: StoreUnavailableError("lake", "get", "no answer") if what == "train" else None
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            step(world, store, at(0))
    assert kinds(step(world, store, at(0))) == ["failed"]
    assert entries_of(store)[-1].code == "interrupted"


def test_somebody_who_promotes_another_version_meanwhile_wins() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()

    def meddle(what: str) -> None:
        if what == "judge":
            world.champion = 9

    world.fails = meddle
    last = step(world, store, at(0))[-1]
    assert (last.kind, last.code, world.champion) == ("refused", "champion moved", 9)


def test_a_red_gate_is_written_down_once() -> None:
    world, store = World(red=("arrivals has 1 day held back (2013-06-01)",)), MemoryStore()
    assert kinds(step(world, store, at(0))) == ["armed", "waiting"]
    assert [one for hour in range(1, 100) for one in step(world, store, at(hour / 24))] == []
    world.red = ()
    assert kinds(step(world, store, at(5))) == REFUSED[1:]


def test_a_signal_that_goes_by_itself_disarms() -> None:
    world, store = World(red=("red",)), MemoryStore()
    step(world, store, at(0))
    world.signals = (FINE,)
    assert kinds(step(world, store, at(1))) == ["disarmed"]
    world.signals, world.red = (BAD,), ()
    assert kinds(step(world, store, at(2))) == REFUSED


def test_without_a_spec_nothing_is_trained() -> None:
    world, store = World(), MemoryStore()
    assert step(world, store, at(0), policy(spec=None))[-1].code == "no spec"


def changed(store: MemoryStore, number: int, **values: object) -> None:
    key = entry_key(PIPELINE, MODEL, number)
    store.objects[key] = seal(unseal(store.objects[key]) | values)


def test_a_ledger_that_was_changed_is_not_believed() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    key = entry_key(PIPELINE, MODEL, 5)
    whole = dict(store.objects)
    store.objects[key] = store.objects[key].replace(b'"win":true', b'"win":false')
    with pytest.raises(FileCorruptError, match="SHA-256"):
        entries_of(store)
    store.objects.update(whole)
    judged = unseal(store.objects[key])
    changed(store, 5, evidence={**judged["evidence"], "judgement": {"win": False}})
    with pytest.raises(FileCorruptError, match="promotes a version that won no judgement"):
        entries_of(store)
    store.objects.update(whole)
    changed(store, 6, challenger=7)
    with pytest.raises(FileCorruptError, match="another version than the one that was judged"):
        entries_of(store)


def test_entries_survive_the_way_into_the_store_and_back() -> None:
    world, store = World(), MemoryStore()
    written = step(world, store, at(0))
    assert entries_of(store) == written
    assert all(LoopEntry.from_json(one.to_json()) == one for one in written)
    with pytest.raises(ValueError, match="no entry"):
        LoopEntry.from_json({**written[0].to_json(), "kind": "dreamt"})


def test_a_step_that_slept_does_not_promote_again_what_lost_meanwhile() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    slept = []

    def sleep(point: str) -> None:
        if point == "before promotion" and not slept:
            slept.append(point)
            step(world, store, at(0))  # another one goes on, promotes, and rolls back
            world.look = WON
            step(world, store, at(8))

    late = loop_of(world, store, at(0), point=sleep)
    late.go_on()
    assert [one[1:] for one in world.moves] == [(1, 2), (2, 1)]
    assert entries_of(store)[-1].kind == "rolled_back"
    assert late.written[-1].kind == "judged"


def test_a_step_without_its_lease_moves_nothing() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    here = []

    def check() -> None:
        here.append(entries_of(store)[-1].kind if entries_of(store) else "")
        if here[-1] == "judged":
            raise RetrainError(MODEL, "this step lost its lease")

    with pytest.raises(RetrainError, match="lost its lease"):
        loop_of(world, store, at(0), check=check).go_on()
    assert world.moves == []


def test_a_version_that_a_person_promoted_anew_is_not_rolled_back() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    world.moves += [("by hand", 2, 1), ("by hand", 1, 2)]
    world.look, world.signals = WON, (FINE,)
    last = step(world, store, at(8))[-1]
    assert (last.kind, last.code, world.champion) == ("kept", "champion moved", 2)
    assert "was another one meanwhile" in last.reason
