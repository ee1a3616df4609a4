"""The wanted partitions of a worker, and how each goes from opening to reading to leaving: the writing half.

All of this runs in the writing thread, but for the dead letters: their topic may be slow or away, and good data never
waits for it, so each partition's projection runs beside, in a small pool. So do the online values of features, in a
thread of their own: not even letting a partition go waits for them, only the end of a run does, for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from ray_pipeline.clock import Clock
from ray_pipeline.errors import (
    FencedError,
    PartitionStoppedError,
    RayPipelineError,
    SourceDeniedError,
    StoreDeniedError,
)
from ray_pipeline.runtime.reports import PartitionReport, PartitionState, ViewReport
from ray_pipeline.types import Offset, Position, RecordBatch, TopicPartition

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STOPPED_SECONDS = 2.0
"""How often a stopped partition looks whether a person has resumed it."""
PROJECTORS = 4
FEATURE_SECONDS = 30.0
"""How long a run that ends waits for online values."""


class Features(Protocol):
    """Online values of one partition; see :class:`ray_pipeline.runtime.features.projection.FeatureProjection`."""

    @property
    def is_due(self) -> bool: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def troubles(self) -> str: ...
    def reports(self) -> tuple[ViewReport, ...]: ...
    def catch_up(self) -> None: ...
    def catch_up_until(self, deadline: float) -> None: ...


class Owner(Protocol):
    """One owned partition, as a worker drives it; see :class:`ray_pipeline.runtime.partition.PartitionOwner`."""

    @property
    def committed(self) -> Offset: ...
    @property
    def pending_dead_letters(self) -> int: ...
    @property
    def dead_letter_trouble(self) -> str: ...
    @property
    def features(self) -> Features | None: ...
    def own(self) -> Position: ...
    def judge(self, batch: RecordBatch) -> Any: ...
    def land(self, judged: Any) -> int: ...
    def due(self) -> bool: ...
    def commit(self) -> bool: ...
    def project(self, *, final: bool = False) -> None: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


class Reading(Protocol):
    """What the writing half asks of the reading one."""

    def add(self, tp: TopicPartition, serial: int, position: Position, owner: Owner) -> None: ...
    def remove(self, tp: TopicPartition, serial: int) -> None: ...
    def hint(self, tp: TopicPartition, position: Position) -> None: ...


@dataclass(slots=True)
class Lane:
    """A wanted partition and where it stands."""

    topic_partition: TopicPartition
    generation: int
    owner: Owner
    state: PartitionState = PartitionState.OPENING
    serial: int = 0
    """Which assignment of the source its chunks belong to; older ones are dropped."""
    position: Offset = 0
    records: int = 0
    bad: int = 0
    reason: str = ""
    detail: str = ""
    failures: int = 0
    retry_at: float = 0.0
    leaving: bool = False
    """The reading thread was asked to let it go."""
    committed_all: bool = False
    """Leaving, and nothing is left to commit: only dead letters may still be on their way."""
    projecting: Future[None] | None = None
    dead_letter_trouble: str = ""
    """What was last said about its dead-letter topic."""
    released: bool = False
    """Given back; only the last online values may still be on their way."""
    featuring: Future[None] | None = None
    last_features: bool = False
    """They had, or have, their last chance of this run."""
    feature_trouble: str = ""
    """What was last said about its online values."""

    def report(self) -> PartitionReport:
        """Return where it stands."""
        return PartitionReport(
            self.topic_partition,
            self.state,
            self.position,
            self.owner.committed,
            self.records,
            self.bad,
            self.owner.pending_dead_letters,
            self.reason,
            self.detail,
            () if self.owner.features is None else self.owner.features.reports(),
        )

    @property
    def is_projecting(self) -> bool:
        """Whether its dead letters are being written now; the owner may then only land and commit."""
        return self.projecting is not None and not self.projecting.done()

    @property
    def is_featuring(self) -> bool:
        """Whether its online values are being written now, which hinders nobody."""
        return self.featuring is not None and not self.featuring.done()


class Lanes:
    """Drives every lane a step further whenever it is asked to; see the module."""

    def __init__(
        self,
        *,
        make_owner: Callable[[TopicPartition, int, int], Owner],
        reading: Reading,
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._make_owner, self._reading, self._clock, self._say = make_owner, reading, clock, say
        self._lanes: dict[TopicPartition, Lane] = {}
        self._left: dict[TopicPartition, PartitionReport] = {}
        self._serial = 0
        self._pool = ThreadPoolExecutor(PROJECTORS, thread_name_prefix="dead-letters")
        self._feature_pool = ThreadPoolExecutor(1, thread_name_prefix="features")
        self._features_until: float | None = None
        """When a run that ends gives up on online values; None while it goes on."""
        self.trouble: dict[str, str] = {}
        """What does not answer now, by partition."""

    # -- asked by any thread -----------------------------------------------------------------------------------

    def reports(self) -> tuple[PartitionReport, ...]:
        """Return where every lane stands."""
        return tuple(lane.report() for lane in self._lanes.copy().values())

    def left(self) -> tuple[PartitionReport, ...]:
        """Return the partitions that were let go, as they were left."""
        return tuple(self._left.copy().values())

    # -- the writing thread ------------------------------------------------------------------------------------

    def follow(self, wanted: dict[TopicPartition, int], supervisor: int, *, drain: bool = False) -> None:
        """Open what is wanted and let go what is not, a step at a time; with ``drain`` the run ends."""
        if not drain:
            self._features_until = None
        elif self._features_until is None:
            self._features_until = self._clock.monotonic() + FEATURE_SECONDS
        for tp, generation in wanted.items():
            if tp not in self._lanes:
                self._lanes[tp] = Lane(tp, generation, self._make_owner(tp, supervisor, len(wanted)))
                self._left.pop(tp, None)
        for tp, lane in list(self._lanes.items()):
            if lane.is_projecting and lane.state is not PartitionState.READING:
                continue
            if lane.committed_all:
                self._attempt(lane, lambda lane=lane: self._finish(lane))  # type: ignore[misc]
            elif wanted.get(tp) != lane.generation:
                self._let_go(lane)
            elif lane.state is not PartitionState.READING and self._clock.monotonic() >= lane.retry_at:
                self._attempt(lane, lambda lane=lane: self._open(lane))  # type: ignore[misc]

    def take(self, item: tuple[Any, ...]) -> None:
        """Take what the reading thread put into the queue."""
        kind, tp, serial = item[:3]
        lane = self._lanes.get(tp)
        if lane is None or lane.serial != serial:
            return
        if kind == "chunk":
            self._attempt(lane, lambda: self._land(lane, item[3], item[4]))
        elif kind == "stopped":
            self._attempt(lane, lambda: self._stop(lane, item[3]))
        elif lane.leaving:
            self._attempt(lane, lambda: self._leave(lane))

    def settle(self) -> None:
        """Commit what is due, and have dead letters written."""
        for lane in list(self._lanes.values()):
            self._tell_of_dead_letters(lane)
            self._keep_features(lane)
            if lane.state is PartitionState.READING:
                self._attempt(lane, lambda lane=lane: self._settle(lane))  # type: ignore[misc]

    def close(self) -> None:
        """Let everything go as it stands; what was not committed is read again by the next owner."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for lane in self._lanes.values():
            lane.owner.close()
        self._feature_pool.shutdown(wait=False, cancel_futures=True)

    # -- one lane's steps --------------------------------------------------------------------------------------

    def _open(self, lane: Lane) -> None:
        self._harvest(lane)
        position = lane.owner.own()
        lane.serial = self._next_serial()
        lane.position = position.offset
        lane.state, lane.reason, lane.detail = PartitionState.READING, "", ""
        self._reading.add(lane.topic_partition, lane.serial, position, lane.owner)

    def _land(self, lane: Lane, end: Offset, judged: Any) -> None:
        lane.bad += lane.owner.land(judged)
        lane.records += len(judged)
        lane.position = end

    def _settle(self, lane: Lane) -> None:
        if lane.owner.due() and lane.owner.commit():
            self._committed(lane)
        if not lane.is_projecting:
            self._harvest(lane)
            if lane.owner.pending_dead_letters:
                lane.projecting = self._pool.submit(lane.owner.project)

    def _tell_of_dead_letters(self, lane: Lane) -> None:
        """Say once why the dead-letter topic lags, and once that it goes on."""
        trouble = lane.owner.dead_letter_trouble
        if bool(trouble) != bool(lane.dead_letter_trouble):
            self._say(
                f"{lane.topic_partition}: dead letters wait, good data does not: {trouble}"
                if trouble
                else f"{lane.topic_partition}: the dead-letter topic takes records again"
            )
            lane.dead_letter_trouble = trouble

    def _keep_features(self, lane: Lane) -> None:
        """Have online values brought up to the last commit, and say once why they lag."""
        features = lane.owner.features
        if features is None:
            return
        if features.is_due and not lane.is_featuring and not (lane.committed_all or lane.last_features):
            lane.featuring = self._feature_pool.submit(features.catch_up)
        trouble = features.troubles
        if bool(trouble) != bool(lane.feature_trouble):
            self._say(
                f"{lane.topic_partition}: online values lag, landing does not: {trouble}"
                if trouble
                else f"{lane.topic_partition}: online values follow again"
            )
            lane.feature_trouble = trouble

    def _committed(self, lane: Lane) -> None:
        lane.failures = 0
        self.trouble.pop(str(lane.topic_partition), None)
        self._reading.hint(lane.topic_partition, Position(lane.owner.committed))

    def _harvest(self, lane: Lane) -> None:
        """Take the outcome of a projection that ended; raise what it raised."""
        projecting, lane.projecting = lane.projecting, None
        if projecting is not None:
            projecting.result()

    def _let_go(self, lane: Lane) -> None:
        if lane.state is not PartitionState.READING:
            if not self._waits_for_features(lane):
                self._forget(lane)
        elif not lane.leaving:
            lane.leaving = True
            self._reading.remove(lane.topic_partition, lane.serial)

    def _leave(self, lane: Lane) -> None:
        """All that was read has come: commit it, and have the last dead letters written."""
        if lane.owner.commit():
            self._committed(lane)
        lane.committed_all = True
        if not lane.is_projecting:
            self._harvest(lane)
        before = lane.projecting

        def project() -> None:
            if before is not None:
                before.result()
            lane.owner.project(final=True)

        lane.projecting = self._pool.submit(project)

    def _finish(self, lane: Lane) -> None:
        if lane.is_projecting:
            return
        if not lane.released:
            self._harvest(lane)
            lane.owner.release()
            lane.released = True
        if not self._waits_for_features(lane):
            self._forget(lane)

    def _waits_for_features(self, lane: Lane) -> bool:
        """Say whether the end of the run waits for this lane's online values; a partition that moves on does not."""
        features, until = lane.owner.features, self._features_until
        if features is None or until is None:
            return False
        if not lane.is_featuring and not lane.last_features and not features.is_done:
            lane.featuring = self._feature_pool.submit(features.catch_up_until, until)
            lane.last_features = True
        return lane.is_featuring

    def _stop(self, lane: Lane, stop: PartitionStoppedError) -> None:
        if lane.owner.commit():
            self._committed(lane)
        raise stop

    def _forget(self, lane: Lane) -> None:
        report = lane.report()
        lane.owner.close()
        del self._lanes[lane.topic_partition]
        if lane.state is not PartitionState.OPENING:
            self._left[lane.topic_partition] = report

    def _attempt(self, lane: Lane, step: Callable[[], None]) -> None:
        """Run one step of a lane; on an error the lane starts again from the log's tail, now or later."""
        try:
            step()
        except FencedError:
            raise
        except PartitionStoppedError as stop:
            if (lane.state, lane.detail) != (PartitionState.STOPPED, stop.detail):
                self._say(f"{lane.topic_partition} stopped ({stop.reason}): {stop.detail}")
            self._restart(lane, PartitionState.STOPPED, stop.reason, stop.detail, STOPPED_SECONDS)
            if lane.owner.pending_dead_letters and not lane.is_projecting:
                lane.projecting = self._pool.submit(lambda: lane.owner.project(final=True))
        except RayPipelineError as error:
            # What is denied may be allowed again, and a topic that is gone may come back: wait, say so, go on alone.
            if not error.retryable and not isinstance(error, SourceDeniedError | StoreDeniedError):
                raise
            key = str(lane.topic_partition)
            if key not in self.trouble:
                self._say(f"{key} paused: {error}")
            self.trouble[key] = str(error)
            lane.failures += 1
            wait = RETRY_SECONDS[min(lane.failures, len(RETRY_SECONDS)) - 1]
            self._restart(lane, PartitionState.OPENING, "", str(error), wait)

    def _restart(self, lane: Lane, state: PartitionState, reason: str, detail: str, wait: float) -> None:
        if lane.state is PartitionState.READING and not lane.leaving:
            self._reading.remove(lane.topic_partition, lane.serial)
        lane.state, lane.reason, lane.detail = state, reason, detail
        lane.leaving = lane.committed_all = lane.released = lane.last_features = False
        lane.serial = self._next_serial()
        lane.retry_at = self._clock.monotonic() + wait

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial
