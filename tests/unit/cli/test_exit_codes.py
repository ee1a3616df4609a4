"""The table of exit codes: every error ends as one sentence and the right number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ray_pipeline import errors
from ray_pipeline.cli.errors import exit_codes
from ray_pipeline.errors import ConfigError, ContractError, Problem, RayPipelineError, UsageError

from .conftest import Ingest, Run

WRONG = (Problem("a.yaml", 7, "kafka", "unknown key"), Problem("a.yaml", 9, "store", "is empty"))
TABLE = [
    (ConfigError(WRONG), 2, "a.yaml:7: kafka: unknown key"),
    (ContractError(WRONG), 2, "a.yaml:9: store: is empty"),
    (UsageError("departure: unknown dataset; did you mean departures?"), 2, "did you mean departures?"),
    (errors.FencedError("log", "me", "another"), 3, "replaced by another"),
    (errors.StoreUnavailableError("s3://b", "answer", "timed out"), 3, "did not answer"),
    (errors.StoreDeniedError("s3://b", "list", "no such bucket"), 3, "refused to list: no such bucket"),
    (errors.StoreUnsafeError("s3://b", "two winners"), 3, "conditional writes"),
    (errors.SourceUnavailableError("h:9092", "refused"), 3, "no answer from Kafka at h:9092"),
    (errors.SourceDeniedError("orders", "no such topic"), 3, "orders: no such topic"),
    (errors.LogBrokenError("log", 3, "is missing"), 3, "ray-pipeline verify"),
    (errors.FeatureDefinitionError(WRONG), 2, "a.yaml:9: store: is empty"),
    (errors.FeatureComputeError("spent", "total", "overflows"), 3, "view spent, total: overflows"),
    (errors.FeatureTableError("spent", "holds others"), 3, "offline table of view spent: holds others"),
    (errors.MaterializationError("spent", "1 row differs"), 3, "view spent is not materialised"),
    (errors.OnlineStoreUnavailableError("redis", "write", "refused"), 3, "redis did not write: refused"),
    (errors.OnlineStoreDeniedError("redis", "read", "no such user"), 3, "redis refused to read: no such user"),
    (ValueError("boom"), 3, "unexpected ValueError: boom"),
    (AssertionError(), 3, "unexpected AssertionError"),
]


@pytest.mark.parametrize(("error", "code", "sentence"), TABLE, ids=lambda it: type(it).__name__)
def test_an_error_ends_with_its_code_and_a_sentence(
    error: Exception, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise error
    said = capsys.readouterr()
    assert ended.value.exit_code == code
    assert sentence in said.err
    assert said.out == ""
    assert "Traceback" not in said.err


def test_every_problem_gets_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes():
        raise ConfigError(WRONG)
    assert capsys.readouterr().err.count("a.yaml:") == 2


def test_an_error_that_an_actor_raised_counts_as_itself(capsys: pytest.CaptureFixture[str]) -> None:
    class TaskError(RuntimeError):  # the shape in which Ray delivers it
        cause = UsageError("no such dataset")

    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise TaskError("remote traceback\nof many lines")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "ray-pipeline: error: no such dataset\n"


def test_an_error_stays_on_one_line_and_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), exit_codes():
        raise RuntimeError("first\nsecond \x1b[31m\u202e")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.isascii() or "…" in said
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_the_traceback_is_there_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, exit_codes(full_traceback=True):
        raise ValueError("boom")
    assert ended.value.exit_code == 3
    assert "Traceback" in capsys.readouterr().err


def test_the_option_and_the_variable_ask_for_the_traceback(
    run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("ray_pipeline.runtime.open.open_pipeline", fail)
    assert "Traceback" not in run("files", "orders").err
    assert "Traceback" in run("--traceback", "files", "orders").err
    monkeypatch.setenv("RAY_PIPELINE_TRACEBACK", "1")
    said = run("files", "orders")
    assert "Traceback" in said.err
    assert said.code == 3


def test_ctrl_c_exits_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, exit_codes():
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "ray-pipeline: interrupted\n"


def test_a_reader_that_leaves_is_no_error_of_ours(ingest: Ingest, shop: Path) -> None:
    ingest([b'{"id": 1}'])
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "ray_pipeline", "files", "orders", "--config", str(shop / "shop.yaml")],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""


def test_a_configuration_that_is_not_there_exits_2(run: Run, tmp_path: Path) -> None:
    said = run("status", "--config", tmp_path / "none.yaml")
    assert said.code == 2
    assert "there is no such file" in said.err


def test_a_wrong_override_exits_2_and_names_the_key(run: Run, shop: Path) -> None:
    said = run("status", "--no-brokers", "--set", "ingest.actorz=2")
    assert said.code == 2
    assert "did you mean actors" in said.err


@pytest.mark.parametrize("verb", [("files", "order"), ("verify", "order"), ("dead-letters", "list", "order")])
def test_an_unknown_dataset_exits_2_with_the_nearest_name(run: Run, shop: Path, verb: tuple[str, ...]) -> None:
    said = run(*verb)
    assert said.code == 2
    assert "did you mean orders?" in said.err
    assert said.out == ""


def test_every_error_of_the_tree_has_a_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RayPipelineError)]
    from ray_pipeline.cli.errors import exit_code

    misused = {kind for kind in kinds if exit_code(kind.__new__(kind)) == 2}
    definitions = {errors.ProblemsError, ConfigError, ContractError, errors.FeatureDefinitionError}
    assert misused == definitions | {UsageError, errors.NoModelError}
    broken = {kind for kind in kinds if exit_code(kind.__new__(kind)) == 1}
    assert broken == {errors.TrainingError, errors.ModelFileError, errors.ModelMismatchError}
