"""The supervisor: which actor owns which partition, who is alive, and when the run ends.

It decides nothing that safety rests on: a partition's log does (a stale owner's next entry collides). So it may be
killed, run twice, or be wrong about who lives; the worst that follows is work done again.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import ray

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.errors import RayPipelineError, SourceError, StoreDeniedError, StoreUnavailableError
from ray_pipeline.runtime.reports import PartitionReport, PartitionState, RunReport, RunState, WorkerReport
from ray_pipeline.runtime.settings import Assignment, RunSettings
from ray_pipeline.runtime.spread import spread
from ray_pipeline.runtime.wiring import open_admin, open_lake, register_supervisor
from ray_pipeline.types import Offset, SourceId, TopicPartition

logger = logging.getLogger(__name__)

_cluster_resources: Callable[[], dict[str, float]] = ray.cluster_resources
TICK_SECONDS = 0.3
REGISTER_SECONDS = 5.0
MOST_FENCED, FENCED_SECONDS = 10, 120.0
"""So many actors that lose their partitions in so short a time, and no newer run: it would go on for ever."""
MOST_LOST_BEHIND = 3
"""So often the end of a run waits for the online values of an actor that died over them."""


def _answer(call: Any) -> WorkerReport | None:
    """Return a report; None is the answer of ``configure``."""
    return cast("WorkerReport | None", ray.get(call))


class _Member:
    """One partition actor as the supervisor knows it."""

    def __init__(self, name: str, handle: Any, now: float) -> None:
        self.name, self.handle = name, handle
        self.heard = now
        self.alive = False
        self.met = False
        self.late = False
        self.report: WorkerReport | None = None
        self.call: Any = None
        self.configuring = False
        self.told: set[TopicPartition] = set()

    @property
    def holds(self) -> set[TopicPartition]:
        return {p.topic_partition for p in self.report.partitions} if self.report else set()

    @property
    def may_hold(self) -> set[TopicPartition]:
        """What it holds, and what it was told to take and does not report yet."""
        return self.holds | self.told


class Supervisor:
    """One ingest run. :meth:`run` returns when it is over; the other methods may be called from other threads."""

    def __init__(self, settings: RunSettings, spawn: Callable[[str], Any], clock: Clock | None = None) -> None:
        self._settings, self._spawn, self._clock = settings, spawn, clock or WallClock()
        self._lock = threading.Lock()
        self._report = RunReport(configured=True, state=RunState.STARTING)
        self._draining = threading.Event()
        self._ending = False
        self._members: dict[str, _Member] = {}
        self._partitions: dict[TopicPartition, int] = {}
        self._sources: dict[str, SourceId] = {}
        self._targets: dict[TopicPartition, Offset] = {}
        self._reached: dict[TopicPartition, PartitionReport] = {}
        self._holder: dict[TopicPartition, str] = {}
        """Who reported a partition as its own last: what others say of it, who let it go before, is old."""
        self._behind_online: set[TopicPartition] = set()
        """Whose owner died before its online values were written: the run does not end before another one has it."""
        self._lost_behind = 0
        self._read_before = 0
        self._messages: list[tuple[int, str]] = []
        self._spawned = 0
        self._fenced: deque[float] = deque(maxlen=MOST_FENCED)
        self._number = 0
        self._discovery_trouble = False
        self._register_trouble = False

    def report(self) -> RunReport:
        """Return where the run stands."""
        with self._lock:
            return self._report

    def drain(self) -> None:
        """Let every actor commit what it has in hand, then end the run."""
        self._draining.set()

    def run(self) -> None:
        """Drive the run to its end; the report's state is then DONE or FAILED."""
        try:
            self._start()
            self._loop()
            self._publish(RunState.DONE)
        except RayPipelineError as error:
            # An actor's error arrives with its traceback around it; the cause is the sentence.
            self._publish(RunState.FAILED, str(getattr(error, "cause", error)))
        except Exception as error:
            logger.exception("the supervisor failed")
            self._publish(RunState.FAILED, f"unexpected {type(error).__name__}: {error}")
        finally:
            for member in self._members.values():
                ray.kill(member.handle)

    # -- start and discovery -----------------------------------------------------------------------------------

    def _start(self) -> None:
        self._began = self._clock.monotonic()
        self._lake = open_lake(self._settings.config)
        self._admin = open_admin(self._settings.config)
        self._register = register_supervisor(self._lake, self._settings)
        self._number = self._register.number
        self._discovered = self._registered = self._began
        self._discover(first=True)
        for _ in range(self._actor_count()):
            self._add_member()
        self._publish(RunState.RUNNING)

    def _actor_count(self) -> int:
        wanted = self._settings.config.ingest.actors
        offered = max(1, int(_cluster_resources().get("CPU", 1)))
        count = offered if wanted == "auto" else int(wanted)
        return max(1, min(count, len(self._partitions)))

    def _add_member(self) -> None:
        name = f"partitions-{self._spawned}"
        self._spawned += 1
        self._members[name] = _Member(name, self._spawn(name), self._clock.monotonic())

    def _discover(self, *, first: bool = False) -> None:
        for topic in self._settings.topics():
            described = self._admin.describe(topic)
            before = self._sources.setdefault(topic, described.source)
            if before != described.source:
                self._say(f"topic {topic} was deleted and made again: its partitions are claimed anew, and stop")
                self._sources[topic] = described.source
                for tp in self._partitions:
                    if tp.topic == topic:
                        self._partitions[tp] += 1
            new = [
                tp
                for tp in (TopicPartition(topic, number) for number in range(described.partitions))
                if tp not in self._partitions
            ]
            if new and not first:
                self._say(f"topic {topic} has {len(new)} new partition(s): read from the beginning")
            self._partitions.update(dict.fromkeys(new, 0))
        if first and self._settings.until_end:
            marks = self._admin.watermarks(list(self._partitions))
            self._targets = {tp: mark.high for tp, mark in marks.items()}

    # -- the loop ----------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            drain = self._ending or self._draining.is_set()
            self._ask(drain)
            self._replace_silent()
            self._publish(RunState.DRAINING if drain else RunState.RUNNING)
            if drain and self._drained():
                if self._draining.is_set() or self._is_out_of_bounds() or self._is_committed():
                    return
                self._ending = False  # an actor died with records in its hands: they are read again
                for tp in self._reached:
                    self._back_to_commit(tp)
                continue
            if not drain and (self._is_out_of_bounds() or self._is_read()):
                self._ending = True
                continue
            self._look_around()
            self._clock.sleep(TICK_SECONDS)

    def _look_around(self) -> None:
        now = self._clock.monotonic()
        if now - self._registered >= REGISTER_SECONDS:
            self._registered = now
            self._check_register()
        if now - self._discovered >= self._settings.discovery_seconds:
            self._discovered = now
            try:
                self._discover()
            except SourceError as error:
                if not self._discovery_trouble:
                    self._say(f"cannot ask about topics now, reading goes on where it can: {error}")
                self._discovery_trouble = True
            else:
                self._discovery_trouble = False

    def _check_register(self) -> None:
        """End this run where a newer one has the pipeline; while the store does not answer, nobody can tell."""
        try:
            self._register.check()
        except (StoreUnavailableError, StoreDeniedError) as error:
            if not self._register_trouble:
                self._say(f"paused: {error}")
            self._register_trouble = True
        else:
            if self._register_trouble:
                self._say("the store answers again")
            self._register_trouble = False

    def _ask(self, drain: bool) -> None:
        held = {tp: member.name for member in self._members.values() for tp in member.may_hold}
        given = spread(self._partitions, [m.name for m in self._members.values() if m.alive], held)
        for member in self._members.values():
            if member.call is None:
                # A partition moves only when its present holder has let it go: its pending records are not wasted.
                mine = {
                    tp: self._partitions[tp]
                    for tp, name in given.items()
                    if name == member.name and held.get(tp, name) == name
                }
                member.told = set(mine)
                member.call = member.handle.reconcile.remote(Assignment(self._number, mine, drain))
        calls = {member.call: member for member in self._members.values()}
        ready, _ = ray.wait(list(calls), num_returns=len(calls), timeout=TICK_SECONDS)
        for call in ready:
            self._hear(calls[call], call)

    def _hear(self, member: _Member, call: Any) -> None:
        member.call = None
        try:
            report: WorkerReport | None = _answer(call)
        except ray.exceptions.RayActorError:
            # Killed, or not back yet: what it held is claimed again by whoever gets it next.
            if member.alive:
                self._say(f"{member.name} died: Ray starts it again, and its partitions are claimed anew")
            self._lose(member)
            return
        if report is None:  # the answer of configure
            return
        member.heard = self._clock.monotonic()
        if not report.configured:
            self._lose(member)
            member.call = member.handle.configure.remote(self._settings)
            return
        member.alive, member.met, member.report = True, True, report
        for sentence in report.messages:
            self._say(sentence)
        if report.fenced:
            self._check_register()
            self._give_up_where_fenced_again(report.fenced)
            self._say(f"{member.name}: {report.fenced}; it is started again")
            ray.kill(member.handle, no_restart=False)
            self._lose(member)
        self._holder.update((partition.topic_partition, member.name) for partition in report.partitions)
        for left in report.released:
            if self._holder.setdefault(left.topic_partition, member.name) == member.name:
                self._note(left)
                if left.feature_lag and not self._ending:  # it moves on, and so do its online values
                    self._behind_online.add(left.topic_partition)
        for partition in report.partitions:
            self._note(partition)

    def _give_up_where_fenced_again(self, sentence: str) -> None:
        now = self._clock.monotonic()
        self._fenced.append(now)
        if len(self._fenced) == MOST_FENCED and now - self._fenced[0] <= FENCED_SECONDS:
            raise RayPipelineError(
                f"{sentence}; this happened {MOST_FENCED} times in {now - self._fenced[0]:.0f} s, and no newer run is "
                f"registered: look for a run that uses another copy of the store, or for objects deleted below "
                f"{self._settings.config.pipeline}/_supervisors"
            )

    def _note(self, partition: PartitionReport) -> None:
        known = self._reached.get(partition.topic_partition)
        if known is not None and partition.records < known.records:  # another owner's, who counts from 0
            self._read_before += known.records
        self._reached[partition.topic_partition] = partition
        if partition.state is not PartitionState.OPENING:
            self._behind_online.discard(partition.topic_partition)

    def _lose(self, member: _Member) -> None:
        behind = {tp for tp in member.holds if (known := self._reached.get(tp)) is not None and known.feature_lag}
        self._lost_behind += bool(behind)
        if self._lost_behind <= MOST_LOST_BEHIND:  # else they may be what kills it
            self._behind_online |= behind
        for tp in member.holds:
            self._back_to_commit(tp)
        member.alive, member.report = False, None
        member.told.clear()

    def _back_to_commit(self, tp: TopicPartition) -> None:
        """What was read and not committed is read again, by whoever gets the partition next."""
        known = self._reached.get(tp)
        if known is not None and known.state is PartitionState.READING and known.position > known.committed:
            self._reached[tp] = replace(known, state=PartitionState.OPENING, position=known.committed)

    def _replace_silent(self) -> None:
        now = self._clock.monotonic()
        for member in list(self._members.values()):
            if now - member.heard <= self._settings.silence_seconds:
                continue
            if member.met:
                self._say(f"{member.name} has not answered for {now - member.heard:.0f} s: it is replaced")
                ray.kill(member.handle)
                self._lose(member)
                del self._members[member.name]
                self._add_member()
            elif not member.late:
                member.late = True  # Ray starts it when there is room; the others read its share until then
                self._say(f"{member.name} waits for a free CPU of the cluster")

    def _drained(self) -> bool:
        alive = [member for member in self._members.values() if member.alive]
        return all(member.report is not None and member.report.drained for member in alive)

    def _is_out_of_bounds(self) -> bool:
        settings = self._settings
        if settings.timeout is not None and self._clock.monotonic() - self._began >= settings.timeout:
            return True
        return settings.max_records is not None and self._read() >= settings.max_records

    def _is_read(self) -> bool:
        """Say whether everything up to the targets is in some actor's hands, or stopped."""
        return (
            self._settings.until_end
            and not self._behind_online
            and all(
                (report := self._reached.get(tp)) is not None
                and (
                    report.state is PartitionState.STOPPED
                    or (report.state is PartitionState.READING and report.position >= target)
                )
                for tp, target in self._targets.items()
            )
        )

    def _is_committed(self) -> bool:
        """Say whether everything up to the targets is committed, or stopped."""
        return not self._behind_online and all(
            (report := self._reached.get(tp)) is not None
            and (report.state is PartitionState.STOPPED or report.committed >= target)
            for tp, target in self._targets.items()
        )

    def _read(self) -> int:
        return self._read_before + sum(partition.records for partition in self._reached.values())

    # -- what others see ---------------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        logger.info("%s", sentence)
        self._messages.append((len(self._messages), sentence))

    def _publish(self, state: RunState, error: str = "") -> None:
        report = RunReport(
            configured=True,
            state=state,
            supervisor=self._number,
            partitions=tuple(self._reached[tp] for tp in sorted(self._reached)),
            owners={tp: member.name for member in self._members.values() for tp in member.holds},
            targets=dict(self._targets),
            error=error,
            messages=tuple(self._messages[-50:]),
        )
        with self._lock:
            self._report = report if state is not RunState.STARTING else replace(report, state=state)
