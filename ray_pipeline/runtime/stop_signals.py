"""Ctrl-C and SIGTERM: the first asks for an orderly end, the second for an immediate one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Two flags: ``drain`` (commit what is in hand, then end) and ``abort`` (end now; the log stays right)."""

    def __init__(self) -> None:
        self.drain = threading.Event()
        self.abort = threading.Event()

    def ask(self) -> None:
        """Go one step further."""
        (self.abort if self.drain.is_set() else self.drain).set()


@contextmanager
def term_as_interrupt() -> Iterator[None]:
    """Let SIGTERM unwind as Ctrl-C does, so that what is held is given back; only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def stop_signals(stop: Stop) -> Iterator[None]:
    """Let SIGINT and SIGTERM drive ``stop`` inside the block; only the main thread can, elsewhere nothing happens.

    Enter it after ``ray.init``, which installs a SIGTERM handler of its own that exits at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.ask()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
