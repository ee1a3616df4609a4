"""CPU-seconds of a command and of all its descendants, also of those that nobody waits for.

``raylet`` ignores SIGCHLD, so ``RUSAGE_CHILDREN`` and ``time -v`` miss every Ray worker: the tree is polled instead.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    cpu_seconds: float
    wall_seconds: float
    peak_rss_bytes: int
    """The highest sum over the tree at one poll."""
    output: str


def run(command: list[str], environment: dict[str, str] | None = None, timeout: float = 600) -> Cost:
    """Run a command to its end and add up user and system time of its whole process tree."""
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
        cwd=Path(__file__).parents[2],
    )
    used: dict[tuple[int, float], float] = {}
    peak = 0
    ended = threading.Event()

    def poll() -> None:
        nonlocal peak
        root = psutil.Process(process.pid)
        known: dict[int, psutil.Process] = {process.pid: root}
        while not ended.wait(0.05):
            with contextlib.suppress(psutil.Error):
                known.update({child.pid: child for child in root.children(recursive=True)})
            rss = 0
            for one in list(known.values()):
                try:
                    times = one.cpu_times()
                    used[(one.pid, one.create_time())] = times.user + times.system
                    rss += one.memory_info().rss
                except psutil.Error:
                    known.pop(one.pid, None)
            peak = max(peak, rss)

    poller = threading.Thread(target=poll, daemon=True)
    poller.start()
    output, _ = process.communicate(timeout=timeout)
    ended.set()
    poller.join()
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return Cost(sum(used.values()), time.monotonic() - started, peak, output)
