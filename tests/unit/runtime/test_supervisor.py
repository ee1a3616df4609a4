"""Who is told to own what: members are scripted here, and no Ray runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ray_pipeline.runtime import supervisor as module
from ray_pipeline.runtime.reports import PartitionReport, PartitionState, WorkerReport
from ray_pipeline.runtime.supervisor import Supervisor
from ray_pipeline.types import TopicPartition

TPS = [TopicPartition("t", number) for number in range(3)]


class Actor:
    """Takes every assignment; it reports a partition only once ``opened`` names it, as a writing thread may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.answers = True
        self.told: set[TopicPartition] = set()
        self.opened: set[TopicPartition] = set()
        self.reconcile = SimpleNamespace(remote=self._reconcile)

    def open(self) -> None:
        self.opened = set(self.told)

    def _reconcile(self, assignment: Any) -> Any:
        self.told = set(assignment.partitions)
        reports = (PartitionReport(tp, PartitionState.READING, 0, 0, 0, 0) for tp in sorted(self.opened))
        return self, WorkerReport(self.name, configured=True, partitions=tuple(reports))


@pytest.fixture
def run(monkeypatch):
    """Return a supervisor with three partitions and two members, and their actors."""
    actors = {name: Actor(name) for name in ("partitions-0", "partitions-1")}
    monkeypatch.setattr(
        module.ray, "wait", lambda calls, **_: ([call for call in calls if call[0].answers], []), raising=True
    )
    monkeypatch.setattr(module, "_answer", lambda call: call[1])
    settings: Any = SimpleNamespace(until_end=False)
    supervisor = Supervisor(settings, actors.__getitem__)
    supervisor._partitions = dict.fromkeys(TPS, 0)
    for _ in actors:
        supervisor._add_member()
    return supervisor, actors["partitions-0"], actors["partitions-1"]


def test_a_partition_that_was_given_and_not_reported_yet_is_given_to_nobody_else(run):
    supervisor, first, second = run
    second.answers = False
    supervisor._ask(drain=False)  # the first is there
    supervisor._ask(drain=False)  # and is told to take all of them, which takes it a moment
    assert first.told == set(TPS)
    second.answers = True
    for _ in range(2):
        supervisor._ask(drain=False)
        assert not first.told & second.told
    first.open()
    for _ in range(4):
        supervisor._ask(drain=False)
        assert not (first.told | first.opened) & second.told
        first.open()
    assert len(first.told) + len(second.told) == len(TPS)
    assert len(second.told) >= 1


def test_what_a_dead_member_was_told_is_given_to_another_at_once(run):
    supervisor, first, second = run
    for _ in range(2):
        supervisor._ask(drain=False)
    assert first.told | second.told == set(TPS)
    supervisor._lose(supervisor._members["partitions-0"])
    first.answers = False
    supervisor._ask(drain=False)
    supervisor._ask(drain=False)
    assert second.told == set(TPS)
