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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ray_pipeline.clock import Clock
from ray_pipeline.errors import FencedError, PartitionStoppedError, SourceDeniedError, SourceUnavailableError
from ray_pipeline.runtime.lanes import Lanes, Owner
from ray_pipeline.runtime.reports import WorkerReport
from ray_pipeline.stream.ports import RecordSource
from ray_pipeline.types import Position, RecordBatch, TopicPartition

logger = logging.getLogger(__name__)

POLL_RECORDS = 5_000
POLL_SECONDS = 0.2
QUEUE_CHUNKS = 4
QUIET_SECONDS = 2.0
KAFKA = "kafka"


@dataclass(slots=True)
class _Wishes:
    """What the writing thread asks of the reading one."""

    add: dict[TopicPartition, tuple[int, Position, Owner]] = field(default_factory=dict)
    remove: dict[TopicPartition, int] = field(default_factory=dict)
    hints: dict[TopicPartition, Position] = field(default_factory=dict)


class _Desk:
    """Where the writing thread leaves its wishes for the reading one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wishes = _Wishes()
        self.asked = threading.Event()

    def add(self, tp: TopicPartition, serial: int, position: Position, owner: Owner) -> None:
        with self._lock:
            self._wishes.add[tp] = (serial, position, owner)
        self.asked.set()

    def remove(self, tp: TopicPartition, serial: int) -> None:
        with self._lock:
            self._wishes.add.pop(tp, None)
            self._wishes.remove[tp] = serial
        self.asked.set()

    def hint(self, tp: TopicPartition, position: Position) -> None:
        with self._lock:
            self._wishes.hints[tp] = position

    def collect(self) -> _Wishes:
        """Return the wishes, in the order remove, add, hint, and begin anew."""
        with self._lock:
            wishes, self._wishes = self._wishes, _Wishes()
        return wishes


@dataclass(slots=True)
class _Assigned:
    """What the reading thread reads."""

    positions: dict[TopicPartition, Position] = field(default_factory=dict)
    owners: dict[TopicPartition, tuple[int, Owner]] = field(default_factory=dict)

    def drop(self, tp: TopicPartition) -> None:
        self.positions.pop(tp, None)
        self.owners.pop(tp, None)


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
        self._source, self._clock, self._incarnation = source, clock, incarnation
        self._on_silence, self._silence_seconds = on_silence, silence_seconds
        self._on_batch, self._effects = on_batch, effects
        self._lock = threading.Lock()
        self._wanted: dict[TopicPartition, int] = {}
        self._drain = False
        self._supervisor = 0
        self._chunks: queue.Queue[tuple[Any, ...]] = queue.Queue(maxsize=QUEUE_CHUNKS)
        self._desk = _Desk()
        self._lanes = Lanes(make_owner=make_owner, reading=self._desk, clock=clock, say=self._say)
        self._ending = threading.Event()
        self._trouble_at = 0.0
        self._fenced = ""
        self._failure: BaseException | None = None
        self._messages: list[str] = []
        self._heard = clock.monotonic()
        self._threads = [
            threading.Thread(target=self._guard, args=(self._read,), name="read-and-judge", daemon=True),
            threading.Thread(target=self._guard, args=(self._write,), name="land-and-commit", daemon=True),
        ]

    def start(self) -> None:
        """Begin; nothing is read before the first :meth:`reconcile`."""
        for thread in self._threads:
            thread.start()

    def reconcile(self, supervisor: int, wanted: Mapping[TopicPartition, int], *, drain: bool) -> WorkerReport:
        """Take the complete set of wanted partitions, and return where everything stands.

        With ``drain`` nothing is wanted: all is committed, projected and released. Raises what ended a thread.
        """
        with self._lock:
            self._heard = self._clock.monotonic()
            self._supervisor = supervisor
            self._wanted = {} if drain else dict(wanted)
            self._drain = drain
            messages, self._messages = tuple(self._messages), []
        if self._failure is not None:
            raise self._failure
        partitions = self._lanes.reports()
        return WorkerReport(
            incarnation=self._incarnation,
            configured=True,
            partitions=partitions,
            released=self._lanes.left(),
            trouble="; ".join(sorted(set(self._lanes.trouble.values()))),
            fenced=self._fenced,
            drained=drain and not partitions,
            messages=messages,
        )

    def stop(self) -> None:
        """End both threads without committing anything more; what was not committed is read again by the next."""
        self._ending.set()
        self._desk.asked.set()
        for thread in self._threads:
            thread.join(timeout=20)

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
            self._desk.asked.set()

    def _say(self, sentence: str) -> None:
        logger.info("%s", sentence)
        with self._lock:
            self._messages.append(sentence)

    # -- the reading thread ------------------------------------------------------------------------------------

    def _read(self) -> None:
        assigned = _Assigned()
        try:
            while not self._ending.is_set():
                self._obey(assigned)
                if not assigned.positions:
                    self._desk.asked.wait(POLL_SECONDS)
                    self._desk.asked.clear()
                    continue
                for batch in self._poll(assigned):
                    self._judge(assigned, batch)
        finally:
            self._source.close()

    def _judge(self, assigned: _Assigned, batch: RecordBatch) -> None:
        tp = batch.topic_partition
        if tp not in assigned.owners:
            return
        serial, owner = assigned.owners[tp]
        assigned.positions[tp] = Position(batch.end, batch.leader_epoch)
        self._effects("after_consume")
        if self._on_batch is not None:
            self._on_batch(max(batch.timestamps, default=0))
        self._put(("chunk", tp, serial, batch.end, owner.judge(batch)))

    def _poll(self, assigned: _Assigned) -> list[RecordBatch]:
        trouble = self._lanes.trouble
        try:
            batches = self._source.poll(POLL_RECORDS, POLL_SECONDS)
        except PartitionStoppedError as stop:
            tp = TopicPartition(stop.topic, stop.partition)
            if tp in assigned.owners:
                serial, _ = assigned.owners[tp]
                assigned.drop(tp)
                self._source.assign(assigned.positions)
                self._put(("stopped", tp, serial, stop))
            return []
        except (SourceUnavailableError, SourceDeniedError) as error:
            # Brokers that are away, or a right that was taken: librdkafka goes on trying, and we wait.
            if KAFKA not in trouble:
                self._say(f"paused: {error}")
            trouble[KAFKA] = str(error)
            self._trouble_at = self._clock.monotonic()
            return []
        # One empty poll says little: what is wrong with one partition is raised again only at its next fetch.
        if KAFKA in trouble and (batches or self._clock.monotonic() - self._trouble_at >= QUIET_SECONDS):
            del trouble[KAFKA]
            self._say("Kafka answers again; reading goes on")
        return batches

    def _obey(self, assigned: _Assigned) -> None:
        wishes = self._desk.collect()
        if wishes.remove:
            for tp in wishes.remove:
                assigned.drop(tp)
            self._source.assign(assigned.positions)
        for tp, serial in wishes.remove.items():
            self._put(("removed", tp, serial))
        for tp, (serial, position, owner) in wishes.add.items():
            assigned.owners[tp], assigned.positions[tp] = (serial, owner), position
        if wishes.add:
            self._source.assign(assigned.positions)
        for tp, position in wishes.hints.items():
            if tp in assigned.owners:
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
                with self._lock:
                    wanted, supervisor, drain = dict(self._wanted), self._supervisor, self._drain
                self._lanes.follow(wanted, supervisor, drain=drain)
                with suppress(queue.Empty):
                    self._lanes.take(self._chunks.get(timeout=0.1))
                self._lanes.settle()
                if self._clock.monotonic() - self._heard > self._silence_seconds:
                    self._say("no word from the supervisor; this actor ends")
                    self._ending.set()
                    self._on_silence()
        finally:
            self._lanes.close()
