"""The outside world, with every fault that the protocol must survive."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from ray_pipeline.errors import (
    PartitionStoppedError,
    SinkFencedError,
    SinkUnavailableError,
    SourceUnavailableError,
    StoreUnavailableError,
)
from ray_pipeline.stream.ports import DeadLetter, TopicDescription
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.source import ScriptedRecord, batch_of
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import Offset, RecordBatch, SourceId, StopReason, TopicPartition, Watermarks

from .baton import Baton

TP = TopicPartition("orders", 0)


class SimClock(FrozenClock):
    """Everybody's clock; who sleeps gives the others a turn."""

    def __init__(self, baton: Baton) -> None:
        super().__init__()
        self._baton = baton

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        self._baton.step()


class Faults:
    """Whether the next effect goes wrong."""

    def __init__(self, rng: Random, share: float) -> None:
        self._rng, self.share = rng, share
        self.late: list[Callable[[], object]] = []
        """Effects whose caller was told that nobody answered, and which happen all the same, some time later."""

    def strikes(self, weight: float = 1.0) -> bool:
        return self.share > 0 and self._rng.random() < self.share * weight

    def pick(self, count: int) -> int:
        return self._rng.randrange(count)

    def let_late_ones_happen(self, *, all_of_them: bool = False) -> None:
        while self.late and (all_of_them or self._rng.random() < 0.1):
            self.late.pop(self._rng.randrange(len(self.late)))()


class SimStore:
    """A store that loses replies, answers late and hides what is new for a while; creating is atomic, as on S3."""

    url = "sim://lake"

    def __init__(self, objects: MemoryStore, baton: Baton, faults: Faults) -> None:
        self.truth, self._baton, self._faults = objects, baton, faults
        self._born: dict[str, int] = {}
        self._before: dict[str, bytes] = {}

    def uri(self, key: str) -> str:
        return f"{self.url}/{key}"

    def get(self, key: str) -> bytes | None:
        self._baton.step()
        if self._faults.strikes():
            if self._faults.pick(2):
                raise StoreUnavailableError(self.url, "get", "simulated")
            if self._is_new(key):
                return self._before.get(key)
        data = self.truth.get(key)
        self._baton.step()
        return data

    def put(self, key: str, data: bytes) -> None:
        def write() -> None:
            old = self.truth.get(key)
            if old is not None:
                self._before[key] = old
            self._born[key] = self._baton.steps
            self.truth.put(key, data)

        self._with_faults("put", write)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        def create() -> bool:
            created = self.truth.put_if_absent(key, data)
            if created:
                self._born[key] = self._baton.steps
            return created

        created = self._with_faults("create", create)
        # A client that retries inside, after a reply was lost, is refused by its own object.
        return created and not (self._faults.strikes() and self._faults.pick(2))

    def list(self, prefix: str) -> Iterator[str]:
        self._baton.step()
        if self._faults.strikes() and self._faults.pick(2):
            raise StoreUnavailableError(self.url, "list", "simulated")
        hidden = self._faults.strikes()
        keys = [key for key in self.truth.list(prefix) if not (hidden and self._is_new(key))]
        self._baton.step()
        yield from keys

    def delete(self, key: str) -> None:
        raise AssertionError(f"nobody deletes, and {key} least of all")

    def _is_new(self, key: str) -> bool:
        return self._baton.steps - self._born.get(key, -1000) < 60

    def _with_faults(self, operation: str, effect: Callable[[], bool | None]) -> bool:
        self._baton.step()
        if self._faults.strikes():
            kind = self._faults.pick(3)
            if kind == 1:
                effect()
            elif kind == 2:
                self._faults.late.append(effect)
            self._baton.step()
            raise StoreUnavailableError(self.url, operation, "simulated")
        answer = effect()
        self._baton.step()
        return bool(answer)


@dataclass
class SimTopic:
    """One incarnation of the source topic. ``slots[i]`` is the value at offset i, or a kind of nothing."""

    source: SourceId
    slots: list[bytes | str | None] = field(default_factory=list)
    """Bytes: a record; None: a tombstone; "marker": never delivered."""
    low: Offset = 0


