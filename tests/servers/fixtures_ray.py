"""One private Ray for all tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

ATTEMPTS = 3


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Start Ray on loopback with two CPUs' worth of actors; it ends with the session.

    On a busy machine Ray gives its own server too little time to start: then it is started again.
    """
    from ray_pipeline.runtime.ray_session import RayUnavailableError, ray_session

    with ExitStack() as stack:
        for attempt in range(ATTEMPTS):
            try:
                stack.enter_context(ray_session("local"))
            except RayUnavailableError:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                break
        yield
