"""Which version answers: the registry's champion, looked for again and again, and swapped without a pause."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ray_pipeline.errors import NoModelError, RayPipelineError
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.text import visible

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds between two attempts to load a champion that cannot be loaded."""


class Versions(Protocol):
    """What is asked of a registry of models."""

    def revision(self, name: str) -> int:
        """Return a number that changes when an alias of the model is moved."""
        ...

    def resolve(self, name: str) -> ModelManifest:
        """Return the champion, or raise ``NoModelError``."""
        ...


class HasManifest(Protocol):
    """A version that can answer."""

    @property
    def manifest(self) -> ModelManifest: ...


Opened = TypeVar("Opened", bound=HasManifest)


@dataclass(frozen=True, slots=True)
class Told(Generic[Opened]):
    """What is to be told of turns of :meth:`Champion.look`: each is called in the watching thread."""

    swapped: Callable[[Opened], None] = lambda _: None
    failed: Callable[[str], None] = lambda _: None


class Champion(Generic[Opened]):
    """The version that answers, and a thread that keeps it the registry's champion.

    A request takes :attr:`current` once and finishes with it, whatever is swapped in meanwhile. A champion that cannot
    be loaded changes nothing: the version before goes on, :attr:`trouble` says why, and it is tried again, less and
    less often. No champion at all is no trouble of this process either: the version before goes on.
    """

    def __init__(
        self,
        registry: Versions,
        name: str,
        open_version: Callable[[ModelManifest], Opened],
        told: Told[Opened] | None = None,
        *,
        every: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._name, self._open = registry, name, open_version
        self._told: Told[Opened] = told or Told()
        self._every, self._monotonic = every, monotonic
        self._revision: int | None = None
        self._failures, self._not_before = 0, 0.0
        self._stop, self._looked = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.current: Opened | None = None
        """The version that answers; None before the first."""
        self._not_found: str | None = f"model {name}: its champion was not looked for yet"
        self._not_loaded: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the registry's champion does not answer, as one sentence; None where it does."""
        return self._not_loaded or self._not_found

    def start(self) -> None:
        """Look now and every so many seconds, in a thread."""
        self._thread = threading.Thread(target=self._run, name="champion", daemon=True)
        self._thread.start()

    def wait_looked(self, seconds: float) -> None:
        """Wait until the first look is over, so that no request finds a process that has yet to load its champion."""
        self._looked.wait(seconds)

    def stop(self, seconds: float = 5.0) -> None:
        """End the thread; the version that answers stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def look(self) -> None:
        """Look once. Where the champion is another version now, load it and let it answer."""
        try:
            revision = self._registry.revision(self._name)
            if revision == self._revision and (self._failures == 0 or self._monotonic() < self._not_before):
                self._not_found = None
                return
            manifest = self._registry.resolve(self._name)
        except Exception as error:  # noqa: BLE001  whatever a store raises, the version that answers goes on
            self._not_found = _sentence(error)
            if isinstance(error, NoModelError):  # nobody is to be loaded any more
                self._failures, self._not_loaded = 0, None
            return
        if revision != self._revision:
            self._failures = 0
        self._revision, self._not_found = revision, None
        current = self.current
        if current is not None and current.manifest.number == manifest.number:
            self._not_loaded, self._failures = None, 0
            return
        try:
            opened = self._open(manifest)
        except Exception as error:  # noqa: BLE001  a repository's own code runs in here
            self._failed(manifest, error)
            return
        self.current = opened
        self._not_loaded, self._failures = None, 0
        logger.info("%s answers from now on", manifest.shown)
        self._told.swapped(opened)

    def _failed(self, manifest: ModelManifest, error: Exception) -> None:
        self._failures += 1
        pause = min(LONGEST_PAUSE, self._every * 2.0 ** min(self._failures - 1, 20))
        self._not_before = self._monotonic() + pause
        self._not_loaded = said = _sentence(error)
        going_on = "no version answers" if self.current is None else f"{self.current.manifest.shown} goes on"
        if not isinstance(error, RayPipelineError):
            logger.error("champion %s cannot be loaded", manifest.shown, exc_info=error)
        logger.error("champion %s cannot be loaded, and %s: %s", manifest.shown, going_on, said)
        self._told.failed(said)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._looked.set()
            self._stop.wait(self._every)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return visible(text if isinstance(error, RayPipelineError) else f"{type(error).__name__}: {text}")[:1000]