class SimBroker:
    """The cluster: the source topic in its present incarnation, and the dead-letter topic."""

    def __init__(self, rng: Random, baton: Baton, faults: Faults) -> None:
        self._rng, self._baton, self._faults = rng, baton, faults
        self.incarnations: list[SimTopic] = []
        self.letters: dict[SourceId, list[Offset]] = {}
        self.progress: dict[SourceId, Offset] = {}
        self.epoch = 0
        self.prepared: Callable[[], None] | None = None
        self.recreate()

    @property
    def topic(self) -> SimTopic:
        return self.incarnations[-1]

    def recreate(self) -> None:
        self.incarnations.append(SimTopic(SourceId("c", f"t{len(self.incarnations)}")))

    def produce(self, count: int, bad_share: float) -> None:
        for _ in range(count):
            self.topic.slots.append(self._slot(len(self.topic.slots), bad_share))

    def _slot(self, offset: Offset, bad_share: float) -> bytes | str | None:
        chance = self._rng.random()
        if chance < 0.12:
            return "marker"
        if chance < 0.17:
            return None
        if self._rng.random() < bad_share:
            return b"bad %d" % offset
        day = self._rng.choice((0, 0, 0, 0, 1))
        return b"%d" % (offset + 1000 * day)

    def expire(self, count: int) -> None:
        self.topic.low = min(self.topic.low + count, len(self.topic.slots))

    # -- what an owner sees -----------------------------------------------------------------------------------

    def describe(self, topic: str) -> TopicDescription:
        self._ask()
        return TopicDescription(topic, self.topic.source, 1)

    def watermarks(self, topic_partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Watermarks]:
        self._ask()
        marks = Watermarks(self.topic.low, len(self.topic.slots))
        self._baton.step()
        return dict.fromkeys(topic_partitions, marks)

    def offset_at(self, topic_partition: TopicPartition, moment: datetime) -> Offset:
        raise AssertionError("no run here begins at a moment")

    def poll(self, position: Offset, max_records: int) -> RecordBatch | None:
        """Return what a reader gets, by name: it never knows whether the topic is still the same."""
        self._ask()
        if position < self.topic.low:
            raise PartitionStoppedError(TP.topic, TP.partition, str(StopReason.OFFSETS_EXPIRED), "simulated")
        slots = self.topic.slots[position : position + max_records]
        if not slots:
            return None
        records = [
            ScriptedRecord(position + i, value, key=b"k", timestamp=1_357_000_000_000 + position + i)
            for i, value in enumerate(slots)
            if not isinstance(value, str)
        ]
        return batch_of(TP, position, position + len(slots), records)

    def _ask(self) -> None:
        self._baton.step()
        if self._faults.strikes():
            raise SourceUnavailableError("sim", "simulated")


class SimSink:
    """A transactional producer of one partition: initialising fences and settles, a time-out says nothing."""

    def __init__(self, broker: SimBroker, source: SourceId, baton: Baton, faults: Faults) -> None:
        self._broker, self._source, self._baton, self._faults = broker, source, baton, faults
        self._epoch = 0

    def open(self) -> Offset | None:
        self._baton.step()
        broken = self._faults.strikes(4)
        if broken and self._faults.pick(2):
            raise SinkUnavailableError("dlq", "simulated, before init")
        self._settle()
        self._broker.epoch += 1
        self._epoch = self._broker.epoch
        if broken:
            raise SinkUnavailableError("dlq", "simulated, after init")
        self._baton.step()
        return self._broker.progress.get(self._source)

    def send(self, letters: Sequence[DeadLetter], through: Offset) -> None:
        self._baton.step()
        self._refuse_fenced()

        def commit() -> None:
            self._broker.letters.setdefault(self._source, []).extend(letter.record.offset for letter in letters)
            self._broker.progress[self._source] = through

        if self._faults.strikes(4):
            kind = self._faults.pick(3)
            if kind == 1:
                commit()
            elif kind == 2:  # the coordinator has decided to commit, and does it later: at the latest at the next init
                self._broker.prepared = commit
            raise SinkUnavailableError("dlq", "simulated, outcome unknown")
        self._baton.step()
        self._refuse_fenced()
        commit()
        self._baton.step()

    def close(self) -> None:
        pass

    def _refuse_fenced(self) -> None:
        if self._epoch != self._broker.epoch:
            raise SinkFencedError("sim")

    def _settle(self) -> None:
        prepared, self._broker.prepared = self._broker.prepared, None
        if prepared is not None:
            prepared()
