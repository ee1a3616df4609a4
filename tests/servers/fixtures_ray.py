"""One private Ray for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Start Ray on loopback with two CPUs' worth of actors; it ends with the session."""
    from ray_pipeline.runtime.ray_session import ray_session

    with ray_session("local"):
        yield
