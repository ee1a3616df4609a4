"""The repository as a whole: what is beside the package is consistent with it, and fit to be published."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jsonschema
import pytest
import ray.autoscaler
import yaml

import ray_pipeline
from ray_pipeline import lint

REPOSITORY = Path(__file__).parents[2]
LOCKS = sorted((REPOSITORY / "locks").glob("*.txt"))


@cache
def published() -> list[Path]:
    """Every file that is committed, or would be."""
    command = ["git", "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := REPOSITORY / name).is_file()]


def project() -> dict[str, object]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_the_cluster_file_keeps_the_schema_that_ray_ships():
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    cluster = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    jsonschema.validate(cluster, schema)


def test_every_node_of_the_cluster_asks_for_a_token_and_the_head_runs_no_actor():
    cluster = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    starts = [cluster[f"{role}_start_ray_commands"][-1] for role in ("head", "worker")]
    assert all("RAY_AUTH_MODE=token" in command for command in starts)
    assert "--num-cpus=0" in starts[0]
    assert "--dashboard-host=127.0.0.1" in starts[0]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_everything_by_hash_and_names_no_address(lock: Path):
    text = lock.read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
    entries = re.split(r"\n(?=[a-z0-9A-Z])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    pins = [entry for entry in entries if entry.strip()]
    assert pins
    for pin in pins:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", pin), pin.splitlines()[0]
        assert "--hash=sha256:" in pin, pin.splitlines()[0]


def test_the_locks_are_the_ones_that_make_installs():
    makefile = (REPOSITORY / "Makefile").read_text()
    assert set(re.findall(r"-r (locks/\S+\.txt)", makefile)) == {f"locks/{lock.name}" for lock in LOCKS}


def test_every_direct_requirement_is_in_its_lock():
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    direct = [*pyproject["project"]["dependencies"], *pyproject["project"]["optional-dependencies"]["demo"]]
    for requirements, lock in ((direct, "runtime"), (pyproject["dependency-groups"]["dev"], "dev")):
        pinned = set(re.findall(r"^([a-z0-9-]+)==", (REPOSITORY / f"locks/{lock}.txt").read_text(), re.MULTILINE))
        names = {re.split(r"[\[<>=]", one)[0].lower().replace("_", "-") for one in requirements}
        assert names <= pinned


def test_no_file_names_a_path_of_somebodys_machine():
    private = re.compile(rb"/(home|Users|work)/[A-Za-z0-9_.-]+|" + re.escape(os.fsencode(REPOSITORY)))
    found = [
        f"{path.relative_to(REPOSITORY)}: {match[0].decode()}"
        for path in published()
        if path != Path(__file__) and (match := private.search(path.read_bytes()))
    ]
    assert found == []


def test_no_large_or_binary_file_is_published():
    large = [str(path.relative_to(REPOSITORY)) for path in published() if path.stat().st_size > 500_000]
    assert large == []
    binary = [str(path.relative_to(REPOSITORY)) for path in published() if b"\0" in path.read_bytes()]
    assert binary == []


def test_the_version_has_one_source():
    assert project()["version"] == version("ray-pipeline") == ray_pipeline.__version__
    literal = re.compile(rf"""["']{re.escape(str(project()["version"]))}["']""")
    sources = [path for path in (REPOSITORY / "ray_pipeline").rglob("*.py") if literal.search(path.read_text())]
    assert sources == []


def test_the_changelog_has_a_place_for_what_comes_and_names_every_release():
    headings = re.findall(r"^## (.+)$", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d{2}-\d{2}\)", heading) for heading in headings[1:])


def test_the_readme_names_the_pythons_that_the_package_takes():
    classifiers = [c for c in project()["classifiers"] if "Python :: 3." in c]  # type: ignore[attr-defined]
    named = [c.rsplit(" ", 1)[1] for c in classifiers]
    readme = (REPOSITORY / "README.md").read_text()
    assert f"Python {', '.join(named[:-1])} or {named[-1]}" in readme
    assert project()["requires-python"] == f">={named[0]},<3.{int(named[-1].split('.')[1]) + 1}"


def test_what_a_change_must_pass_is_one_executable_file():
    run = REPOSITORY / ".ci/run"
    assert os.access(run, os.X_OK)
    assert re.findall(r"^make (\w+)$", run.read_text(), re.MULTILINE) == ["check", "demo", "test"]
    assert subprocess.run(["bash", "-n", run], check=False).returncode == 0


def test_every_shipped_contract_is_sound():
    contracts = sorted((REPOSITORY / "contracts").rglob("*.yaml"))
    assert [str(problem) for contract in contracts for problem in lint(contract)] == []
    assert len(contracts) == 4


def test_make_alone_says_what_there_is():
    done = subprocess.run(["make", "-C", REPOSITORY], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for target in ("demo", "test", "check", "bench", "simulate", "lock", "clean"):
        assert f"make {target} " in done.stdout


def test_a_machine_without_a_fitting_python_is_told_which_one_to_install(tmp_path: Path):
    missing = ["make", "-C", REPOSITORY, "PYTHON=", f"VENV={tmp_path / 'venv'}", f"{tmp_path / 'venv'}/.build"]
    done = subprocess.run(missing, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13" in done.stdout
