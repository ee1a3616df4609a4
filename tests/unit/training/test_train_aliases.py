"""Who is challenger after a training, whatever else happens at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from ray_pipeline.errors import AliasConflictError
from ray_pipeline.runtime.jobs.train_aliases import challenge
from ray_pipeline.runtime.models.aliases import AliasMove
from ray_pipeline.runtime.models.registry import ModelRegistry
from tests.unit.models.versions import NAME, files, registry, version


def train(models: ModelRegistry, training: str, **options: Any) -> tuple[AliasMove | None, list[str]]:
    found, created = models.add(version(training), files(training))
    said: list[str] = []
    return challenge(models, found, created=created, who="ann", reason="trained", say=said.append), said


def test_each_new_version_is_the_challenger() -> None:
    models = registry()
    first, _ = train(models, "p1")
    second, _ = train(models, "p2")
    assert first is not None
    assert second is not None
    assert [(move.kind, move.previous, move.version) for move in (first, second)] == [
        ("train", None, 1),
        ("train", 1, 2),
    ]


def test_what_is_challenger_already_moves_nothing() -> None:
    models = registry()
    train(models, "p1")
    assert train(models, "p1") == (None, [])
    assert models.revision(NAME) == 1


def test_an_older_version_that_is_trained_again_challenges_again() -> None:
    models = registry()
    train(models, "p1")
    train(models, "p2")
    move, _ = train(models, "p1")
    assert move is not None
    assert (move.previous, move.version) == (2, 1)


def test_the_champion_does_not_challenge_itself() -> None:
    models = registry()
    train(models, "p1")
    models.move(NAME, "champion", 1, expected=None, who="ann", reason="good", kind="promote")
    train(models, "p2")
    move, said = train(models, "p1")
    assert move is None
    assert "late/1 is champion already" in said[0]
    assert models.aliases(NAME) == {"champion": 1, "challenger": 2}


class Hurried(ModelRegistry):
    """One whose challenger somebody else moves, whenever we are about to."""

    others: list[int]

    def move(self, name: str, alias: str, version: int | None, **options: Any) -> AliasMove:
        if self.others:
            present = self.aliases(name).get(alias)
            super().move(name, alias, self.others.pop(0), **{**options, "expected": present, "who": "bob"})
        return super().move(name, alias, version, **options)


def hurried(*others: int) -> Hurried:
    """Return a registry of three versions in which bob makes these the challenger, one before each move of ours."""
    plain = registry()
    for training in ("p1", "p2", "p3"):
        plain.add(version(training), files(training))
    models = Hurried(plain.store, plain.pipeline)
    models.others = list(others)
    return models


def test_somebody_elses_older_challenger_gives_way() -> None:
    models = hurried(1)
    move = challenge(models, models.manifest(NAME, 2), created=True, who="ann", reason="trained", say=print)
    assert move is not None
    assert (move.previous, move.version, move.who) == (1, 2, "ann")


def test_a_newer_one_stays() -> None:
    models = hurried(3)
    said: list[str] = []
    move = challenge(models, models.manifest(NAME, 2), created=True, who="ann", reason="trained", say=said.append)
    assert move is None
    assert models.aliases(NAME) == {"challenger": 3}
    assert "late/3 was trained meanwhile" in said[0]


def test_a_fight_without_end_is_told() -> None:
    models = hurried(1, 3, 1, 3, 1, 3)
    with pytest.raises(AliasConflictError):
        challenge(models, models.manifest(NAME, 2), created=False, who="ann", reason="trained", say=print)
