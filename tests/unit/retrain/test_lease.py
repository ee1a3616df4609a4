"""Who works on the loop, and when somebody else may."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from ray_pipeline.errors import RetrainError
from ray_pipeline.runtime.retrain.lease import Leases, gone, held
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore


def leases(store: MemoryStore, clock: FrozenClock, seed: int, **changes: Any) -> Leases:
    given: dict[str, Any] = {"clock": clock, "seconds": 60.0, "rng": Random(seed), "is_gone": lambda _lease: False}
    return Leases(store, "flights", "late_arrival", **(given | changes))


def test_one_at_a_time_and_the_other_is_told_who() -> None:
    store, clock = MemoryStore(), FrozenClock()
    ann, bob = leases(store, clock, 1), leases(store, clock, 2)
    lease = ann.take("ann")
    with pytest.raises(RetrainError, match="ann works on it, until 2013-01-01T00:01:00"):
        bob.take("bob")
    ann.release(lease)
    assert bob.take("bob").number == 2
    with pytest.raises(RetrainError, match="lost its lease, bob has it"):
        ann.check(lease)


def test_who_says_nothing_for_so_long_has_lost_it() -> None:
    store, clock = MemoryStore(), FrozenClock()
    ann, bob = leases(store, clock, 1), leases(store, clock, 2)
    lease = ann.take("ann")
    clock.advance(50)
    lease = ann.renew(lease)
    clock.advance(50)
    with pytest.raises(RetrainError):
        bob.take("bob")
    clock.advance(10)
    taken = bob.take("bob")
    with pytest.raises(RetrainError):
        ann.renew(lease)
    ann.release(lease)
    assert bob.holder() == taken


def test_a_clock_that_was_set_back_steals_nothing() -> None:
    store, clock = MemoryStore(), FrozenClock()
    ann = leases(store, clock, 1)
    lease = ann.take("ann")
    behind = FrozenClock(clock.now() - timedelta(days=30))
    with pytest.raises(RetrainError):
        leases(store, behind, 2).take("bob")
    clock.advance(-86_400.0)
    assert ann.renew(lease).until == lease.until
    ann.release(lease)
    late = leases(store, behind, 3).take("carl")
    assert late.taken >= lease.taken, "what is taken by a slow clock does not end before it began"
    with pytest.raises(RetrainError):
        leases(store, FrozenClock(), 4).take("dora")


def test_a_process_that_is_gone_holds_nothing() -> None:
    store, clock = MemoryStore(), FrozenClock()
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    lease = leases(store, clock, 1).take("ann")
    assert not gone(lease)
    assert gone(replace(lease, pid=int(process.stdout)))
    assert not gone(replace(lease, pid=int(process.stdout), host="elsewhere"))
    assert leases(store, clock, 2, is_gone=lambda _lease: True).take("bob").number == 2


def test_a_damaged_lease_binds_nobody() -> None:
    store, clock = MemoryStore(), FrozenClock()
    leases(store, clock, 1).take("ann")
    (key,) = store.objects
    store.objects[key] = b"{}"
    assert leases(store, clock, 2).take("bob").number == 2


def test_it_is_given_back_whatever_happens() -> None:
    store, clock = MemoryStore(), FrozenClock()
    said: list[str] = []
    with held(leases(store, clock, 1), "ann", 60.0, said.append) as lease:
        assert (lease.host, lease.pid) == (socket.gethostname(), os.getpid())
    with pytest.raises(ZeroDivisionError), held(leases(store, clock, 3), "ann", 60.0, said.append):
        raise ZeroDivisionError
    assert leases(store, clock, 2).take("bob").number == 3
    assert said == []
