"""How long each step of the demo took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def timed(timings: dict[str, float], step: str) -> Iterator[None]:
    """Note the seconds of a block under its name."""
    began = time.monotonic()
    yield
    timings[step] = round(time.monotonic() - began, 3)
