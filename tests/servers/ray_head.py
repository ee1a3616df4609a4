"""A Ray cluster of one node, started by ``ray start`` as an operator does it: token, loopback, ports of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil

_PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
    "ray-client-server-port",
    "node-manager-port",
    "object-manager-port",
)


class RayHead:
    """Runs from ``start()`` to ``stop()``; only processes that it started are ended."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-head-", dir="/tmp"))  # Ray's sockets need a short path
        self._ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What to set ``RAY_API_SERVER_ADDRESS`` to, to submit jobs."""
        return f"http://127.0.0.1:{self._ports['dashboard-port']}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['metrics-export-port']}/metrics"

    @property
    def client(self) -> dict[str, str]:
        """The variables with which a client of this cluster is started."""
        return {"RAY_API_SERVER_ADDRESS": self.address, **self._settings}

    def start(self, variables: Mapping[str, str], *, timeout: float = 90.0) -> RayHead:
        """Start it with ``variables`` in its environment, and return when it takes jobs."""
        self._settings = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # keeps everything on 127.0.0.1
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        command = [
            *(str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--num-cpus=2"),
            *("--dashboard-host=127.0.0.1", "--object-store-memory=100000000", f"--temp-dir={self.folder / 'ray'}"),
            *(f"--{name}={port}" for name, port in self._ports.items()),
        ]
        environment = {**os.environ, **self._settings, **variables, "RAY_metrics_report_interval_ms": "1000"}
        with (self.folder / "start.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + timeout
        while self._asked("/api/jobs/", self._settings["RAY_AUTH_TOKEN"]) != 200:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "start.log").read_text(errors="replace")[-2000:]
                self.stop()
                raise RuntimeError(f"Ray did not start: {said}")
            time.sleep(0.2)
        return self

    def asked_without_token(self) -> int:
        """Return how the jobs interface answers a stranger."""
        return self._asked("/api/jobs/", None)

    def logs(self) -> list[Path]:
        """Return every log file of the session."""
        return [path for path in self.folder.rglob("*") if path.is_file() and not path.is_symlink()]

    def stop(self) -> None:
        """End the cluster and remove its folder."""
        if self._process is not None:
            ours = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
            self._process.terminate()  # `ray start --block` ends what it started
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            for process in psutil.wait_procs(ours, timeout=10)[1]:
                process.kill()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def _asked(self, path: str, token: str | None) -> int:
        request = urllib.request.Request(self.address + path)
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
