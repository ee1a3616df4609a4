"""A clock that moves only when told, or when somebody sleeps on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2013, 1, 1, tzinfo=UTC)


class FrozenClock:
    """A :class:`~ray_pipeline.clock.Clock` under the test's hand.

    >>> clock = FrozenClock()
    >>> clock.sleep(1.5)
    >>> clock.now().isoformat(), clock.monotonic()
    ('2013-01-01T00:00:01.500000+00:00', 1.5)
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds
