"""``model``: which verbs there are, what they print, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline import errors
from ray_pipeline.cli.errors import exit_code
from ray_pipeline.cli.model import app
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import ModelMismatchError, StoreUnavailableError
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions import performance, predictor
from ray_pipeline.types import Outcome
from tests.unit.models.tested_rows import BAD, GOOD, files_saying, measured
from tests.unit.models.versions import NAME, version

from .conftest import Run

VERBS = ("list", "show", "compare", "promote", "rollback", "performance")
WHY = ("--reason", "it is better")


@pytest.fixture
def lake(shop: Path) -> ModelRegistry:
    """The shop's lake with two versions of a model."""
    found = ModelRegistry(open_store(str(shop / "lake")), "shop")
    for name, said in (("bad", BAD), ("good", GOOD)):
        found.add(version(name, metrics=measured(said)), files_saying(said))
    return found


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Versions that cannot be opened."""
    numbers: set[int] = set()

    def opened(_config: object, manifest: Any, **_: object) -> None:
        if manifest.number in numbers:
            raise ModelMismatchError(manifest.shown, "view weather is defined otherwise by now")

    monkeypatch.setattr(predictor, "open_predictor", opened)
    return numbers


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_a_help_page_and_takes_config_and_output(run: Run, verb: str) -> None:
    said = run("model", verb, "--help")
    assert said.code == 0
    for option in ("--config", "--set", "--output"):
        assert option in said.out


def test_these_are_the_verbs(run: Run) -> None:
    assert tuple(one.name or one.callback.__name__ for one in app.registered_commands if one.callback) == VERBS


def test_a_lake_without_a_model_lists_none_and_shows_none(run: Run, shop: Path) -> None:
    assert run("model", "list").lines == ["there is no model yet; train one with `ray-pipeline train SPEC`"]
    assert run("model", "list", "--output", "json").json == []
    for args in (("list", NAME), ("show", NAME), ("compare", NAME, "1", "2"), ("promote", NAME, *WHY)):
        said = run("model", *args)
        assert (said.code, said.out) == (2, "")
        assert "there is no such model" in said.err


def test_models_and_versions_are_listed(run: Run, lake: ModelRegistry) -> None:
    assert run("model", "list").lines[1].startswith("late ")
    assert [one["version"] for one in run("model", "list", NAME, "-o", "json").json] == [2, 1]
    assert len(run("model", "list", NAME).lines) == 3


def test_a_version_is_shown_as_a_card(run: Run, lake: ModelRegistry) -> None:
    assert run("model", "show", NAME).lines[0].endswith("late/2")
    assert run("model", "show", f"{NAME}/1").lines[0].endswith("late/1")
    assert run("model", "show", f"{NAME}/1", "-o", "json").json["model"]["number"] == 1
    for which, sentence in (
        (f"{NAME}/9", "no version 9"),
        (f"{NAME}/champion", "no version is champion"),
        ("/", "names no"),
    ):
        said = run("model", "show", which)
        assert (said.code, said.out) == (2, "")
        assert sentence in said.err


def test_two_versions_are_compared(run: Run, lake: ModelRegistry) -> None:
    said = run("model", "compare", NAME, "1", "2")
    assert said.code == 0
    assert "the second one is better" in said.out
    assert run("model", "compare", NAME, "1", "2", "-o", "json").json["rows"]["same"] is True


def test_a_champion_is_made_and_unmade(run: Run, lake: ModelRegistry, broken: set[int]) -> None:
    said = run("model", "promote", NAME, "1", *WHY)
    assert (said.code, said.lines) == (0, ["late/1 is champion now, nobody was before"])
    said = run("model", "promote", NAME, "1", *WHY)
    assert said.code == 0
    assert "late/1 is champion already" in said.out
    assert run("model", "promote", NAME, "1", *WHY, "-o", "json").json["moved"] is False
    assert run("model", "promote", NAME, "latest", *WHY, "-o", "json").json["moved"] is True
    said = run("model", "rollback", NAME, *WHY)
    assert (said.code, said.lines) == (0, ["late/1 is champion now, late/2 was before"])
    said = run("model", "rollback", NAME, *WHY)
    assert (said.code, said.out) == (2, "")
    assert "nothing to go back to" in said.err
    assert lake.aliases(NAME) == {"champion": 1}


def test_a_version_that_cannot_load_exits_1_and_the_champion_stays(
    run: Run, lake: ModelRegistry, broken: set[int]
) -> None:
    run("model", "promote", NAME, "1", *WHY)
    broken.add(2)
    said = run("model", "promote", NAME, "2", *WHY)
    assert (said.code, said.out) == (1, "")
    assert "defined otherwise by now" in said.err
    assert lake.aliases(NAME) == {"champion": 1}


def test_a_move_needs_a_reason(run: Run, lake: ModelRegistry, broken: set[int]) -> None:
    for verb in ("promote", "rollback"):
        assert "--reason" in run("model", verb, NAME).err
        assert run("model", verb, NAME).code == 2
        assert run("model", verb, NAME, "--reason", " ").code == 2


def test_a_name_cannot_steer_the_terminal(run: Run, shop: Path, lake: ModelRegistry) -> None:
    lake.add(version("evil", created_by="\x1b[31mred\u202e"), {"model.skops": b"x"})
    said = run("model", "show", f"{NAME}/3")
    assert "\\x1b[31mred\\u202e" in said.out
    assert "\x1b" not in said.out


def test_a_store_that_does_not_answer_exits_3(run: Run, lake: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise StoreUnavailableError("lake", "list", "simulated")

    monkeypatch.setattr(ModelRegistry, "aliases", silent)
    said = run("model", "show", NAME)
    assert (said.code, said.out) == (3, "")
    assert "did not list" in said.err


@dataclass(frozen=True)
class Judged:
    days: tuple[str, ...] = ("2013-02-01",)
    versions: tuple[str, ...] = ("3",)
    outcome: Outcome = Outcome.HELD

    def as_lines(self) -> list[str]:
        return [*self.days, *self.versions]

    def to_json(self) -> dict[str, Any]:
        return {"outcome": int(self.outcome)}


def test_performance_is_asked_as_told_and_ends_with_its_outcome(
    run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    report = Judged()

    def judged(_config: object, name: str, **options: Any) -> Judged:
        asked.append({"name": name} | options)
        return report

    monkeypatch.setattr(performance, "measure_performance", judged)
    assert run("model", "performance", NAME).lines == ["2013-02-01", "3"]
    assert run("model", "performance", NAME, "--by", "day").lines == ["2013-02-01"]
    assert run("model", "performance", NAME, "--by", "version").lines == ["3"]
    said = run("model", "performance", NAME, "--deadline", "6", "--version", "2", "--from", "2013-02-01", "-o", "json")
    assert said.json == {"outcome": 0}
    assert asked[-1] == {
        "name": NAME, "version": 2, "deadline_hours": 6.0, "since": "2013-02-01", "until": None,
    }  # fmt: skip
    report = Judged(outcome=Outcome.UNKNOWN)
    assert run("model", "performance", NAME).code == 3


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NoModelError("late", "there is none"), 2),
        (errors.ModelFileError("late/1", "model.skops", "has changed"), 1),
        (errors.ModelMismatchError("late/1", "a view is gone"), 1),
        (errors.TrainingError("late", "one class"), 1),
        (errors.AliasConflictError("late", "champion", 1, 2), 3),
        (errors.PredictionLogError("predictions", "is full"), 3),
    ],
    ids=lambda it: type(it).__name__,
)
def test_an_error_of_a_model_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code
