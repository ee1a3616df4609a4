"""A log in memory, and the entries of an ordinary life."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ray_pipeline.lake.entries import Claim, Data, DataFile, Open
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import ContractRef

LOG = LogId("flights", "departures", "c", "t", 0)
CONTRACT = ContractRef("departures", "1.0.0", "d1")
AT = "2013-01-01T00:00:00.000000Z"


def opening(start: int = 0) -> Open:
    return Open("flights", "c", "departures", "t", 0, start, "n0", AT)


def claim(epoch: int = 1, supervisor: int = 1, digest: str = "d1") -> Claim:
    return Claim(epoch, f"n{epoch}", f"owner {epoch}", supervisor, ContractRef("departures", "1.0.0", digest), AT)


def data(start: int, end: int, epoch: int = 1, bad: int = 0, **changes: Any) -> Data:
    good = end - start - bad
    values: dict[str, Any] = {
        "epoch": epoch,
        "nonce": f"d{start}",
        "start": start,
        "end": end,
        "leader_epoch": None,
        "good": good,
        "bad": bad,
        "tombstones": 0,
        "skipped": 0,
        "files": (DataFile(f"data/{start}", good, 1, "00", "2013-01-01"),) if good else (),
        "bad_files": (DataFile(f"bad/{start}", bad, 1, "00"),) if bad else (),
        "by_rule": {"type": bad} if bad else {},
        "truncated": 0,
        "contract": CONTRACT,
        "dlq_through": 0,
        "event_time_min": None,
        "event_time_max": None,
        "max_timestamp": None,
        "breaker": "armed",
        "committed_at": AT,
    }
    return Data(**{**values, **changes})


class Owners:
    """Makes owners of one log in one store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = FrozenClock()
        self._made = 0

    def log(self, store: Any = None) -> PartitionLog:
        self._made += 1
        return PartitionLog(store or self.store, LOG, clock=self.clock, rng=Random(self._made))

    def owner(self, name: str = "A", supervisor: int = 1, store: Any = None) -> PartitionLog:
        log = self.log(store)
        if log.load() is None:
            log.open_log(0)
        log.claim(owner=name, supervisor=supervisor, contract=CONTRACT)
        return log


@pytest.fixture
def owners() -> Owners:
    return Owners()
