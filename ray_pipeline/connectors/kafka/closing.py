"""Leaving a Kafka client within a deadline."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

from ray_pipeline.connectors.kafka.trouble import CLIENT_ERRORS

logger = logging.getLogger(__name__)


def close_within(seconds: float, close: Callable[[], object]) -> bool:
    """Call ``close`` in a thread of its own and say whether it ended in time.

    The clients' closing waits for brokers that may never answer, and takes no time-out. A thread that is left behind
    is a daemon: it keeps its client alive, so that the garbage collector does not touch it, and ends with the process.
    """

    def leave() -> None:
        with contextlib.suppress(*CLIENT_ERRORS):  # fenced, or nobody there: leaving is all that is wanted
            close()

    thread = threading.Thread(target=leave, name="kafka-close", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def close_producer(producer: Any, name: str, seconds: float) -> None:
    """End a producer for good: what is queued is dropped, an open transaction aborted if a broker answers in time."""

    def leave() -> None:
        producer.purge()
        producer.close()

    if not close_within(seconds, leave):
        logger.info("%s did not close in %g seconds; it is left to end by itself", name, seconds)
