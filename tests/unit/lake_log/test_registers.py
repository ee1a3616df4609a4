"""Supervisors take numbers; topics remember where their first run began."""

from __future__ import annotations

from random import Random

from ray_pipeline.errors import StoreUnavailableError
from ray_pipeline.lake.supervisors import latest, register
from ray_pipeline.lake.topics import enrol_topic
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import SourceId

T1, T2 = SourceId("c", "t1"), SourceId("c", "t2")


def test_the_newest_supervisor_has_the_highest_number() -> None:
    store = MemoryStore()
    assert latest(store, "flights") is None
    first = register(store, "flights", "ann", clock=FrozenClock(), rng=Random(1))
    second = register(store, "flights", "bob", clock=FrozenClock(), rng=Random(2))
    assert (first.number, second.number) == (1, 2)
    assert latest(store, "flights") == second
    assert register(store, "other", "ann", clock=FrozenClock(), rng=Random(3)).number == 1


def test_a_lost_reply_costs_a_supervisor_no_second_number() -> None:
    class Lossy(MemoryStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            created = super().put_if_absent(key, data)
            if created:
                raise StoreUnavailableError(self.url, "create", "test")
            return created

    store = Lossy()
    assert register(store, "flights", "ann", clock=FrozenClock(), rng=Random(1)).number == 1
    assert len(store.objects) == 1


def test_what_latest_meant_is_settled_at_first_sight() -> None:
    store = MemoryStore()
    first = enrol_topic(store, "flights", "departures", T1, lambda: [7, 9])
    again = enrol_topic(store, "flights", "departures", T1, lambda: [70, 90, 110])
    assert first == again
    assert [again.start_of(partition) for partition in range(3)] == [7, 9, 0]  # added since: from its beginning


def test_a_topic_made_again_is_read_from_its_beginning() -> None:
    store = MemoryStore()
    enrol_topic(store, "flights", "departures", T1, lambda: [7])
    assert enrol_topic(store, "flights", "departures", T2, lambda: [50]).start_of(0) == 0
