"""Where Ray comes from: the cluster that this process belongs to, or a private one on this machine."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants, worker
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]

from ray_pipeline.errors import RayPipelineError


class RayUnavailableError(RayPipelineError):
    """Ray could not be reached or started."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason

    def __str__(self) -> str:
        return f"no Ray at {self.address}: {self.reason}"


ATTEMPTS = 3
"""Starts of a private Ray: it picks a free port and takes it a moment later, and another may have it by then."""

LOCAL_SETTINGS = {
    # Everything stays on 127.0.0.1; without it several ports listen on all interfaces.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def ray_session(address: str | None = None) -> Iterator[None]:
    """Connect to ``address``, else ``RAY_ADDRESS``, else start Ray here; a Ray that is up already is used as it is.

    A Ray that this call started or connected to is left at the end. A private one listens on loopback only, and
    its token lives in this process and its children: nothing is written to the home folder.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    local = address == "local"
    if not local and not answers(address):  # Ray itself would wait for many minutes
        raise RayUnavailableError(address, "nothing answers there; start it, or correct the address")
    before = {name: os.environ.get(name) for name in (*LOCAL_SETTINGS, "RAY_AUTH_TOKEN")}
    clustered = ray_constants.ENABLE_RAY_CLUSTER
    printed = worker._worker_logs_enabled
    if local:
        os.environ.update(LOCAL_SETTINGS)  # for Ray's processes
        ray_constants.ENABLE_RAY_CLUSTER = False  # for this one, which read the variable when it imported Ray
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # a token switches authentication on
    try:
        worker._worker_logs_enabled = False  # Ray would print about every dead process, and on stdout
        AuthenticationTokenLoader.instance().reset_cache()  # it would send the token of an earlier session
        _start(address, ATTEMPTS if local else 1)
        try:
            yield
        finally:
            ray.shutdown()
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clustered
        worker._worker_logs_enabled = printed
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start(address: str, attempts: int) -> None:
    # The explicit sizes are small on purpose: records never pass through Ray's object store.
    extra: dict[str, Any] = (
        {"include_dashboard": False, "object_store_memory": 100 * 2**20} if address == "local" else {}
    )
    for left in reversed(range(attempts)):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **extra)
        except Exception as error:  # a node that is slow to start raises nothing more special
            ray.shutdown()
            if not left:
                raise RayUnavailableError(address, str(error).splitlines()[0]) from error
        else:
            return


def answers(address: str) -> bool:
    """Knock at host:port, because Ray itself would wait for minutes where nobody is."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():
        return True  # "auto", or a name that only Ray can resolve
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError):
        return False
    return True
