"""Who is told to own what: members are scripted here, and no Ray runs."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.runtime import supervisor as module
from ray_pipeline.runtime.reports import PartitionReport, PartitionState, ViewReport, WorkerReport
from ray_pipeline.runtime.supervisor import Supervisor
from ray_pipeline.types import TopicPartition

TPS = [TopicPartition("t", number) for number in range(3)]


@dataclass(frozen=True, eq=False)
class Call:
    """What Ray returns for a call."""

    actor: Actor
    report: WorkerReport


class Actor:
    """Obeys every assignment, and reports what that did one call later: its writing thread needs a moment."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers = True
        self.holds: set[TopicPartition] = set()
        self.fenced = ""
        self.released: tuple[PartitionReport, ...] = ()
        self.committed = 0
        self.views: tuple[ViewReport, ...] = ()
        self.reconcile = SimpleNamespace(remote=self._reconcile)

    def _reconcile(self, assignment: Any) -> Any:
        at = self.committed
        reports = tuple(
            PartitionReport(tp, PartitionState.READING, at, at, 0, 0, views=self.views) for tp in sorted(self.holds)
        )
        report = WorkerReport(
            self.name, configured=True, partitions=reports, released=self.released, fenced=self.fenced
        )
        self.holds = set(assignment.partitions)
        return Call(self, report)


@pytest.fixture
def run(monkeypatch):
    """Return a supervisor of three partitions and two members, and their actors."""
    actors = {name: Actor(name) for name in ("partitions-0", "partitions-1")}
    monkeypatch.setattr(
        module.ray, "wait", lambda calls, **_: ([call for call in calls if call.actor.answers], []), raising=True
    )
    monkeypatch.setattr(module, "_answer", lambda call: call.report)
    monkeypatch.setattr(module.ray, "kill", lambda *_, **__: None)
    settings: Any = SimpleNamespace(until_end=False, config=SimpleNamespace(pipeline="p"))
    supervisor = Supervisor(settings, actors.__getitem__)
    supervisor._partitions = dict.fromkeys(TPS, 0)
    for _ in actors:
        supervisor._add_member()
    return supervisor, actors["partitions-0"], actors["partitions-1"]


def test_a_partition_that_was_given_and_not_reported_yet_is_given_to_nobody_else(run):
    supervisor, first, second = run
    second.answers = False
    supervisor._ask(drain=False)  # the first is there
    second.answers = True  # and the second, while the first is told to take them all
    for _ in range(6):
        before = set(first.holds)
        supervisor._ask(drain=False)
        assert not before & second.holds
    assert first.holds | second.holds == set(TPS)
    assert second.holds


def test_what_a_dead_member_was_told_is_given_to_another_at_once(run):
    supervisor, first, second = run
    supervisor._ask(drain=False)
    supervisor._ask(drain=False)
    assert first.holds | second.holds == set(TPS)
    first.answers = False
    supervisor._lose(supervisor._members["partitions-0"])
    supervisor._ask(drain=False)
    supervisor._ask(drain=False)
    assert second.holds == set(TPS)


def test_a_run_whose_actors_are_fenced_again_and_again_by_no_newer_run_ends_with_a_sentence(run):
    supervisor, first, _second = run
    supervisor._register = SimpleNamespace(check=lambda: None)  # nobody newer is registered
    first.fenced = "p/_log/t/0: me was replaced by somebody"
    for _ in range(module.MOST_FENCED - 1):
        supervisor._ask(drain=False)
    with pytest.raises(RayPipelineError, match=r"replaced by somebody; .* p/_supervisors"):
        supervisor._ask(drain=False)


def test_what_an_earlier_owner_says_of_a_partition_is_no_news(run):
    """Else a run whose partitions moved would wait for ever for a commit that has happened."""
    supervisor, first, second = run
    first.committed = 9
    for _ in range(3):
        supervisor._ask(drain=False)
    moved = min(first.holds)
    second.released = (PartitionReport(moved, PartitionState.READING, 3, 3, 0, 0),)
    for _ in range(3):  # both let go; the earlier owner answers last
        supervisor._ask(drain=True)
        first.released = (PartitionReport(moved, PartitionState.READING, 9, 9, 0, 0),)
        first.holds, second.holds = set(), set()
    assert supervisor._reached[moved].committed == 9


def test_a_run_does_not_end_over_the_online_values_of_an_actor_that_died(run):
    supervisor, first, second = run
    supervisor._settings.until_end = True
    supervisor._targets = dict.fromkeys(TPS, 9)
    first.committed = second.committed = 9
    first.views = (ViewReport("spent", 2, lag=7),)
    for _ in range(3):
        supervisor._ask(drain=False)
    assert supervisor._is_read()
    assert supervisor._is_committed()
    for death in range(1, module.MOST_LOST_BEHIND + 2):
        first.answers = False
        assert supervisor._members["partitions-0"].holds
        supervisor._lose(supervisor._members["partitions-0"])
        waits = death <= module.MOST_LOST_BEHIND  # then they may be what kills it
        assert supervisor._is_read() is supervisor._is_committed() is not waits
        for _ in range(3):  # the other one takes them
            supervisor._ask(drain=False)
        assert supervisor._is_read()
        assert supervisor._is_committed()
        first.answers = True
        for _ in range(8):  # it is back, and has its share again
            supervisor._ask(drain=False)


def test_a_run_does_not_end_over_the_online_values_of_a_partition_that_moves(run):
    """Who let it go did not wait for them, and who gets it has not opened it yet."""
    supervisor, first, second = run
    supervisor._settings.until_end = True
    supervisor._targets = {TPS[0]: 9}

    def hears(actor: Actor, **report: Any) -> None:
        call = Call(actor, WorkerReport(actor.name, configured=True, **report))
        supervisor._hear(supervisor._members[actor.name], call)

    def at(state: PartitionState, lag: int) -> tuple[PartitionReport, ...]:
        return (PartitionReport(TPS[0], state, 9, 9, 0, 0, views=(ViewReport("spent", 9 - lag, lag=lag),)),)

    hears(first, partitions=at(PartitionState.READING, 7))
    assert supervisor._is_read(), "who has it brings them up to date before it lets go at the end"
    for _ in range(2):
        hears(first, released=at(PartitionState.READING, 7))
        assert not supervisor._is_read()
    hears(second, partitions=at(PartitionState.OPENING, 0))
    assert not supervisor._is_read()
    hears(second, partitions=at(PartitionState.READING, 7))
    hears(first, released=at(PartitionState.READING, 7))
    assert supervisor._is_read()
