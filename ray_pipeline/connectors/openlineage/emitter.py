"""A bounded queue before the receiver: telling what ran never stalls and never fails what runs."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from .delivery import Delivery, Event, UndeliveredError

logger = logging.getLogger(__name__)

CAPACITY = 1_000
"""Events that may wait; a gate makes two per dataset."""
ATTEMPTS = 3
FIRST_PAUSE = 0.2
"""Seconds before the second attempt; doubled before each further one."""


class LineageEmitter:
    """Hands events to one daemon thread; whoever calls ``emit`` goes on at once.

    ``opening`` is called in that thread, at the first event; without it nobody is told. Nothing here raises.
    :meth:`close` says how many events are not known to have arrived, and logs it once.
    """

    def __init__(self, opening: Callable[[], Delivery] | None, *, capacity: int = CAPACITY) -> None:
        self._opening = opening
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[Event] = deque()
        self._sending = False
        self._lost = 0
        self._reason = ""
        self._closing = False
        self._given_up = threading.Event()
        self._reported = False
        self._thread: threading.Thread | None = None

    def emit(self, *events: Event) -> None:
        """Take the events on their way; those for which there is no room, or that come after the end, are lost."""
        if self._opening is None:
            return
        with self._changed:
            for event in events:
                if self._closing or len(self._waiting) >= self._capacity:
                    self._lose("came after the end" if self._closing else "the queue was full")
                else:
                    self._waiting.append(event)
            if self._waiting and self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(self._opening,), name="openlineage", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def close(self, timeout: float) -> int:
        """Wait up to ``timeout`` seconds for what is on its way; return how many events did not arrive in all."""
        until = time.monotonic() + timeout
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._sending, until - time.monotonic())
            self._given_up.set()
            if late := len(self._waiting) + self._sending:
                self._waiting.clear()
                self._lost += late
                self._reason = self._reason or f"no answer within {timeout:g} s"
            lost, reason, first = self._lost, self._reason, not self._reported
            self._reported = True
        if lost and first:
            logger.warning("%d OpenLineage event%s did not arrive: %s", lost, "" if lost == 1 else "s", reason)
        return lost

    def _lose(self, reason: str) -> None:
        self._lost += 1
        self._reason = reason

    def _run(self, opening: Callable[[], Delivery]) -> None:
        delivery: Delivery | None = None
        while (event := self._next()) is not None:
            try:
                delivery = delivery or opening()
                reason = self._deliver(delivery, event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the gate goes on
                reason = f"unexpected {type(error).__name__}"
            with self._changed:
                self._sending = False
                if reason and not self._given_up.is_set():  # else close() counted it
                    self._lose(reason)
                self._changed.notify_all()
        if delivery is not None:
            delivery.close()

    def _next(self) -> Event | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            self._sending = True
            return self._waiting.popleft()

    def _deliver(self, delivery: Delivery, event: Event) -> str:
        """Return why it did not arrive; nothing where it did."""
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt and self._given_up.wait(FIRST_PAUSE * 2 ** (attempt - 1)):
                break
            try:
                delivery.send(event)
            except UndeliveredError as error:
                reason = error.reason
                if not error.again:
                    break
            else:
                return ""
        return reason
