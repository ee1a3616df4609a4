"""Fixtures for tests against S3: one server per session, started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.s3 import VERSION, S3Server, S3UnavailableError, versitygw


@pytest.fixture(scope="session")
def s3_server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """versitygw, or moto where it cannot be built: ``.endpoint``, ``.options``, ``.new_bucket()``, ``.kill()``."""
    try:
        versitygw()
        kind, said = "versitygw", f"S3 tests run on versitygw {VERSION}"
    except S3UnavailableError as reason:
        if os.environ.get("CI"):
            pytest.fail(f"the S3 server that CI must test against is missing: {reason}", pytrace=False)
        kind, said = "moto", f"S3 tests run on moto: {reason}"
    _say(request, said)
    server = S3Server(kind).start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    """moto in a process of its own: a second opinion, and quick."""
    server = S3Server("moto").start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def durable_s3(s3_server: S3Server) -> S3Server:
    """The session's server, for tests that kill it; they start it again themselves."""
    if not s3_server.durable:
        pytest.skip(f"{s3_server.kind} forgets everything when it is killed; install Go for versitygw")
    return s3_server


def _say(request: pytest.FixtureRequest, line: str) -> None:
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(line)
