"""Segments shorten reading, and never change what is read."""

from __future__ import annotations

import pytest

from ray_pipeline.errors import StoreUnavailableError
from ray_pipeline.lake.keys import SEGMENT_SIZE, entry_key, pointer_key, segment_key
from ray_pipeline.lake.log import PartitionLog
from ray_pipeline.lake.log_reader import LogReader, read_tail
from ray_pipeline.lake.segments import read_segment
from ray_pipeline.testing.store import MemoryStore

from .conftest import LOG, Owners, data


class Counting(MemoryStore):
    def __init__(self, objects: MemoryStore) -> None:
        super().__init__()
        self.objects = objects.objects
        self.gets = 0

    def get(self, key: str) -> bytes | None:
        self.gets += 1
        return super().get(key)


def grow(log: PartitionLog, entries: int) -> None:
    for _ in range(entries):
        end = log.tail.end
        log.append(data(end, end + 2, epoch=log.tail.epoch, bad=1))


def folded_anew(store: MemoryStore) -> object:
    bare = MemoryStore()
    bare.objects = {
        key: value for key, value in store.objects.items() if "segment" not in key and "checkpoint" not in key
    }
    return read_tail(bare, LOG)


def test_a_long_log_is_read_from_its_newest_segment(owners: Owners) -> None:
    grow(owners.owner(), 3 * SEGMENT_SIZE + 20)
    store = Counting(owners.store)
    tail = read_tail(store, LOG)
    assert store.gets <= 30
    assert tail == folded_anew(owners.store)


@pytest.mark.parametrize("lost", [["pointer"], ["segment"], ["pointer", "segment"], ["newest"]])
def test_lost_shortcuts_change_nothing(owners: Owners, lost: list[str]) -> None:
    log = owners.owner()
    grow(log, 2 * SEGMENT_SIZE + 5)
    keys = {"pointer": pointer_key(LOG), "segment": segment_key(LOG, 99), "newest": segment_key(LOG, 199)}
    for name in lost:
        del owners.store.objects[keys[name]]
    assert read_tail(owners.store, LOG) == log.tail
    reader = LogReader(owners.store, LOG)
    reader.load()
    assert [entry.start for entry in reader.data_since(0)] == list(range(0, log.tail.end, 2))


def test_a_stale_or_damaged_pointer_is_harmless(owners: Owners) -> None:
    log = owners.owner()
    grow(log, 2 * SEGMENT_SIZE)
    for pointer in (b'{"last": 99}', b"{", b'{"last": 7}', b'{"last": 100099}', b"[]"):
        owners.store.objects[pointer_key(LOG)] = pointer
        assert read_tail(owners.store, LOG) == log.tail


def test_whoever_loads_past_a_missing_segment_writes_it(owners: Owners) -> None:
    grow(owners.owner(), SEGMENT_SIZE + 5)
    written = owners.store.objects.pop(segment_key(LOG, 99))
    del owners.store.objects[pointer_key(LOG)]
    owners.log().load()
    assert owners.store.objects[segment_key(LOG, 99)] == written  # the same bytes, whoever writes it
    assert owners.store.objects[pointer_key(LOG)] == b'{"last": 99}'


def test_a_store_that_refuses_a_segment_does_not_stop_commits(owners: Owners) -> None:
    class NoSegments(MemoryStore):
        down = True

        def put_if_absent(self, key: str, data: bytes) -> bool:
            if self.down and "segment" in key:
                raise StoreUnavailableError(self.url, "put", "test")
            return super().put_if_absent(key, data)

    store = NoSegments()
    log = owners.owner(store=store)
    grow(log, SEGMENT_SIZE + 10)
    assert read_segment(store, LOG, 99) is None
    store.down = False
    grow(log, SEGMENT_SIZE)
    assert read_segment(store, LOG, 99) is not None  # made up for when the next one filled
    assert read_segment(store, LOG, 199) is not None


def test_a_segment_holds_its_entries_as_they_were_written(owners: Owners) -> None:
    grow(owners.owner(), SEGMENT_SIZE)
    segment = read_segment(owners.store, LOG, 99)
    assert segment is not None
    assert segment.first == 0
    assert list(segment.entries) == [owners.store.objects[entry_key(LOG, n)] for n in range(SEGMENT_SIZE)]
