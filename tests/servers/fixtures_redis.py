"""Fixtures for tests against Redis: one server per session, started when the first test asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.redis import RedisServer, RedisUnavailableError, redis_binary


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A real server: ``.address`` for a connection string, ``.client()``; tests share it and take projects apart."""
    _available()
    server = RedisServer().start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server for one test, which may kill it or fill it."""
    _available()
    server = RedisServer().start()
    try:
        yield server
    finally:
        server.stop()


def _available() -> None:
    try:
        redis_binary()
    except RedisUnavailableError as reason:
        if os.environ.get("CI"):
            pytest.fail(f"the Redis server that CI must test against is missing: {reason}", pytrace=False)
        pytest.skip(f"no Redis: {reason}")
