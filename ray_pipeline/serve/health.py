"""Whether requests can be answered: what a thread of its own finds out, so that nobody who asks has to wait."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.text import visible

logger = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""Returns what is wrong as one sentence, or None; it may wait, and raise."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check said, and when it said it."""

    at: float
    trouble: str | None


class Health:
    """Runs checks by name, each in a thread, again and again. One that hangs says so by its silence."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        every: float = 2.0,
        patience: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks, self._every, self._patience, self._monotonic = dict(checks), every, patience, monotonic
        self._findings: dict[str, Finding] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to check."""
        for name in self._checks:
            thread = threading.Thread(target=self._run, args=(name,), name=f"health-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float = 1.0) -> None:
        """End the checks; one that hangs is left behind."""
        self._stop.set()
        for thread in self._threads:
            thread.join(seconds)

    def check(self, name: str) -> None:
        """Run one check now."""
        try:
            trouble = self._checks[name]()
        except RayPipelineError as error:
            trouble = str(error)
        except Exception as error:  # a check that breaks is no reason for a process to end
            logger.exception("the check of %s broke", name)
            trouble = f"the check broke ({type(error).__name__})"
        before = self._findings.get(name)
        if trouble is not None and (before is None or before.trouble is None):
            logger.warning("not ready: %s: %s", name, visible(trouble))
        self._findings[name] = Finding(self._monotonic(), None if trouble is None else visible(trouble)[:1000])

    def troubles(self) -> dict[str, str]:
        """Return what is wrong, by the check's name; empty where nothing is."""
        now = self._monotonic()
        found: dict[str, str] = {}
        for name in self._checks:
            finding = self._findings.get(name)
            if finding is None:
                found[name] = "not checked yet"
            elif finding.trouble is not None:
                found[name] = finding.trouble
            elif now - finding.at > self._patience:
                found[name] = f"has not answered for {now - finding.at:.0f} seconds"
        return found

    def _run(self, name: str) -> None:
        while not self._stop.is_set():
            self.check(name)
            self._stop.wait(self._every)
