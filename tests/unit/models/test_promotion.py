"""A version that cannot load never becomes champion, and a rollback is a promotion undone."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ray_pipeline.config import PipelineConfig
from ray_pipeline.errors import AliasConflictError, ModelFileError, ModelMismatchError, NoModelError, UsageError
from ray_pipeline.model.manifest import MODEL, ModelManifest
from ray_pipeline.runtime.models.promotion import promote, rollback
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions import predictor
from ray_pipeline.testing.store import MemoryStore

from .versions import NAME, registry, with_versions

CONFIG = cast("PipelineConfig", None)
"""Opening a version needs one, and that is replaced here."""


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was opened; a version of a view that is gone cannot be."""
    seen: list[str] = []

    def open_predictor(_config: object, manifest: ModelManifest, *, registry: ModelRegistry, repo: Any = None) -> None:
        seen.append(manifest.shown)
        registry.file(manifest, MODEL)
        if repo == "changed":
            raise ModelMismatchError(manifest.shown, "view weather is defined otherwise by now")

    monkeypatch.setattr(predictor, "open_predictor", open_predictor)
    return seen


def test_the_challenger_is_promoted_once_it_was_opened(opened: list[str]) -> None:
    found = with_versions(2)
    found.move(NAME, "challenger", 2, expected=None, who="job", reason="", kind="train")
    move = promote(CONFIG, NAME, who="ann", reason=" it is better ", registry=found, evidence={"auc": 0.1})
    assert (move.version, move.previous, move.kind, move.who) == (2, None, "promote", "ann")
    assert (move.reason, move.evidence) == ("it is better", {"auc": 0.1})
    assert opened == ["late/2"]
    assert found.aliases(NAME) == {"champion": 2, "challenger": 2}


def test_who_promotes_is_known_without_being_asked() -> None:
    assert promote(CONFIG, NAME, 1, reason="first", registry=with_versions(1)).who


@pytest.mark.parametrize("why", ["a changed file", "a file that is gone", "a changed view"])
def test_a_version_that_cannot_load_is_refused_and_the_champion_stays(why: str) -> None:
    store = MemoryStore()
    found = with_versions(2, store)
    promote(CONFIG, NAME, 1, who="ann", reason="first", registry=found)
    key = f"flights/_models/{NAME}/files/{found.manifest(NAME, 2).files[MODEL].sha256}/{MODEL}"
    if why == "a changed file":
        store.put(key, b"other trees")
    if why == "a file that is gone":
        store.delete(key)
    with pytest.raises((ModelFileError, ModelMismatchError), match="late/2"):
        promote(
            CONFIG, NAME, 2, who="ann", reason="x", registry=found, repo="changed" if why == "a changed view" else None
        )
    assert registry(store).aliases(NAME) == {"champion": 1}
    assert registry(store).revision(NAME) == 1


def test_promoting_the_champion_does_nothing_and_says_so(opened: list[str]) -> None:
    found = with_versions(2)
    first = promote(CONFIG, NAME, 1, who="ann", reason="first", registry=found)
    said: list[str] = []
    again = promote(CONFIG, NAME, "1", who="bob", reason="again", registry=found, on_message=said.append)
    assert again == first
    assert said == [f"late/1 is champion already, since {first.at} by ann; nothing was moved"]
    assert (found.revision(NAME), opened) == (1, ["late/1", "late/1"])  # opened all the same: files may have changed


def test_a_champion_that_moved_while_the_version_was_opened_is_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    found = with_versions(3, store)

    def slowly(*_: object, **__: object) -> None:
        registry(store, seed=9).move(NAME, "champion", 3, expected=None, who="bob", reason="", kind="promote")

    monkeypatch.setattr(predictor, "open_predictor", slowly)
    with pytest.raises(AliasConflictError, match="version 3 now, not no version"):
        promote(CONFIG, NAME, 2, who="ann", reason="x", registry=found)
    assert registry(store).aliases(NAME) == {"champion": 3}


def test_rollbacks_go_back_promotion_by_promotion(opened: list[str]) -> None:
    found = with_versions(3)
    for number in (1, 2, 3):
        promote(CONFIG, NAME, number, who="ann", reason="newer", registry=found)
    assert rollback(CONFIG, NAME, who="ann", reason="worse", registry=found).version == 2
    assert rollback(CONFIG, NAME, who="ann", reason="worse", registry=found).version == 1
    with pytest.raises(NoModelError, match=r"nothing to go back to: late/1 is champion.*3 promotions"):
        rollback(CONFIG, NAME, who="ann", reason="worse", registry=found)
    assert opened[3:] == ["late/2", "late/1"]


def test_a_rollback_to_a_version_that_cannot_load_is_refused() -> None:
    found = with_versions(2)
    promote(CONFIG, NAME, 1, who="ann", reason="first", registry=found)
    promote(CONFIG, NAME, 2, who="ann", reason="second", registry=found)
    with pytest.raises(ModelMismatchError, match="late/1"):
        rollback(CONFIG, NAME, who="ann", reason="worse", registry=found, repo="changed")
    assert found.aliases(NAME) == {"champion": 2}


def test_asked_wrongly_nothing_moves() -> None:
    found = with_versions(1)
    for asked in (
        lambda: promote(CONFIG, NAME, 1, reason="  ", registry=found),
        lambda: rollback(CONFIG, NAME, reason="", registry=found),
    ):
        with pytest.raises(UsageError, match="say why"):
            asked()
    with pytest.raises(NoModelError, match="no version is challenger"):
        promote(CONFIG, NAME, reason="x", registry=found)
    with pytest.raises(NoModelError, match="no such model"):
        rollback(CONFIG, "early", reason="x", registry=found)
    with pytest.raises(NoModelError, match="no version is champion, and none was"):
        rollback(CONFIG, NAME, reason="x", registry=found)
    assert found.revision(NAME) == 0
