"""Numbered objects are read to their end; a hole is no end."""

from __future__ import annotations

import pytest

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.numbered import numbered_key, read_next
from ray_pipeline.testing.store import MemoryStore

FOLDER = "shop/_retrain/sent_back"


def a_store(*numbers: int) -> MemoryStore:
    store = MemoryStore()
    for number in numbers:
        store.put_if_absent(numbered_key(FOLDER, number), str(number).encode())
    store.put_if_absent(f"{FOLDER}/leases/00000009.json", b"of another kind")
    return store


def test_each_is_read_and_after_the_last_there_is_none() -> None:
    store = a_store(1, 2)
    assert [read_next(store, FOLDER, number) for number in (1, 2, 3)] == [b"1", b"2", None]
    assert read_next(a_store(), FOLDER, 1) is None


def test_one_that_is_gone_before_others_is_named() -> None:
    for missing, there in ((2, (1, 3)), (1, (2, 3))):
        with pytest.raises(FileCorruptError, match=rf"{missing:08d}\.json.*is gone, and 00000003\.json is there"):
            read_next(a_store(*there), FOLDER, missing)


def test_one_that_comes_while_it_is_asked_for_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(1)
    seen = store.get

    def get(key: str) -> bytes | None:
        found = seen(key)
        for number in (2, 3):
            store.put_if_absent(numbered_key(FOLDER, number), str(number).encode())
        return found

    monkeypatch.setattr(store, "get", get)
    assert read_next(store, FOLDER, 2) == b"2"
