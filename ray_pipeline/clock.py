"""Where time comes from. Decisions take a moment or a clock as an argument; nobody else reads the wall clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from random import Random
from typing import Protocol


class Clock(Protocol):
    """Two readings: a moment for records, and seconds that never go back for waiting."""

    def now(self) -> datetime:
        """Return the current moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; only differences mean anything."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class ReplayClock:
    """The clock of a replay: now is the publication time of the newest record read so far; waiting is real."""

    def __init__(self) -> None:
        self._milliseconds = 0

    def advance(self, timestamp_ms: int) -> None:
        """Move on to a record's Kafka timestamp; an older one changes nothing."""
        self._milliseconds = max(self._milliseconds, timestamp_ms)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._milliseconds / 1000, UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def backoff(attempt: int, rng: Random, first: float = 0.1, longest: float = 10.0) -> float:
    """Return how many seconds to wait after the failed attempt (counted from 0): doubling, with jitter.

    >>> 0.4 <= backoff(3, Random(1)) <= 0.8, backoff(50, Random(1)) <= 10
    (True, True)
    """
    return float(min(longest, first * 2 ** min(attempt, 30)) * rng.uniform(0.5, 1.0))
