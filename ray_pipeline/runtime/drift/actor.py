"""The drift actor: one for each pipeline of a cluster, which looks again and again and keeps nothing of its own.

All that it knows is in logs. It may die between any two writes, or run beside another one: windows have one record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.runtime.ray_session import ray_session
from ray_pipeline.runtime.stop_signals import Stop, stop_signals

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.drift.standing import WatchReport

logger = logging.getLogger(__name__)
NAMESPACE = "ray-pipeline-drift"
_SOON = 5.0
Say = Callable[[str], None]


class Watching:
    """Looks when it is told to, and sets the metrics. It is told its configuration by a call: arguments of an actor's
    constructor stay in Ray's tables, and there may be secrets among them."""

    def __init__(self) -> None:
        self._gauges: Any = None
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    @ray.method(enable_task_events=False)
    def look(
        self, config: PipelineConfig, now: datetime | None = None, parts: int = 1, subjects: Sequence[str] = ()
    ) -> WatchReport:
        """Close what is due, and set the metrics."""
        from ray_pipeline.runtime.drift.metrics import RayGauges
        from ray_pipeline.runtime.drift.status import status
        from ray_pipeline.runtime.drift.watch import watch

        found = watch(config, now=now, parts=parts, subjects=subjects)
        self._gauges = self._gauges or RayGauges()
        self._gauges.record(status(config, now=now))
        return found


_remote: Any = ray.remote
DriftActor = _remote(num_cpus=0, max_restarts=-1, max_task_retries=2)(Watching)


def drift_actor(pipeline: str) -> Any:
    """Return the actor of a pipeline; where none is it is started on this node, where contracts and definitions are."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options: dict[str, Any] = {"name": f"drift-{pipeline}", "namespace": NAMESPACE, "get_if_exists": True}
    return DriftActor.options(**options, scheduling_strategy=here).remote()


def watch_forever(
    config: PipelineConfig,
    every: float,
    *,
    parts: int = 1,
    subjects: Sequence[str] = (),
    ray_address: str | None = None,
    on_report: Callable[[WatchReport], None] | None = None,
    on_message: Say | None = None,
    stop: Stop | None = None,
    looks: int | None = None,
) -> None:
    """Let the pipeline's actor look every so many seconds, until SIGINT or SIGTERM, or ``looks`` times.

    A store that does not answer is said, and asked again; what cannot be better the next time ends this.
    """
    stop = stop or Stop()
    with ray_session(ray_address), stop_signals(stop):
        actor = drift_actor(config.pipeline)  # held: an actor whose first handle is gone ends
        done = 0
        while not stop.drain.is_set() and (looks is None or done < looks):
            wait = every
            try:
                found: WatchReport | None = _answer(actor, config, parts, subjects, stop)
                if found is not None and on_report is not None:
                    on_report(found)
            except RayActorError:
                wait = min(every, _SOON)  # it belonged to another driver, which ended
                actor = drift_actor(config.pipeline)
            except RayPipelineError as error:
                if not error.retryable:
                    raise
                if on_message is not None:
                    on_message(f"{error}; the next look is in {every:g} seconds")
            done += 1
            if looks is None or done < looks:
                stop.drain.wait(wait)


def _answer(actor: Any, config: PipelineConfig, parts: int, subjects: Sequence[str], stop: Stop) -> Any:
    """Wait for a look, or for the signal to end: then what the actor does is finished by whoever looks next."""
    call = actor.look.remote(config, None, parts, tuple(subjects))
    while not stop.drain.is_set():
        ready, _ = ray.wait([call], timeout=0.5)
        if ready:
            try:
                return ray.get(call)
            except ray.exceptions.RayTaskError as error:
                cause = getattr(error, "cause", None)
                if isinstance(cause, RayPipelineError):
                    raise cause from None
                raise
    return None
