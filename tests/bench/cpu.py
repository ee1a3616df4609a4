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


class Meter:
    """CPU-seconds and highest memory of this process and all its descendants between ``with`` and its end."""

    def __enter__(self) -> Meter:
        self._me = psutil.Process()
        self._first = self._look()
        self._last = dict(self._first)
        self.peak_rss_bytes = 0
        """Of all together, at one poll."""
        self.peak_worker_bytes = 0
        """Of the largest one, at one poll."""
        self._ended = threading.Event()
        self._poller = threading.Thread(target=self._poll, daemon=True)
        self._poller.start()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_seconds = time.monotonic() - self._began
        self._ended.set()
        self._poller.join()
        self._last.update(self._look())
        self.cpu_seconds = sum(self._last.values()) - sum(self._first.values())

    def _poll(self) -> None:
        while not self._ended.wait(0.1):
            self._last.update(self._look())

    def _look(self) -> dict[tuple[int, float], float]:
        found: dict[tuple[int, float], float] = {}
        sizes = []
        for one in [self._me, *self._me.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = one.cpu_times()
                found[(one.pid, one.create_time())] = times.user + times.system
                memory = one.memory_info()
                sizes.append(memory.rss - memory.shared)
        self.peak_rss_bytes = max(getattr(self, "peak_rss_bytes", 0), sum(sizes))
        self.peak_worker_bytes = max(getattr(self, "peak_worker_bytes", 0), max(sizes, default=0))
        return found


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
