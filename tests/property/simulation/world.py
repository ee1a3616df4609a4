"""One seed: owners, zombies, operators and faults over the real protocol code, and what must hold at the end."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any, cast

from ray_pipeline.errors import FencedError, PartitionStoppedError, RayPipelineError
from ray_pipeline.lake.landing import Describe
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.resume import resume_topic
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.partition import PartitionOwner
from ray_pipeline.stream.pending import CommitLimits
from ray_pipeline.stream.start import look_at
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import SourceId, StopReason

from .baton import Actor, Baton
from .contract import NumberContract
from .oracle import check_world
from .parts import TP, Faults, SimBroker, SimClock, SimSink, SimStore

PIPELINE = "sim"
MAX_OWNERS = 3
QUIET_STEPS = 20_000


class World:
    """Run it with :meth:`live`; it raises ``AssertionError`` where a promise is broken."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.baton = Baton(Random(seed + 1))
        self.faults = Faults(Random(seed + 2), share=self.rng.choice([0.0, 0.03, 0.08, 0.15]))
        self.clock = SimClock(self.baton)
        self.objects = MemoryStore()
        self.store = SimStore(self.objects, self.baton, self.faults)
        self.broker = SimBroker(Random(seed + 3), self.baton, self.faults)
        self.contracts = [NumberContract("1", self.rng.choice(["skip", "reject"]))]
        self.contracts.append(NumberContract("2", self.contracts[0].tombstones))
        self.supervisor = 1
        self.spawned = 0
        self.recreates = self.rng.random() < 0.15
        self.expires = self.rng.random() < 0.3
        self.bad_share = self.rng.choice([0.0, 0.1, 0.4, 0.9])
        self.max_bad_share = self.rng.choice([0.5, 0.5, 1.0])
        self.commits = 0

    def live(self) -> None:
        try:
            self._chaos()
            self._quiet()
        finally:
            self.baton.end()
        self._no_surprise()
        check_world(self)

    # -- the driver -------------------------------------------------------------------------------------------

    def _chaos(self) -> None:
        self.baton.crash_share = self.rng.choice([0.0, 0.004, 0.01])
        self.baton.freeze_share = self.rng.choice([0.0, 0.005, 0.02])
        self.broker.produce(self.rng.randint(0, 15), self.bad_share)
        limit = self.rng.randint(150, 700)
        while self.baton.steps < limit:
            self.baton.step()
            self._happening()
            self._no_surprise()

    def _happening(self) -> None:
        self.faults.let_late_ones_happen()
        chance = self.rng.random()
        if chance < 0.12:
            self.broker.produce(self.rng.randint(1, 6), self.bad_share)
        elif chance < 0.13 and self.expires:
            self.broker.expire(self.rng.randint(1, 6))
        elif chance < 0.135 and self.recreates:
            self.broker.recreate()
            self.broker.produce(self.rng.randint(1, 6), self.bad_share)
        elif chance < 0.15:
            self.supervisor += 1
        elif chance < 0.18 and len(self.baton.alive) <= MAX_OWNERS:
            self._spawn("operator", lambda: self._operate(accept_gap=self.rng.random() < 0.5))
        elif chance < 0.4 and len(self.baton.alive) < MAX_OWNERS:
            number = self.rng.choice([self.supervisor, self.supervisor, max(1, self.supervisor - 1)])
            self._spawn("owner", lambda: self._own(number, once=True))

    def _quiet(self) -> None:
        """Stop every fault: a last owner must reach the end, with zombies still about."""
        self.faults.share = self.baton.crash_share = self.baton.freeze_share = 0.0
        self.faults.let_late_ones_happen(all_of_them=True)
        self.supervisor += 1
        number = self.supervisor
        last = self._spawn("last", lambda: self._own(number, once=False))
        limit = self.baton.steps + QUIET_STEPS
        while last in self.baton.alive:
            self.baton.step()
            self._no_surprise()
            assert self.baton.steps < limit, f"lag never reached 0: {self.describe()}"

    def _spawn(self, kind: str, body: Any) -> Actor:
        self.spawned += 1
        return self.baton.spawn(f"{kind}-{self.spawned}", body)

    def _no_surprise(self) -> None:
        for name, error in self.baton.failures:
            raise AssertionError(f"{name} failed: {error!r}") from error

    def describe(self) -> str:
        tails = [(log.topic_id, read_tail(self.objects, log)) for log in find_logs(self.objects, PIPELINE)]
        return f"topic ends at {len(self.broker.topic.slots)}, logs {tails}"

    # -- actors -----------------------------------------------------------------------------------------------

    def _own(self, supervisor: int, *, once: bool) -> None:
        """Be a worker: own, read, land, commit, project, as the runtime does; end when fenced."""
        name = self.baton.current.name
        owner = self._owner(name, supervisor, once=once)
        while True:
            if self.rng.random() < 0.3:
                owner = self._owner(name, supervisor, once=once)
            try:
                position = owner.own()
                if self._work(owner, position.offset, once=once):
                    return
            except FencedError:
                assert once, f"the newest supervisor's owner was fenced: {self.describe()}"
                return
            except PartitionStoppedError as stop:
                if stop.reason == StopReason.LOG_TRUNCATED:
                    raise AssertionError("no broker lost anything here") from stop
                if once and self.rng.random() < 0.5:
                    return
                if not once:
                    self._operate(accept_gap=True)
            except RayPipelineError as error:
                if not error.retryable:
                    raise
            self.clock.sleep(1.0)

    def _work(self, owner: PartitionOwner, position: int, *, once: bool) -> bool:
        while True:
            batch = self.broker.poll(position, self.rng.randint(1, 6) if once else 20)
            if batch is not None:
                position = batch.end
                owner.land(owner.judge(batch))
            elif not once:
                self.clock.advance(100.0)
            if owner.due():
                self.commits += owner.commit()
            owner.project()
            if not once and owner.committed == len(self.broker.topic.slots) and not owner.pending_dead_letters:
                return True
            if once and self.rng.random() < 0.03:
                self._leave(owner)
                return self.rng.random() < 0.5
            self.baton.step()

    def _leave(self, owner: PartitionOwner) -> None:
        owner.commit()
        owner.project(final=True)
        owner.release()
        owner.close()

    def _owner(self, name: str, supervisor: int, *, once: bool) -> PartitionOwner:
        records = self.rng.choice([2, 5, 9]) if once else 30
        return PartitionOwner(
            store=self.store,
            admin=self.broker,
            make_sink=self._sink,
            contract=cast("Any", self.rng.choice(self.contracts)),
            pipeline=PIPELINE,
            dataset="orders",
            topic_partition=TP,
            owner=name,
            supervisor=supervisor,
            clock=self.clock,
            rng=Random(self.rng.getrandbits(32)),
            limits=CommitLimits(records=records, seconds=self.rng.choice([1.0, 30.0])),
            max_bad_share=self.max_bad_share,
            breaker_records=6,
            describe=self._describe(),
        )

    def _describe(self) -> Describe | None:
        """Return what a new owner writes into the footers of its files."""
        return None

    def _sink(self, source: SourceId) -> SimSink:
        return SimSink(self.broker, source, self.baton, self.faults)

    def _operate(self, *, accept_gap: bool) -> None:
        with suppress(RayPipelineError):
            resume_topic(
                self.store,
                PIPELINE,
                TP.topic,
                lambda: look_at(self.broker, TP.topic),
                accept_gap=accept_gap,
                allowed_by="operator",
                clock=self.clock,
                rng=Random(self.rng.getrandbits(32)),
            )
