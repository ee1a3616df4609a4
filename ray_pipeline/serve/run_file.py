"""How ``serve status`` and ``serve down`` find a ``serve up`` that runs on this machine, and no other process.

Who serves holds a lock on a file for as long as it lives, and the lock ends with the process: a number that is read
from a locked file belongs to the process that wrote it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ray_pipeline.errors import UsageError

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig


@dataclass(frozen=True, slots=True)
class Running:
    """A process of this machine that serves."""

    pid: int
    url: str
    """Empty while it starts."""


def run_file(config: PipelineConfig) -> Path:
    """Return the file of a pipeline in its lake; in a folder that only this user may enter."""
    folder = Path(tempfile.gettempdir(), f"ray-pipeline-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UsageError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own")
    name = hashlib.sha256(f"{config.pipeline}\n{config.store}".encode()).hexdigest()[:16]
    return folder / f"serve-{name}.json"


@contextmanager
def running(config: PipelineConfig) -> Iterator[Callable[[str], None]]:
    """Hold the file; call what is yielded with the address that is served. ``UsageError`` where another one runs."""
    path = run_file(config)
    with path.open("a+") as file:
        attempts = 5  # somebody who only looks holds it for a moment, too
        while not _locked(file):
            attempts -= 1
            if attempts:
                time.sleep(0.05)
                continue
            found = _read(file)
            where = f" at {found.url}" if found is not None and found.url else ""
            raise UsageError(
                f"pipeline {config.pipeline} is served on this machine already{where}; "
                "`ray-pipeline serve down` ends it"
            )
        _write(file, "")
        try:
            yield lambda url: _write(file, url)
        finally:
            file.truncate(0)


def find_running(config: PipelineConfig) -> Running | None:
    """Return the process of this machine that serves the pipeline; None where there is none."""
    path = run_file(config)
    if not path.exists():
        return None
    with path.open("r+") as file:
        return None if _locked(file) else _read(file)


def end_running(config: PipelineConfig, seconds: float = 60.0) -> bool:
    """Ask the process to end, as Ctrl-C does, and return whether it has within so many seconds."""
    found = find_running(config)
    if found is None:
        return True
    os.kill(found.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        again = find_running(config)
        if again is None or again.pid != found.pid:
            return True
        time.sleep(0.1)
    return False


def _locked(file: IO[str]) -> bool:
    """Take the lock; it is given back when the file is closed."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(file: IO[str], url: str) -> None:
    file.seek(0)
    file.truncate(0)
    json.dump({"pid": os.getpid(), "url": url}, file)
    file.flush()


def _read(file: IO[str]) -> Running | None:
    file.seek(0)
    try:
        found = json.load(file)
        return Running(int(found["pid"]), str(found["url"]))
    except (ValueError, KeyError, TypeError):
        return None
