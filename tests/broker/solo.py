"""``python -m tests.broker.solo CONFIG``: one worker with every partition of a pipeline, and no Ray.

It reads to where the topics ended when it began, commits and ends with 0; with ``--hold`` it goes on until SIGTERM.
It says ``read`` once everything is read, ends with 3 and a sentence where it is fenced, and with 4 where a partition
stops.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.runtime.build import build_worker
from ray_pipeline.runtime.reports import PartitionState, WorkerReport
from ray_pipeline.runtime.settings import RunSettings
from ray_pipeline.runtime.wiring import check_parts, load_contracts, open_admin, open_lake, register_supervisor
from ray_pipeline.runtime.worker import Worker
from ray_pipeline.types import TopicPartition


class SoloFailedError(Exception):
    """The worker did not come to the end; ``code`` is the exit code of a process."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def run_solo(config: PipelineConfig, *, hold: threading.Event | None = None, seconds: float = 60.0) -> list[str]:
    """Read to the end of now, or until ``hold`` is set; commit, and return what the worker said."""
    settings = RunSettings(config, load_contracts(config), owner=f"solo:{os.getpid()}")
    check_parts(config, say=lambda _sentence: None)
    admin = open_admin(config)
    with _worker(settings) as worker:
        number = register_supervisor(open_lake(config), settings).number
        described = [admin.describe(topic) for topic in settings.topics()]
        wanted = {TopicPartition(one.topic, n): 0 for one in described for n in range(one.partitions)}
        targets = {tp: mark.high for tp, mark in admin.watermarks(list(wanted)).items()}
        said: list[str] = []
        deadline = time.monotonic() + seconds
        drain, told = False, False
        while True:
            report = worker.reconcile(number, wanted, drain=drain)
            said += report.messages
            if report.fenced:
                raise SoloFailedError(3, report.fenced)
            if report.drained:
                return said
            stopped = [p.detail for p in report.partitions if p.state is PartitionState.STOPPED]
            if stopped:
                raise SoloFailedError(4, stopped[0])
            at_end = _at_end(report, targets)
            if at_end and not told:
                told = True
                print("read", file=sys.stderr, flush=True)
            drain = drain or (hold.is_set() if hold else at_end)
            if time.monotonic() > deadline:
                raise SoloFailedError(5, f"not at the end in time: {report}")
            time.sleep(0.02)


def _at_end(report: WorkerReport, targets: dict[TopicPartition, int]) -> bool:
    reading = {p.topic_partition: p.position for p in report.partitions if p.state is PartitionState.READING}
    return all(reading.get(tp, -1) >= target for tp, target in targets.items())


@contextmanager
def _worker(settings: RunSettings) -> Iterator[Worker]:
    worker = build_worker(settings, "solo", on_silence=lambda: os._exit(1))
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def main() -> int:
    hold = None
    if "--hold" in sys.argv:
        hold = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: hold.set())
    try:
        run_solo(load_config(sys.argv[1], ()), hold=hold)
    except SoloFailedError as failed:
        print(failed, file=sys.stderr)
        return failed.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
