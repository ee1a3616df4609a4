"""Start an ingest run and see it through: what the command line, a submitted job and a notebook call."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import ray

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.runtime.features.loading import loading
from ray_pipeline.runtime.ray_session import ray_session
from ray_pipeline.runtime.reports import PartitionReport, PartitionState, RunReport, RunState
from ray_pipeline.runtime.settings import RunSettings
from ray_pipeline.runtime.stop_signals import Stop, stop_signals
from ray_pipeline.runtime.wiring import Totals, check_parts, load_contracts, open_lake, read_totals
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

REPORT_SECONDS = 0.3


class RunFailedError(RayPipelineError):
    """The run ended early; what was committed before stays committed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class DatasetCounts:
    """What one run committed for one dataset, from the log."""

    topic: str
    read: int = 0
    """landed + dead-lettered + tombstones that the contract skips"""
    landed: int = 0
    dead_lettered: int = 0
    tombstones: int = 0
    by_rule: dict[str, int] = field(default_factory=dict)
    pending_dead_letters: int = 0
    """Committed, and not in the dead-letter topic yet."""


@dataclass(frozen=True, slots=True)
class OnlineCounts:
    """How far the online values of one view are at the end of a run, over all partitions."""

    lag: int = 0
    """Committed offsets that they lack; the next run goes on from there."""
    trouble: str = ""
    """Why, where it is known."""
    set_aside: dict[str, int] = field(default_factory=dict)
    """Landed rows that this run found to be no events of the view, by reason."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did; every count is the difference of two readings of the commit log."""

    datasets: dict[str, DatasetCounts]
    seconds: float
    """From the first actor's start to the last commit."""
    stopped: tuple[PartitionReport, ...] = ()
    aborted: bool = False
    uncommitted: int = 0
    """Offsets that were read and that the drain could not commit: the store was away, or an actor died in it."""
    online: dict[str, dict[str, OnlineCounts]] = field(default_factory=dict)
    """Dataset → stream-fed view → its online values; empty where this pipeline keeps none."""

    @property
    def outcome(self) -> Outcome:
        """HELD: all is committed. BROKEN: a breaker stopped a partition. UNKNOWN: something else is in the way.

        Dead letters that are not in their topic yet, and online values that lag, are such a something.
        """
        if self.aborted or self.uncommitted or any(p.reason != "bad-share" for p in self.stopped):
            return Outcome.UNKNOWN
        if self.stopped:
            return Outcome.BROKEN
        if any(counts.pending_dead_letters for counts in self.datasets.values()):
            return Outcome.UNKNOWN
        if any(counts.lag for views in self.online.values() for counts in views.values()):
            return Outcome.UNKNOWN
        return Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return what ``ingest --output json`` prints."""
        return {
            name: {
                "read": counts.read,
                "landed": counts.landed,
                "dead_lettered": counts.dead_lettered,
                "by_rule": dict(sorted(counts.by_rule.items())),
                **self._online_json(name),
            }
            for name, counts in self.datasets.items()
        }

    def _online_json(self, dataset: str) -> dict[str, Any]:
        views = self.online.get(dataset)
        return {} if views is None else {"online": {view: asdict(counts) for view, counts in views.items()}}


def ingest(
    config: PipelineConfig,
    *,
    until_end: bool = False,
    max_records: int | None = None,
    timeout: float | None = None,
    replay: bool = False,
    ray_address: str | None = None,
    on_progress: Callable[[RunReport], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    stop: Stop | None = None,
) -> IngestReport:
    """Read, judge, land and commit until the run's end: ``until_end``, a bound, a signal, or never.

    ``on_progress`` gets a report some times a second, ``on_message`` each sentence for people. SIGINT and SIGTERM
    drain the run when this is called in the main thread. With ``replay`` landing times are the publication time of
    the newest record read. Raises ``ConfigError``/``ContractError`` before anything is started,
    ``FeatureDefinitionError`` before anything is read, ``SourceError``/``LakeError`` within 30 seconds where a part is
    absent or denied, ``RunFailedError`` where the run cannot go on (fenced by a newer one, an unexpected failure).
    """
    stop = stop or Stop()
    settings = RunSettings(
        config,
        load_contracts(config),
        owner=f"{socket.gethostname()}:{os.getpid()}",
        until_end=until_end,
        max_records=max_records,
        timeout=timeout,
        replay=replay,
    )
    with loading(config) as views_and_store:
        check_parts(config, say=on_message or (lambda _sentence: None))
        lake = open_lake(config)
        before = read_totals(lake, config)

        def committed() -> int:
            return _records(read_totals(lake, config)) - _records(before)

        with ray_session(ray_address), stop_signals(stop):
            views, online = views_and_store()
            settings = replace(settings, views=views, online=online)
            began = time.monotonic()
            final = _see_through(settings, stop, committed, on_progress, on_message)
            seconds = time.monotonic() - began
    after = read_totals(lake, config)
    waiting = Counter[str]()
    for partition in final.partitions:
        waiting[partition.topic_partition.topic] += partition.pending_dead_letters
    return IngestReport(
        {
            name: _counts(dataset.topic, before[name], after[name], waiting[dataset.topic])
            for name, dataset in config.datasets.items()
        },
        seconds,
        final.stopped,
        stop.abort.is_set(),
        sum(max(0, p.position - p.committed) for p in final.partitions if p.state is not PartitionState.STOPPED),
        _online(settings, final.partitions),
    )


def _online(settings: RunSettings, partitions: tuple[PartitionReport, ...]) -> dict[str, dict[str, OnlineCounts]]:
    names = settings.topics()
    found: dict[str, dict[str, OnlineCounts]] = {}
    for view in settings.views:
        found.setdefault(view.shape.dataset, {})[view.name] = OnlineCounts()
    for partition in partitions:
        counts = found.get(names[partition.topic_partition.topic], {})
        for one in partition.views:
            known = counts[one.view]
            counts[one.view] = OnlineCounts(
                known.lag + one.lag,
                known.trouble or one.trouble,
                dict(Counter(known.set_aside) + Counter(one.set_aside)),
            )
    return found


def _counts(topic: str, before: Totals, after: Totals, waiting: int) -> DatasetCounts:
    good, bad, stones = (
        after.good - before.good,
        after.bad - before.bad,
        after.tombstones - before.tombstones,
    )
    by_rule = {rule: n - before.by_rule.get(rule, 0) for rule, n in after.by_rule.items()}
    return DatasetCounts(
        topic,
        good + bad + stones,
        good,
        bad,
        stones,
        {rule: n for rule, n in by_rule.items() if n},
        waiting,
    )


def _records(totals: dict[str, Totals]) -> int:
    return sum(one.good + one.bad + one.tombstones for one in totals.values())


def _what_is_left(settings: RunSettings, seconds: float, committed: Callable[[], int]) -> RunSettings:
    """Return what a supervisor is told, which may be the second of a run: the bounds are the run's."""
    return replace(
        settings,
        timeout=None if settings.timeout is None else max(0.0, settings.timeout - seconds),
        max_records=None if settings.max_records is None else max(0, settings.max_records - committed()),
    )


