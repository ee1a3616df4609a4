"""I10: what readers take instead of the entries says what the entries say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ray_pipeline.lake.keys import entry_key, segment_key
from ray_pipeline.lake.segments import encode_segment, read_segment
from ray_pipeline.lake.verify import verify
from ray_pipeline.lake.verify_report import Status
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import Outcome

from .lakes import Writer, log_id, order


@pytest.fixture(scope="module")
def long_lake() -> dict[str, bytes]:
    store = MemoryStore()
    writer = Writer(store).claim()
    for i in range(120):
        writer.commit(i + 1, {i: order(i)})
    return store.objects


@pytest.fixture
def lake(long_lake: dict[str, bytes]) -> MemoryStore:
    store = MemoryStore()
    store.objects = dict(long_lake)
    return store


KEY = segment_key(log_id(), 99)


def test_a_long_log_with_its_segment_holds(lake: MemoryStore) -> None:
    assert KEY in lake.objects
    assert verify(lake, "shop", quick=True).outcome is Outcome.HELD


def broken(lake: MemoryStore, key: str = KEY) -> str:
    result = verify(lake, "shop", quick=True).result("I10")
    assert result.status is Status.BROKEN
    assert result.breaches[0].key == key
    return result.breaches[0].message


def test_a_segment_with_other_sums_is_named(lake: MemoryStore) -> None:
    segment = read_segment(lake, log_id(), 99)
    assert segment is not None
    lake.objects[KEY] = encode_segment(segment.entries, replace(segment.tail, good=7))
    assert "sums" in broken(lake)


def test_a_segment_with_another_entry_is_named(lake: MemoryStore) -> None:
    segment = read_segment(lake, log_id(), 99)
    assert segment is not None
    entries = (*segment.entries[:-1], segment.entries[-2])
    lake.objects[KEY] = encode_segment(entries, segment.tail)
    assert "entries" in broken(lake)


def test_a_segment_that_cannot_be_read_is_named(lake: MemoryStore) -> None:
    lake.objects[KEY] = lake.objects[KEY][:500]
    broken(lake)


def test_a_segment_under_a_number_that_fills_none_is_named(lake: MemoryStore) -> None:
    lake.objects[segment_key(log_id(), 50)] = lake.objects[KEY]
    assert "no segment ends" in broken(lake, segment_key(log_id(), 50))


def test_a_lost_segment_is_no_breach(lake: MemoryStore) -> None:
    lake.delete(KEY)
    assert verify(lake, "shop", quick=True).outcome is Outcome.HELD


def test_a_log_cut_below_its_segment_is_noticed(lake: MemoryStore) -> None:
    for n in range(90, 122):
        lake.delete(entry_key(log_id(), n))
    result = verify(lake, "shop", quick=True).result("I1")
    assert result.breaches[0].key == entry_key(log_id(), 90)
