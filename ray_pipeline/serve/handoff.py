"""An answer leaves when its event is handed over: queued in this process, or acknowledged by the brokers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from ray_pipeline.config.serve import HandOff
from ray_pipeline.errors import PredictionLogError
from ray_pipeline.serve.refusal import Refusal

logger = logging.getLogger(__name__)


class EventCounts(Protocol):
    """What became of events."""

    @property
    def queued(self) -> int: ...
    @property
    def delivered(self) -> int: ...
    @property
    def failed(self) -> int: ...


class EventLog(Protocol):
    """A topic that takes events; :class:`ray_pipeline.connectors.kafka.prediction_log.PredictionLog` is one."""

    @property
    def counts(self) -> EventCounts:
        """What became of the events so far."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why the topic does not take events now."""
        ...

    @property
    def lossy(self) -> bool:
        """Whether the newest event that was decided about was lost."""
        ...

    def put(
        self, key: bytes, value: bytes, timestamp_ms: int, report: Callable[[str | None], None] | None = None
    ) -> None:
        """Queue one event, or raise ``PredictionLogError`` at once; ``report`` is told once, in any thread."""
        ...

    def probe(self, seconds: float = 1.0) -> str | None:
        """Ask the brokers, and return why the topic does not take events."""
        ...

    def close(self, seconds: float = 5.0) -> int:
        """Deliver what is queued, and return how many events were not."""
        ...


async def hand_over(log: EventLog, mode: HandOff, key: bytes, value: bytes, timestamp_ms: int) -> None:
    """Return when the answer may leave; raise ``Refusal`` where its event is not handed over.

    Once an event was lost behind an answer that had left, ``queued`` waits for brokers too, until they have one.
    """
    if mode is HandOff.QUEUED and not log.lossy:
        _put(log, key, value, timestamp_ms, None)
        return
    loop = asyncio.get_running_loop()
    decided: asyncio.Future[str | None] = loop.create_future()

    def settle(reason: str | None) -> None:
        if not decided.done():
            decided.set_result(reason)

    def report(reason: str | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, reason)

    _put(log, key, value, timestamp_ms, report)
    if await decided is not None:
        raise Refusal("not_logged")


def _put(
    log: EventLog, key: bytes, value: bytes, timestamp_ms: int, report: Callable[[str | None], None] | None
) -> None:
    try:
        log.put(key, value, timestamp_ms, report)
    except PredictionLogError as error:
        logger.warning("an answer was held back: %s", error)
        raise Refusal("not_logged") from None
