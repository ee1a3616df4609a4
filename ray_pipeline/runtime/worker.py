"""What one partition actor does, without Ray: read and judge in one thread, land and commit in another.

The first thread holds the GIL (parsing and judging touch Python objects), the second mostly does not (Arrow, zstd,
the store), so together they use more than one core. Between them stands a queue of bounded length: when the store is
slow the reading thread waits, librdkafka's own bounded queue fills, and Kafka keeps the rest.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ray_pipeline.clock import Clock
from ray_pipeline.errors import (
    FencedError,
    PartitionStoppedError,
    RayPipelineError,
    SourceDeniedError,
    SourceUnavailableError,
    StoreDeniedError,
)
from ray_pipeline.runtime.reports import PartitionReport, PartitionState, WorkerReport
from ray_pipeline.stream.ports import RecordSource
from ray_pipeline.types import Position, RecordBatch, TopicPartition

logger = logging.getLogger(__name__)

POLL_RECORDS = 5_000
POLL_SECONDS = 0.2
QUEUE_CHUNKS = 3
RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Owner(Protocol):
    """One owned partition, as the worker drives it. All but ``judge`` are called by the writing thread alone."""

    @property
    def committed(self) -> int: ...
    @property
    def pending_records(self) -> int: ...
    @property
    def pending_dead_letters(self) -> int: ...
    def own(self) -> Position: ...
    def judge(self, batch: RecordBatch) -> Any: ...
    def land(self, judged: Any) -> None: ...
    def due(self) -> bool: ...
    def commit(self) -> bool: ...
    def project(self, *, final: bool = False) -> None: ...
    def release(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Lane:
    """A wanted partition and where it stands."""

    topic_partition: TopicPartition
    generation: int
    owner: Owner
    state: PartitionState = PartitionState.OPENING
    serial: int = 0
    """Which assignment of the source its chunks belong to; older ones are dropped."""
    position: int = 0
    records: int = 0
    bad: int = 0
    reason: str = ""
    detail: str = ""
    failures: int = 0
    retry_at: float = 0.0
    leaving: bool = False


@dataclass(slots=True)
class _Control:
    """What the writing thread asks of the reading one."""

    add: dict[TopicPartition, tuple[int, Position, Owner]] = field(default_factory=dict)
    remove: dict[TopicPartition, int] = field(default_factory=dict)
    hints: dict[TopicPartition, Position] = field(default_factory=dict)


class Worker:
    """Own the wanted partitions: :meth:`reconcile` says which, as often as it likes."""

    def __init__(
        self,
        *,
        source: RecordSource,
        make_owner: Callable[[TopicPartition, int, int], Owner],
        clock: Clock,
        incarnation: str,
        on_silence: Callable[[], None] = lambda: None,
        on_batch: Callable[[int], None] | None = None,
        effects: Callable[[str], None] = lambda _name: None,
        silence_seconds: float = 60.0,
    ) -> None:
        self._source, self._make_owner, self._clock = source, make_owner, clock
        self._incarnation = incarnation
        self._on_silence, self._silence_seconds = on_silence, silence_seconds
        self._on_batch, self._effects = on_batch, effects
        self._lock = threading.Lock()
        self._wanted: dict[TopicPartition, int] = {}
        self._supervisor = 0
        self._drain = False
        self._lanes: dict[TopicPartition, _Lane] = {}
        self._left: dict[TopicPartition, PartitionReport] = {}
        self._serial = 0
        self._chunks: queue.Queue[tuple[Any, ...]] = queue.Queue(maxsize=QUEUE_CHUNKS)
        self._control = _Control()
        self._asked = threading.Event()
        self._ending = threading.Event()
        self._trouble: dict[str, str] = {}
        self._fenced = ""
        self._failure: BaseException | None = None
        self._messages: list[str] = []
        self._heard = clock.monotonic()
        self._threads = [
            threading.Thread(target=self._guard, args=(self._read,), name="read-and-judge", daemon=True),
            threading.Thread(target=self._guard, args=(self._write,), name="land-and-commit", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    # -- asked by the supervisor -------------------------------------------------------------------------------

    def reconcile(self, supervisor: int, wanted: Mapping[TopicPartition, int], *, drain: bool) -> WorkerReport:
        """Take the complete set of wanted partitions and return where everything stands."""
        with self._lock:
            self._heard = self._clock.monotonic()
            self._supervisor = supervisor
            self._wanted = {} if drain else dict(wanted)
            self._drain = drain
            messages, self._messages = tuple(self._messages), []
            lanes = list(self._lanes.values())
            left = tuple(self._left.values())
        if self._failure is not None:
            raise self._failure
        return WorkerReport(
            incarnation=self._incarnation,
            configured=True,
            partitions=tuple(self._report(lane) for lane in lanes),
            released=left,
            trouble="; ".join(sorted(set(self._trouble.values()))),
            fenced=self._fenced,
            drained=drain and not lanes,
            messages=messages,
        )

    def stop(self) -> None:
        """End both threads without committing anything more; what was not committed is read again by the next."""
        self._ending.set()
        self._asked.set()
        for thread in self._threads:
            thread.join(timeout=20)

    @staticmethod
    def _report(lane: _Lane) -> PartitionReport:
        return PartitionReport(
            lane.topic_partition,
            lane.state,
            lane.position,
            lane.owner.committed,
            lane.records,
            lane.bad,
            lane.owner.pending_dead_letters,
            lane.reason,
            lane.detail,
        )

    def _guard(self, body: Callable[[], None]) -> None:
        try:
            body()
        except FencedError as error:
            self._fenced = str(error)
        except BaseException as error:  # whatever it is, the supervisor must hear of it
            self._failure = error
            logger.exception("a thread of %s failed", self._incarnation)
        finally:
            self._ending.set()
            self._asked.set()

    # -- the reading thread ------------------------------------------------------------------------------------

    def _read(self) -> None:
        assigned: dict[TopicPartition, Position] = {}
        owners: dict[TopicPartition, tuple[int, Owner]] = {}
        try:
            while not self._ending.is_set():
                self._obey(assigned, owners)
                if not assigned:
                    self._asked.wait(POLL_SECONDS)
                    self._asked.clear()
                    continue
                for batch in self._poll(assigned, owners):
                    tp = batch.topic_partition
                    if tp not in owners:
                        continue
                    serial, owner = owners[tp]
                    assigned[tp] = Position(batch.end, batch.leader_epoch)
                    self._effects("after_consume")
                    if self._on_batch is not None:
                        self._on_batch(max(batch.timestamps, default=0))
                    self._put(("chunk", tp, serial, batch.end, owner.judge(batch)))
        finally:
            self._source.close()

    def _poll(
        self, assigned: dict[TopicPartition, Position], owners: dict[TopicPartition, tuple[int, Owner]]
    ) -> list[RecordBatch]:
        try:
            batches = self._source.poll(POLL_RECORDS, POLL_SECONDS)
        except PartitionStoppedError as stop:
            tp = TopicPartition(stop.topic, stop.partition)
            if tp in owners:
                serial, _ = owners.pop(tp)
                assigned.pop(tp, None)
                self._source.assign(assigned)
                self._put(("stopped", tp, serial, stop))
            return []
        except (SourceUnavailableError, SourceDeniedError) as error:
            # Brokers that are away, or a right that was taken: librdkafka goes on trying, and we wait.
            if "kafka" not in self._trouble:
                self._say(f"paused: {error}")
            self._trouble["kafka"] = str(error)
            return []
        if batches and "kafka" in self._trouble:
            del self._trouble["kafka"]
            self._say("Kafka answers again; reading goes on")
        return batches

    def _obey(self, assigned: dict[TopicPartition, Position], owners: dict[TopicPartition, tuple[int, Owner]]) -> None:
        with self._lock:
            control, self._control = self._control, _Control()
        removed = [tp for tp in control.remove if owners.pop(tp, None)]
        if removed:
            for tp in removed:
                assigned.pop(tp, None)
            self._source.assign(assigned)
        for tp, serial in control.remove.items():
            self._put(("removed", tp, serial))
        for tp, (serial, position, owner) in control.add.items():
            owners[tp] = (serial, owner)
            assigned[tp] = position
        if control.add:
            self._source.assign(assigned)
        for tp, position in control.hints.items():
            if tp in owners:
                self._source.hint(tp, position)
                self._effects("after_offset_commit")

    def _put(self, item: tuple[Any, ...]) -> None:
        while not self._ending.is_set():
            try:
                self._chunks.put(item, timeout=0.5)
            except queue.Full:
                continue
            return

    # -- the writing thread ------------------------------------------------------------------------------------

    def _write(self) -> None:
        try:
            while not self._ending.is_set():
                self._follow_wishes()
                try:
                    item = self._chunks.get(timeout=0.1)
                except queue.Empty:
                    item = None
                if item is not None:
                    self._take(item)
                for lane in list(self._lanes.values()):
                    if lane.state is PartitionState.READING:
                        self._attempt(lane, lambda lane=lane: self._settle(lane))  # type: ignore[misc]
                if self._clock.monotonic() - self._heard > self._silence_seconds:
                    self._say("no word from the supervisor; this actor ends")
                    self._ending.set()
                    self._on_silence()
        finally:
            for lane in self._lanes.values():
                lane.owner.close()

    def _follow_wishes(self) -> None:
        with self._lock:
            wanted = dict(self._wanted)
            supervisor = self._supervisor
        for tp, generation in wanted.items():
            if tp not in self._lanes:
                lane = _Lane(tp, generation, self._make_owner(tp, supervisor, len(wanted)))
                with self._lock:
                    self._lanes[tp] = lane
                    self._left.pop(tp, None)
        for tp, lane in list(self._lanes.items()):
            if lane.leaving:
                continue
            if wanted.get(tp) != lane.generation:
                if lane.state is PartitionState.READING:
                    lane.leaving = True
                    self._ask_remove(lane)
                else:
                    self._forget(lane)
            elif lane.state is not PartitionState.READING and self._clock.monotonic() >= lane.retry_at:
                self._attempt(lane, lambda lane=lane: self._open(lane))  # type: ignore[misc]

    def _open(self, lane: _Lane) -> None:
        position = lane.owner.own()
        self._serial += 1
        lane.serial, lane.position = self._serial, position.offset
        lane.state, lane.reason, lane.detail = PartitionState.READING, "", ""
        with self._lock:
            self._control.add[lane.topic_partition] = (lane.serial, position, lane.owner)
        self._asked.set()

    def _take(self, item: tuple[Any, ...]) -> None:
        kind, tp, serial = item[:3]
        lane = self._lanes.get(tp)
        if lane is None or (lane.serial != serial and kind != "removed"):
            return
        if kind == "chunk":
            self._attempt(lane, lambda: self._land(lane, item[3], item[4]))
        elif kind == "stopped":
            self._attempt(lane, lambda: self._stop_lane(lane, item[3]))
        elif lane.leaving:
            self._attempt(lane, lambda: self._leave(lane))
            self._forget(lane)

    def _land(self, lane: _Lane, end: int, judged: Any) -> None:
        lane.owner.land(judged)
        lane.position = end
        lane.records += len(judged)
        lane.bad += judged.refused

    def _settle(self, lane: _Lane) -> None:
        if lane.owner.due() and lane.owner.commit():
            lane.failures = 0
            self._trouble.pop(str(lane.topic_partition), None)
            with self._lock:
                self._control.hints[lane.topic_partition] = Position(lane.owner.committed)
        lane.owner.project()

    def _leave(self, lane: _Lane) -> None:
        lane.owner.commit()
        lane.owner.project(final=True)
        lane.owner.release()

    def _stop_lane(self, lane: _Lane, stop: PartitionStoppedError) -> None:
        lane.owner.commit()
        raise stop

    def _forget(self, lane: _Lane) -> None:
        lane.owner.close()
        with self._lock:
            self._lanes.pop(lane.topic_partition, None)
            if lane.state is not PartitionState.OPENING:
                self._left[lane.topic_partition] = self._report(lane)

    def _ask_remove(self, lane: _Lane) -> None:
        with self._lock:
            self._control.add.pop(lane.topic_partition, None)
            self._control.remove[lane.topic_partition] = lane.serial
        self._asked.set()

    def _attempt(self, lane: _Lane, step: Callable[[], None]) -> None:
        """Run one step of a lane; on an error the lane starts again from the log's tail, now or later."""
        try:
            step()
        except FencedError:
            raise
        except PartitionStoppedError as stop:
            self._restart(lane, PartitionState.STOPPED, stop.reason, stop.detail)
            lane.retry_at = self._clock.monotonic() + 1.0
        except RayPipelineError as error:
            # What is denied may be allowed again, and a topic that is gone may come back: wait, say so, go on alone.
            if not error.retryable and not isinstance(error, SourceDeniedError | StoreDeniedError):
                raise
            key = str(lane.topic_partition)
            if key not in self._trouble:
                self._say(f"{key} paused: {error}")
            self._trouble[key] = str(error)
            self._restart(lane, PartitionState.OPENING, "", str(error))
            lane.failures += 1
            lane.retry_at = self._clock.monotonic() + RETRY_SECONDS[min(lane.failures, len(RETRY_SECONDS)) - 1]

    def _restart(self, lane: _Lane, state: PartitionState, reason: str, detail: str) -> None:
        if lane.state is PartitionState.READING and not lane.leaving:
            self._ask_remove(lane)
        if state is PartitionState.STOPPED and (lane.state, lane.detail) != (state, detail):
            self._say(f"{lane.topic_partition} stopped ({reason}): {detail}")
        lane.state, lane.reason, lane.detail = state, reason, detail
        self._serial += 1
        lane.serial = self._serial

    def _say(self, sentence: str) -> None:
        logger.info("%s", sentence)
        with self._lock:
            self._messages.append(sentence)
