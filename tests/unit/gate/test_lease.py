from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from ray_pipeline.errors import GateBusyError, StoreUnavailableError
from ray_pipeline.gate.lease import Leases
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore


def leases(store: MemoryStore, clock: FrozenClock, seed: int = 0) -> Leases:
    return Leases(store, "shop", "orders", clock=clock, rng=Random(seed), duration=timedelta(seconds=60))


def test_who_comes_second_is_told_who_and_until_when() -> None:
    store, clock = MemoryStore(), FrozenClock()
    leases(store, clock).take(4, "host/1", "one")
    with pytest.raises(GateBusyError, match=r"host/1 works on it until 2013-01-01T00:01:00"):
        leases(store, clock, 1).take(4, "host/2", "two")
    leases(store, clock, 2).take(5, "host/2", "two")  # another decision is another lease


def test_a_lease_that_ran_out_may_be_taken_and_its_holder_learns_of_it() -> None:
    store, clock = MemoryStore(), FrozenClock()
    mine = leases(store, clock).take(0, "host/1", "one")
    clock.advance(61)
    leases(store, clock, 1).take(0, "host/2", "two")
    with pytest.raises(GateBusyError, match="host/2"):
        leases(store, clock).renew(mine)
    leases(store, clock).release(mine)
    found = leases(store, clock).holder(0)
    assert found is not None
    assert found.holder == "host/2"


def test_a_renewed_lease_lasts() -> None:
    store, clock = MemoryStore(), FrozenClock()
    mine = leases(store, clock).take(0, "host/1", "one")
    for _ in range(5):
        clock.advance(50)
        mine = leases(store, clock).renew(mine)
    with pytest.raises(GateBusyError):
        leases(store, clock, 1).take(0, "host/2", "two")


def test_what_is_given_back_is_free() -> None:
    store, clock = MemoryStore(), FrozenClock()
    mine = leases(store, clock)
    mine.release(mine.take(0, "host/1", "one"))
    assert mine.holder(0) is None
    assert leases(store, clock, 1).take(0, "host/2", "two").k == 1


def test_a_run_that_is_started_again_does_not_wait_for_itself() -> None:
    store, clock = MemoryStore(), FrozenClock()
    leases(store, clock).take(0, "host/1", "nightly")
    assert leases(store, clock, 1).take(0, "host/2", "nightly").holder == "host/2"


def test_a_lost_reply_is_no_second_lease() -> None:
    class Loses(MemoryStore):
        lost = 1

        def put_if_absent(self, key: str, data: bytes) -> bool:
            done = super().put_if_absent(key, data)
            if self.lost:
                self.lost = 0
                raise StoreUnavailableError(self.url, "answer", "simulated")
            return done

    assert leases(Loses(), FrozenClock()).take(0, "host/1", "one").k == 0


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"until":"soon"}'])
def test_a_lease_that_nobody_can_read_binds_nobody(damage: bytes) -> None:
    store, clock = MemoryStore(), FrozenClock()
    store.objects[leases(store, clock).take(0, "host/1", "one").key] = damage
    assert leases(store, clock, 1).take(0, "host/2", "two").k == 1


def test_a_clock_that_was_set_back_names_the_moment_to_wait_for() -> None:
    store, clock = MemoryStore(), FrozenClock()
    clock.advance(3600)
    leases(store, clock).take(0, "host/1", "one")
    with pytest.raises(GateBusyError, match="until 2013-01-01T01:01:00"):
        leases(store, FrozenClock(), 1).take(0, "host/2", "two")
