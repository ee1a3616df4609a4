"""Which entries may follow which: a ledger that was forged is not believed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ray_pipeline.config.retrain import Arming
from ray_pipeline.retrain.records import LoopEntry, day_of
from ray_pipeline.retrain.state import fold, fold_all
from ray_pipeline.testing.store import MemoryStore
from tests.unit.retrain.worlds import FEW, FINE, LOST, WON, World, at, entries_of, kinds, step


@pytest.fixture
def promoted() -> tuple[LoopEntry, ...]:
    """A run from its signal to its promotion."""
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    found = entries_of(store)
    assert kinds(found)[-3:] == ["trained", "judged", "promoted"]
    return found


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"challenger": 9}, "another version than the one that was judged"),
        ({"champion": 9}, "another version than the one that was judged against"),
        ({"champion": None}, "another version than the one that was judged against"),
        ({"run": "0" * 16}, "is not open"),
        ({"number": 9}, "says that it is entry 9"),
        ({"at": "2013-05-01T00:00:00Z"}, "earlier moment"),
    ],
)
def test_a_promotion_is_of_the_versions_that_were_judged(
    promoted: tuple[LoopEntry, ...], changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        fold_all([*promoted[:-1], replace(promoted[-1], **changes)])


@pytest.mark.parametrize("kind", ["promoted", "refused"])
def test_nothing_is_promoted_or_refused_before_it_was_judged(promoted: tuple[LoopEntry, ...], kind: str) -> None:
    trained = fold_all(promoted[:-2])
    with pytest.raises(ValueError, match="the run is trained"):
        fold(trained, replace(promoted[-1], kind=kind, number=trained.number + 1))


def test_a_look_with_too_few_rows_is_no_look() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    world.signals = (FINE,)
    for days, look, looks in ((7, FEW, 0), (8, LOST, 1), (9, LOST, 1)):
        world.look = look
        step(world, store, at(days))
        watch = fold_all(entries_of(store)).watch
        assert watch is not None
        assert watch.looks == looks


def test_what_was_answered_is_asked_of_a_new_champion_and_not_again_after_a_rollback() -> None:
    world, store = World(win=lambda _run: True), MemoryStore()
    step(world, store, at(0))
    assert fold_all(entries_of(store)).answered == {}
    world.look, world.signals = WON, (FINE,)
    step(world, store, at(8))
    assert entries_of(store)[-1].kind == "rolled_back"
    assert set(fold_all(entries_of(store)).answered) == set(Arming)
    assert set(fold_all(entries_of(store)).answered.values()) == {day_of(at(8))}
