"""Whoever moves or adds at the same moment, and whatever the store answers: no move is lost, none is made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.errors import AliasConflictError, CommitUnknownError, StoreUnavailableError
from ray_pipeline.runtime.models.aliases import AliasMove, fold, rollback_target
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from tests.property.simulation.baton import Baton
from tests.unit.models.versions import NAME, PIPELINE, files, version, with_versions

VERSIONS = 3
FAULTS = (None, "no answer", "lost reply", "repeated", "late")


class SharedStore:
    """One store of several processes: between any two calls another process may run, and some replies are lost."""

    def __init__(self, baton: Baton, rng: Random, share: float) -> None:
        self.truth, self.url = MemoryStore(), "memory://lake"
        self._baton, self._rng, self._share = baton, rng, share
        self._late: list[Callable[[], object]] = []

    def uri(self, key: str) -> str:
        return self.truth.uri(key)

    def get(self, key: str) -> bytes | None:
        found: bytes | None = self._do(lambda: self.truth.get(key))
        return found

    def put_if_absent(self, key: str, data: bytes) -> bool:
        created: bool = self._do(lambda: self.truth.put_if_absent(key, data), writes=True)
        return created

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._do(lambda: list(self.truth.list(prefix))))

    def put(self, key: str, data: bytes) -> None:
        raise AssertionError("nothing of a registry is ever written over")

    def delete(self, key: str) -> None:
        raise AssertionError("a registry deletes nothing")

    def _do(self, effect: Callable[[], Any], *, writes: bool = False) -> Any:
        self._baton.step()
        while self._late and self._rng.random() < 0.5:
            self._late.pop(0)()
        fault = self._rng.choice(FAULTS) if writes and self._rng.random() < self._share else None
        if fault in ("no answer", "lost reply", "late"):
            if fault == "lost reply":
                effect()
            if fault == "late":  # on its way: it arrives after its sender gave up waiting
                self._late.append(effect)
            raise StoreUnavailableError(self.url, "answer", "simulated")
        found = effect()
        self._baton.step()
        return False if fault == "repeated" else found

    def settle(self) -> None:
        """Let everything arrive that is still on its way."""
        for effect in self._late:
            effect()


def _registry(store: SharedStore, seed: int) -> ModelRegistry:
    return ModelRegistry(store, PIPELINE, clock=FrozenClock(), rng=Random(seed))


def _together(seed: int, bodies: list[Callable[[], None]], baton: Baton) -> None:
    for number, body in enumerate(bodies):
        baton.spawn(f"{seed}-{number}", body)
    while len(baton.alive) > 1:
        baton.step()
        assert baton.steps < 20_000
    assert not baton.failures


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), movers=st.integers(2, 3), share=st.sampled_from([0.0, 0.2, 0.6]))
def test_movers_at_once_lose_no_move_and_never_both_win_from_the_same_version(
    seed: int, movers: int, share: float
) -> None:
    rng = Random(seed)
    baton = Baton(Random(seed + 1))
    store = SharedStore(baton, rng, share)
    store.truth.objects.update(_versions())
    made: list[AliasMove] = []
    unsure: list[str] = []

    def mover(number: int) -> Callable[[], None]:
        registry = _registry(store, seed + 10 + number)
        chosen = Random(seed + 20 + number)

        def body() -> None:
            for _ in range(4):
                alias, target = chosen.choice(["champion", "challenger"]), chosen.randint(1, VERSIONS)
                expected = registry.aliases(NAME).get(alias)
                if expected == target:
                    continue
                who = f"{number}-{chosen.getrandbits(40)}"
                try:
                    made.append(
                        registry.move(
                            NAME, alias, target, expected=expected, who=who, reason="", kind="promote"
                        )
                    )  # fmt: skip
                except AliasConflictError as conflict:
                    assert conflict.found != expected
                except CommitUnknownError:
                    unsure.append(who)

        return body

    _together(seed, [mover(number) for number in range(movers)], baton)
    store.settle()
    final = with_versions_read(store.truth)
    history = final.history(NAME)
    assert [move.number for move in history] == list(range(1, len(history) + 1))
    assert len({move.nonce for move in history}) == len(history)
    assert set(made_ids(made)) <= set(made_ids(history)), "a move that succeeded is not in the history"
    assert len(set(made_ids(made))) == len(made), "two movers were told of one move"
    for move in history:
        if move.nonce not in {one.nonce for one in made}:
            assert move.who in unsure, "a move that failed is in the history"
    # Each move begins where the one before it ended: no two of an alias began from the same state.
    assert fold(history) == final.aliases(NAME)
    assert final.revision(NAME) == len(history)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), trainers=st.integers(2, 3), share=st.sampled_from([0.0, 0.3]))
def test_trainers_at_once_get_a_number_each_and_equal_trainings_share_one(
    seed: int, trainers: int, share: float
) -> None:
    rng = Random(seed)
    baton = Baton(Random(seed + 1))
    store = SharedStore(baton, rng, share)
    given_: dict[str, set[int]] = {}
    created: list[int] = []
    trained = [rng.choice(["p1", "p2"]) for _ in range(trainers)]

    def trainer(number: int) -> Callable[[], None]:
        registry = _registry(store, seed + 10 + number)

        def body() -> None:
            try:
                # Two trainings that come to the same are not the same bytes: each says who ran it.
                manifest, new = registry.add(
                    version(trained[number], created_by=f"trainer {number}"), files(trained[number])
                )
            except (CommitUnknownError, StoreUnavailableError):
                return
            given_.setdefault(trained[number], set()).add(manifest.number)
            if new:
                created.append(manifest.number)

        return body

    _together(seed, [trainer(number) for number in range(trainers)], baton)
    before = dict(store.truth.objects)
    final = with_versions_read(store.truth)
    assert len(set(created)) == len(created)
    assert all(len(numbers) == 1 for numbers in given_.values())
    for name, numbers in given_.items():
        (number,) = numbers
        manifest = final.manifest(NAME, number)
        assert manifest.predictions_sha256 == name
        assert {file: final.file(manifest, file) for file in manifest.files} == files(name)
    store.settle()
    assert {key: store.truth.objects[key] for key in before} == before, "something was written over"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.integers(1, VERSIONS), st.just("rollback"), st.just("demote")), max_size=20))
def test_rollbacks_undo_promotions_one_after_the_other(orders: list[int | str]) -> None:
    registry = with_versions(VERSIONS)
    stack: list[int | None] = [None]
    for order in orders:
        present = registry.aliases(NAME).get("champion")
        assert present == stack[-1]
        if order == "rollback":
            target = rollback_target(registry.history(NAME))
            assert target == (stack[-2] if len(stack) > 1 else None)
            if target is None:
                continue
            stack.pop()
            kind = "rollback"
        elif order == present or (order == "demote" and present is None):
            continue
        else:
            target, kind = (None, "demote") if order == "demote" else (int(order), "promote")
            stack.append(target)
        registry.move(NAME, "champion", target, expected=present, who="ann", reason="", kind=kind)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_versions_never_change_while_aliases_move(share: float) -> None:
    baton = Baton(Random(1))
    store = SharedStore(baton, Random(2), share)
    store.truth.objects.update(_versions())
    before = dict(store.truth.objects)
    registry = _registry(store, 3)
    for number in (1, 2, 3):
        registry.move(NAME, "champion", number, expected=number - 1 or None, who="a", reason="", kind="promote")
    assert {key: data for key, data in store.truth.objects.items() if key in before} == before


def _versions() -> dict[str, bytes]:
    if not _KEPT:
        store = MemoryStore()
        with_versions(VERSIONS, store)
        _KEPT.update(store.objects)
    return _KEPT


_KEPT: dict[str, bytes] = {}


def with_versions_read(truth: MemoryStore) -> ModelRegistry:
    return ModelRegistry(truth, PIPELINE, clock=FrozenClock(), rng=Random(0))


def made_ids(moves: Any) -> list[str]:
    return [move.nonce for move in moves]