def _see_through(
    settings: RunSettings,
    stop: Stop,
    committed: Callable[[], int],
    on_progress: Callable[[RunReport], None] | None,
    on_message: Callable[[str], None] | None,
) -> RunReport:
    from ray_pipeline.runtime.actors import SupervisorActor

    supervisor: Any = SupervisorActor.remote()
    seen, draining = -1, False
    began = time.monotonic()
    report = RunReport(configured=False, state=RunState.STARTING)
    try:
        while True:
            try:
                report = cast(RunReport, ray.get(supervisor.report.remote()))
                if not report.configured:
                    left = _what_is_left(settings, time.monotonic() - began, committed)
                    ray.get(supervisor.configure.remote(left))
                    seen, draining = -1, False
                if stop.drain.is_set() and not draining:
                    supervisor.drain.remote()
                    draining = True
            except ray.exceptions.RayActorError:
                # The supervisor died; Ray starts it again, and it is configured again at the next turn.
                time.sleep(REPORT_SECONDS)
                continue
            for number, sentence in report.messages:
                if number > seen:
                    seen = number
                    if on_message:
                        on_message(sentence)
            if on_progress:
                on_progress(report)
            if report.state is RunState.FAILED:
                raise RunFailedError(report.error)
            if report.state is RunState.DONE or stop.abort.is_set():
                return report
            stop.abort.wait(REPORT_SECONDS)
    finally:
        ray.kill(supervisor)
