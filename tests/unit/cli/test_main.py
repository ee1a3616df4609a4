"""What ``ray-pipeline`` is before any verb runs."""

from __future__ import annotations

import inspect

import pytest
import typer

from ray_pipeline import __version__
from ray_pipeline.cli.main import VERBS, Verb, load

from .conftest import Run

NAMES = list(VERBS)


def test_help_names_every_verb_with_its_summary(run: Run) -> None:
    said = run("--help")
    assert said.code == 0
    for verb in VERBS.values():
        assert verb.name in said.out
        assert verb.summary in said.out


def test_no_argument_prints_the_help(run: Run) -> None:
    said = run()
    assert "Run the whole pipeline on real flights" in said.out + said.err


def test_the_version_is_that_of_the_package(run: Run) -> None:
    said = run("--version")
    assert (said.code, said.out) == (0, f"ray-pipeline {__version__}\n")


@pytest.mark.parametrize("verb", VERBS.values(), ids=NAMES)
def test_the_summary_in_the_list_is_how_the_verb_describes_itself(verb: Verb) -> None:
    described = inspect.cleandoc(load(verb).help).splitlines()[0]
    assert described.removesuffix(".").startswith(verb.summary.removesuffix("."))


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_has_a_help_page(run: Run, name: str) -> None:
    said = run(name, "--help")
    assert said.code == 0
    assert "Usage" in said.out


def test_a_help_page_fills_its_lines_and_names_arguments_once(run: Run) -> None:
    said = run("verify", "--help")
    assert "Exits 0 where all that was checked holds" in said.out
    assert "verify [OPTIONS] [DATASET]..." in said.out


@pytest.mark.parametrize("args", [("contract", "lint"), ("contract", "show"), ("dead-letters", "list"), ("validate",)])
def test_every_verb_that_reads_takes_config_and_output(run: Run, args: tuple[str, ...]) -> None:
    said = run(*args, "--help")
    for option in ("--config", "--set", "--output"):
        assert option in said.out


def test_an_unknown_verb_exits_2_and_offers_the_nearest(run: Run) -> None:
    said = run("stats")
    assert said.code == 2
    assert "status" in said.err


def test_an_unknown_option_exits_2(run: Run) -> None:
    said = run("status", "--outptu", "json")
    assert said.code == 2
    assert "--outptu" in said.err
    assert said.out == ""


def test_a_group_without_a_verb_prints_its_help(run: Run) -> None:
    said = run("contract")
    assert "lint" in said.out + said.err


def test_typer_is_new_enough_to_tell_its_own_errors() -> None:
    from ray_pipeline.cli.errors import _USAGE

    assert issubclass(typer.BadParameter, _USAGE)
