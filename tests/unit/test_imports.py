"""What may be imported with what: the core knows no engine, and looking at the help costs nothing."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import ray_pipeline

ENGINES = {"ray", "confluent_kafka", "s3fs", "obstore", "botocore", "aiobotocore", "feast", "redis", "pyiceberg"}
MODELS = {"sklearn", "skops", "scipy", "joblib", "threadpoolctl", "fastapi", "starlette", "uvicorn"}
FORMATS = {"pyarrow", "polars", "pydantic", "numpy", "pandas", "orjson", "jsonschema_rs", "yaml", "fsspec"}
HEAVY = ENGINES | MODELS | FORMATS
CORE = (
    "contracts",
    "stream",
    "lake",
    "sla",
    "features",
    "model",
    "drift",
    "gate",
    "lineage",
    "report",
    "config",
    "errors",
    "types",
    "clock",
)


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after some code."""
    program = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def modules_of(package: str) -> list[str]:
    name = f"ray_pipeline.{package}"
    module = import_module(name)
    if not hasattr(module, "__path__"):
        return [name]
    return [name, *(found.name for found in pkgutil.walk_packages(module.__path__, f"{name}."))]


def running(args: str) -> str:
    """Return the code that runs the command line."""
    call = f"command().main({args.split()!r}, prog_name='ray-pipeline')"
    return f"from ray_pipeline.cli.main import command\ntry:\n    {call}\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize("package", CORE)
def test_a_core_package_imports_no_engine(package: str) -> None:
    imports = "\n".join(f"import {name}" for name in modules_of(package))
    assert not loaded_after(imports) & (ENGINES | MODELS)


def test_the_package_itself_imports_nothing() -> None:
    assert not loaded_after("import ray_pipeline") & (HEAVY | {"typer", "rich"})


def test_the_list_of_verbs_needs_typer_and_rich_alone() -> None:
    assert not loaded_after(running("--help")) & HEAVY


EXPLAINED = (
    *("--version", "nonsense", "validate --help", "status --help", "contract lint --help"),
    *("features --help", "features lint --help", "features verify --help", "training-set build --help"),
    *("train --help", "model --help", "model show --help", "model performance --help", "model promote --help"),
    *("predict --help", "predictions --help", "predictions verify --help", "serve --help", "serve up --help"),
)


@pytest.mark.parametrize("args", EXPLAINED)
def test_the_command_line_imports_no_engine_to_explain_itself(args: str) -> None:
    assert not loaded_after(running(args)) & (HEAVY - {"pydantic"})  # typer reads arguments with it


def test_the_help_of_a_verb_imports_no_engine() -> None:
    code = "from ray_pipeline.cli.main import VERBS, load\nfor verb in VERBS.values():\n    load(verb)"
    assert not loaded_after(code) & (ENGINES | MODELS)


@pytest.mark.parametrize("args", ["--help", "features lint --help", "train --help", "model --help", "serve up --help"])
def test_help_is_there_in_half_a_second_of_work(args: str) -> None:
    """Its own processor time, the best of some: a busy machine makes every one of them longer."""
    program = f"import sys, time\n{running(args)}\nprint(time.process_time(), file=sys.stderr)"
    took: list[float] = []
    while len(took) < 10 and not (took and min(took) < 0.5):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        took.append(float(done.stderr))
    assert min(took) < 0.5


def test_looking_at_the_lake_needs_neither_ray_nor_kafka() -> None:
    code = "from ray_pipeline.runtime import dead_letters, open, status\nfrom ray_pipeline.lake import snapshot, verify"
    assert not loaded_after(code) & {"ray", "confluent_kafka"}


def test_validation_needs_neither_ray_nor_kafka_nor_a_store() -> None:
    code = "import ray_pipeline as rp\nrp.load_contract, rp.Verdicts, rp.DataContract, rp.lint"
    assert not loaded_after(code) & ENGINES


@pytest.mark.parametrize("name", [name for name in ray_pipeline.__all__ if name != "__version__"])
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ray_pipeline, name).__name__ == name


def test_the_public_names_are_listed_once_and_completed() -> None:
    assert len(set(ray_pipeline.__all__)) == len(ray_pipeline.__all__)
    assert set(ray_pipeline.__all__) <= set(dir(ray_pipeline))


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="load_contrat"):
        ray_pipeline.load_contrat  # noqa: B018
