"""The demo, run once for all tests that look at what it left; and the environment in which commands are run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.readme_blocks import REPOSITORY

BIN = Path(sys.executable).parent
_OURS = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_PIPELINE_CONFIG", "LAKE", "KAFKA", "NO_COLOR", "CI", "COLUMNS")


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str
    seconds: float


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command in the checkout: ``run([...], cwd=, timeout=, VARIABLE=value)``. ``.venv/bin`` is on the PATH."""

    def call(command: Sequence[str], *, cwd: Path = REPOSITORY, timeout: float = 170, **variables: str | None) -> Ran:
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
        environment |= {name: value for name, value in variables.items() if value is not None}
        began = time.monotonic()
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    return call


@dataclass(frozen=True)
class DemoRun:
    """What ``ray-pipeline demo`` printed, and the folder that it wrote."""

    folder: Path
    ran: Ran

    @property
    def lake(self) -> str:
        """What to set ``LAKE`` to."""
        return str(self.folder / "lake")

    def restore(self) -> None:
        """Make the folder again what the demo left, whatever tests did to it since. Tables know their own paths."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.kept, self.folder)

    @property
    def kept(self) -> Path:
        """A copy of what it left."""
        return self.folder.with_name("kept")


@pytest.fixture(scope="session")
def demo(run: Run, tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """The demo as `make demo` runs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("demo-parent") / "demo"
    ran = DemoRun(folder, run(["ray-pipeline", "demo", "--folder", str(folder)], timeout=500))
    if folder.is_dir():
        shutil.copytree(folder, ran.kept)
    return ran
