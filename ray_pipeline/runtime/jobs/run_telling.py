"""Tell an OpenLineage receiver of a run that makes one thing: START, then COMPLETE or FAIL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock
from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lineage.runs import BatchRun

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

Event = dict[str, Any]


class RunTeller:
    """The events of one run. Nothing here stalls or fails it: the emitter has a queue of its own."""

    def __init__(self, emit: Callable[[Event], None], clock: Clock, run: BatchRun) -> None:
        self._emit, self._clock, self.run = emit, clock, run
        self._failed: Callable[[str, str], Event] | None = None

    def began(self, event: Event, failed: Callable[[str, str], Event]) -> None:
        """Say that the run began; ``failed`` makes the event of an end without a result, of moment and sentence."""
        self._failed = failed
        self._emit(event)

    def ended(self, event: Callable[[str], Event]) -> None:
        """Say what came of it, at this moment."""
        self._failed = None
        self._emit(event(timestamp_text(self._clock.now())))

    def failed(self, error: BaseException) -> None:
        """Say that it ended without a result, where it had begun."""
        if self._failed is not None:
            sentence = str(error) if isinstance(error, RayPipelineError) else type(error).__name__
            self._emit(self._failed(timestamp_text(self._clock.now()), sentence))
            self._failed = None


@contextmanager
def telling_run(config: PipelineConfig, job: str, clock: Clock) -> Iterator[RunTeller | None]:
    """Open the emitter that the configuration asks for, None where it asks for none.

    Whatever leaves the block by an error is told as FAIL. The end waits for the last events no longer than the
    configured time-out.
    """
    if config.lineage.transport == "none":
        yield None
        return
    from ray_pipeline.connectors.openlineage import open_emitter

    run_id = f"{SystemRandom().getrandbits(64):016x}"
    started = timestamp_text(clock.now())
    run = BatchRun(config.pipeline, job, run_id, started, version("ray"), config.lineage.namespace)
    emitter = open_emitter(config.lineage)
    teller = RunTeller(emitter.emit, clock, run)
    try:
        yield teller
    except BaseException as error:
        teller.failed(error)
        raise
    finally:
        emitter.close(config.lineage.timeout)
