"""``features`` and ``training-set``: which verbs there are, and how they end where they are asked wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.cli.features_online import print_backfill
from ray_pipeline.cli.main import VERBS, load
from ray_pipeline.runtime.features import online_backfill
from ray_pipeline.runtime.features.online_backfill import BackfilledView, OnlineBackfill

from .conftest import Run

FEATURES = ("lint", "apply", "build", "backfill", "show", "status", "verify")
TRAINING = ("build", "show", "diff")
EVERY = [*(("features", verb) for verb in FEATURES), *(("training-set", verb) for verb in TRAINING)]
WROTE = OnlineBackfill(
    "SQLite at online.db",
    2,
    1,
    (BackfilledView("orders", 0, "spent", 4, 0, "", {"no key": 3, "too late": 0}),),
)
BEHIND = OnlineBackfill("Redis", 0, 0, (BackfilledView("orders", 1, "spent", 2, 5, "it did not answer"),))


def test_these_are_the_verbs() -> None:
    assert tuple(load(VERBS["features"]).commands) == FEATURES
    assert tuple(load(VERBS["training-set"]).commands) == TRAINING


@pytest.mark.parametrize("verb", EVERY, ids=" ".join)
def test_a_verb_has_a_help_page_and_takes_config_and_output(run: Run, verb: tuple[str, str]) -> None:
    said = run(*verb, "--help")
    assert said.code == 0
    for option in ("--config", "--set", "--output"):
        assert option in said.out


@pytest.mark.parametrize("verb", ["features", "training-set"])
def test_a_group_without_a_verb_prints_its_help(run: Run, verb: str) -> None:
    said = run(verb)
    assert "build" in said.out + said.err


@pytest.mark.filterwarnings("ignore::DeprecationWarning:feast", "ignore::DeprecationWarning:pydantic")
@pytest.mark.parametrize("verb", [*((verb,) for verb in FEATURES), ("backfill", "--online")], ids=" ".join)
def test_a_pipeline_without_features_exits_2_and_is_told_which_key_is_missing(
    run: Run, shop: Path, verb: tuple[str, ...]
) -> None:
    said = run("features", *verb)
    assert (said.code, said.out) == (2, "")
    assert "features" in said.err
    assert "unexpected" not in said.err


def test_a_training_set_that_is_not_there_exits_2(run: Run, shop: Path) -> None:
    assert run("training-set", "show", "late").code == 2
    assert run("training-set", "build", "none.yaml").code == 2
    assert run("training-set", "diff", "late/1", "late/2").code == 2


@pytest.mark.parametrize(
    "args",
    [
        ("features", "backfill", "--from", "Tuesday"),
        ("features", "backfill", "--to", "2013-02-01T06:00:00"),
        ("features", "backfill", "--online", "--from", "2013-02-01"),
        ("features", "backfill", "--online", "--run-id", "nightly"),
        ("features", "verify", "--at", "noon"),
        ("features", "verify", "--sample", "0"),
        ("features", "show", "--days", "0"),
    ],
    ids=" ".join,
)
def test_an_option_with_a_wrong_value_exits_2_and_is_named(run: Run, shop: Path, args: tuple[str, ...]) -> None:
    said = run(*args)
    assert (said.code, said.out) == (2, "")
    assert next(arg for arg in args[::-1] if arg.startswith("--")) in said.err


@pytest.mark.parametrize(("report", "code"), [(WROTE, 0), (BEHIND, 3)], ids=["all is written", "something is behind"])
def test_an_online_backfill_prints_what_it_wrote_and_ends_with_its_code(
    run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch, report: OnlineBackfill, code: int
) -> None:
    asked: list[Any] = []

    def written(_config: object, views: object, **_: object) -> OnlineBackfill:
        asked.append(views)
        return report

    monkeypatch.setattr(online_backfill, "backfill_online", written)
    said = run("features", "backfill", "--online", "spent", "--output", "json")
    assert (said.code, asked) == (code, [["spent"]])
    assert said.json == json.loads(json.dumps(report.to_json()))


def test_a_person_reads_what_is_behind_and_what_was_set_aside(capsys: pytest.CaptureFixture[str]) -> None:
    print_backfill(WROTE)
    print_backfill(BEHIND)
    assert capsys.readouterr().out.splitlines() == [
        "SQLite at online.db: 2 states written, 1 there already or newer",
        "spent, orders partition 0: set aside: 3 no key",
        "Redis: 0 states written, 0 there already or newer",
        "spent, orders partition 1: 5 offsets behind; it did not answer",
    ]
