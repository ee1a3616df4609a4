"""The Ray actors: thin shells that build a core object and pass calls on.

Both get what they need by ``configure``, not by their constructor: see ``settings.py``. An actor that Ray restarted
says that it is not configured, and whoever calls it configures it again.
"""

from __future__ import annotations

import logging
import os
import threading
import uuid
from typing import TYPE_CHECKING, Any

import ray

from ray_pipeline.runtime.reports import RunReport, RunState, WorkerReport

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from ray_pipeline.runtime.settings import Assignment, RunSettings
    from ray_pipeline.runtime.worker import Worker

logger = logging.getLogger(__name__)

# One thread pool per process would start one thread per core in each of them; an actor has one core to itself.
THREADS = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}


class Partitions:
    """Reads, judges and lands some partitions; see :class:`ray_pipeline.runtime.worker.Worker`."""

    def __init__(self, name: str) -> None:
        self._incarnation = f"{name}/{uuid.uuid4().hex[:8]}"
        self._worker: Worker | None = None
        self._metrics: Any = None
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    @ray.method(concurrency_group="control", enable_task_events=False)
    def configure(self, settings: RunSettings) -> None:
        """Build the worker; a second call changes nothing."""
        import pyarrow

        from ray_pipeline.runtime.build import build_worker
        from ray_pipeline.runtime.metrics import WorkerMetrics

        if self._worker is None:
            pyarrow.set_cpu_count(1)
            pyarrow.set_io_thread_count(1)
            self._metrics = WorkerMetrics(settings.config.pipeline)
            self._worker = build_worker(settings, self._incarnation, on_silence=lambda: os._exit(1))
            self._worker.start()

    @ray.method(concurrency_group="control", enable_task_events=False)
    def reconcile(self, assignment: Assignment) -> WorkerReport:
        """Take the assignment, return where everything stands."""
        if self._worker is None:
            return WorkerReport(self._incarnation, configured=False)
        report = self._worker.reconcile(assignment.supervisor, assignment.partitions, drain=assignment.drain)
        self._metrics.record(report)
        return report


class Supervision:
    """Runs the supervisor's loop in a thread; methods only ask and tell."""

    def __init__(self) -> None:
        self._supervisor: Any = None
        self._thread: threading.Thread | None = None
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    @ray.method(concurrency_group="control")
    def configure(self, settings: RunSettings) -> None:
        """Start the run; a second call changes nothing."""
        from ray_pipeline.runtime.supervisor import Supervisor

        if self._supervisor is None:
            self._supervisor = Supervisor(settings, spawn)
            self._thread = threading.Thread(target=self._supervisor.run, name="supervisor", daemon=True)
            self._thread.start()

    @ray.method(concurrency_group="control", enable_task_events=False)
    def report(self) -> RunReport:
        """Return where the run stands."""
        if self._supervisor is None:
            return RunReport(configured=False, state=RunState.STARTING)
        report: RunReport = self._supervisor.report()
        return report

    @ray.method(concurrency_group="control")
    def drain(self) -> None:
        """Commit what is in hand and end."""
        if self._supervisor is not None:
            self._supervisor.drain()


_remote: Any = ray.remote  # its overloads know no concurrency groups
_OPTIONS = {"max_restarts": -1, "max_task_retries": 0, "concurrency_groups": {"control": 2}}
PartitionActor = _remote(**_OPTIONS)(Partitions)
SupervisorActor = _remote(num_cpus=0, **_OPTIONS)(Supervision)


def spawn(name: str) -> ActorHandle[Any]:
    """Start a partition actor of one CPU, on another node than its siblings where there is one."""
    handle: ActorHandle[Any] = PartitionActor.options(
        num_cpus=1, scheduling_strategy="SPREAD", runtime_env={"env_vars": THREADS}
    ).remote(name)
    return handle
