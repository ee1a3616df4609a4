"""Objects come in order, and a failure comes where it happened."""

from __future__ import annotations

import threading

import pytest

from ray_pipeline.errors import StoreUnavailableError
from ray_pipeline.lake.read_ahead import DEPTH, read_ahead
from ray_pipeline.testing.store import MemoryStore


def test_objects_come_in_the_order_of_their_keys() -> None:
    store = MemoryStore()
    keys = [f"k/{i}" for i in range(3 * DEPTH)]
    for key in keys[::2]:
        store.put(key, key.encode())
    assert list(read_ahead(store, keys)) == [(key, store.get(key)) for key in keys]


def test_several_reads_are_under_way_at_once() -> None:
    together = threading.Barrier(4, timeout=10)

    class Slow(MemoryStore):
        def get(self, key: str) -> bytes | None:
            together.wait()
            return super().get(key)

    assert len(list(read_ahead(Slow(), [f"k/{i}" for i in range(8)]))) == 8


def test_a_store_that_does_not_answer_is_an_error() -> None:
    class Down(MemoryStore):
        def get(self, key: str) -> bytes | None:
            raise StoreUnavailableError(self.url, "read", key)

    with pytest.raises(StoreUnavailableError, match="k/0"):
        list(read_ahead(Down(), ["k/0", "k/1"]))
