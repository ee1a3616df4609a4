"""An ingest that goes on beside whatever else the year does, as it does in production: it is started once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lake.log_reader import LogReader
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.ingest import IngestReport, RunFailedError, ingest
from ray_pipeline.runtime.stop_signals import Stop
from ray_pipeline.runtime.wiring import open_lake

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.keys import LogId

PATIENCE = 180.0
"""Seconds without one more record after which the ingest is called stuck."""
_LOOK = 0.05


class Landing:
    """``with Landing(...) as landing``: records land while the block runs; its end drains, and ``report`` is there."""

    def __init__(self, config: PipelineConfig, say: Callable[[str], None]) -> None:
        self._config, self._say = config, say
        self._stop = Stop()
        self._failure: BaseException | None = None
        self.report: IngestReport | None = None
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._store = open_lake(config)
        self._logs: dict[LogId, LogReader] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.drain.set()
        if kind is not None:  # what was not committed is read again by whoever ingests next
            self._stop.abort.set()
        self._thread.join()
        if kind is None:
            self._check()

    def wait(self, wanted: Mapping[str, int]) -> None:
        """Wait until so many records of each dataset were read and committed since the lake began."""
        best, since = -1, time.monotonic()
        while True:
            counts = {dataset: self._committed(dataset) for dataset in wanted}
            if all(counts[dataset] >= number for dataset, number in wanted.items()):
                return
            if sum(counts.values()) > best:
                best, since = sum(counts.values()), time.monotonic()
            if time.monotonic() - since > PATIENCE or not self._thread.is_alive():
                self._check()
                raise RunFailedError(f"nothing was committed for {PATIENCE:.0f} s; {_lacking(counts, wanted)}")
            time.sleep(_LOOK)

    def _committed(self, dataset: str) -> int:
        count = 0
        for log in find_logs(self._store, self._config.pipeline, self._config.dataset(dataset).topic):
            tail = self._logs.setdefault(log, LogReader(self._store, log)).advance()  # reads only what is new
            count += 0 if tail is None else tail.good + tail.bad + tail.tombstones
        return count

    def _run(self) -> None:
        try:
            self.report = ingest(self._config, replay=True, on_message=self._say, stop=self._stop)
        except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must hear of it
            self._failure = error

    def _check(self) -> None:
        if isinstance(self._failure, RayPipelineError):
            raise self._failure
        if self._failure is not None:
            raise RunFailedError(f"the ingest ended ({type(self._failure).__name__})") from self._failure


def _lacking(counts: Mapping[str, int], wanted: Mapping[str, int]) -> str:
    short = {name: number for name, number in wanted.items() if counts[name] < number}
    return ", ".join(f"{name} has {counts[name]:,} of {number:,} records" for name, number in short.items())
