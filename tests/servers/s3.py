"""A real S3 server for tests: versitygw, built once with Go; moto where there is no Go."""

from __future__ import annotations

import atexit
import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session

VERSION = "v1.8.0"
PACKAGE = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
KEY, SECRET, REGION = "testkey", "testsecret1", "us-east-1"


class S3UnavailableError(Exception):
    """No S3 server can run here; the text says why."""


def versitygw() -> Path:
    """Return the binary, building it where it is not there yet: about 70 s, once per checkout."""
    folder = CACHE / "bin"
    binary = folder / f"versitygw-{VERSION}"
    if binary.exists():
        return binary
    if shutil.which("go") is None:
        raise S3UnavailableError(f"no Go to build versitygw {VERSION} with")
    # Built aside and renamed, so that two test runs cannot see half a binary.
    with tempfile.TemporaryDirectory(dir=_made(folder)) as aside:
        built = subprocess.run(
            ["go", "install", PACKAGE], env={**os.environ, "GOBIN": aside}, capture_output=True, text=True, check=False
        )
        if built.returncode != 0:
            last = (built.stderr.strip().splitlines() or ["no message"])[-1]
            raise S3UnavailableError(f"versitygw {VERSION} does not build: {last}")
        (Path(aside) / "versitygw").replace(binary)
    return binary


class S3Server:
    """One server on a loopback port of its own. ``start`` after ``kill`` brings the same port back."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.durable = kind == "versitygw"
        """False: what was written is gone after ``kill``."""
        self._folder = Path(tempfile.mkdtemp(prefix="s3-"))
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def options(self) -> dict[str, str]:
        """``store_options``, under fsspec's names."""
        return {"endpoint_url": self.endpoint, "key": KEY, "secret": SECRET, "client_kwargs.region_name": REGION}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> S3Server:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), env=self._environment(), stdout=log, stderr=log, cwd=self._folder
            )
        self._wait_until_it_answers()
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_bucket(self, name: str | None = None) -> str:
        """Make a bucket and return its address, ``s3://…``."""
        bucket = name or f"test-{secrets.token_hex(6)}"
        self.client().create_bucket(Bucket=bucket)
        return f"s3://{bucket}"

    def client(self) -> Any:
        """A botocore client, to look at a bucket from outside of what is tested."""
        return botocore.session.Session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5}),
        )

    def _command(self) -> list[str]:
        if self.kind == "moto":
            return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        data, sidecar = _made(self._folder / "data"), []
        if not _has_attributes(data):
            sidecar = ["--sidecar", str(_made(self._folder / "sidecar"))]
        address = f"127.0.0.1:{self._port}"
        return [str(versitygw()), "--port", address, "--quiet", "posix", *sidecar, str(data)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            time.sleep(0.02)
        log = (self._folder / "log").read_text(errors="replace")[-500:]
        self.kill()
        raise S3UnavailableError(f"{self.kind} did not start: {log}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _has_attributes(folder: Path) -> bool:
    """versitygw keeps metadata in extended attributes; not every file system has them."""
    try:
        os.setxattr(folder, "user.probe", b"1")
        os.removexattr(folder, "user.probe")
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
