"""A folder as an object store."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.synchronize import Barrier as ProcessBarrier
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.connectors.object_store import open_store, probe
from ray_pipeline.connectors.object_store.local import LocalObjectStore
from ray_pipeline.errors import StoreDeniedError, StoreUnavailableError, StoreUnsafeError

RACERS, ROUNDS = 8, 40


@pytest.fixture
def store(tmp_path: Path) -> LocalObjectStore:
    return LocalObjectStore(tmp_path / "lake")


def test_what_was_put_is_got_replaced_and_deleted(store: LocalObjectStore) -> None:
    assert store.get("a/b.json") is None
    store.put("a/b.json", b"1")
    store.put("a/b.json", b"2")
    assert store.get("a/b.json") == b"2"
    assert Path(store.uri("a/b.json")).read_bytes() == b"2"
    store.delete("a/b.json")
    store.delete("a/b.json")
    assert store.get("a/b.json") is None


def test_put_if_absent_keeps_the_first_object(store: LocalObjectStore) -> None:
    assert store.put_if_absent("log/0.json", b"first")
    assert not store.put_if_absent("log/0.json", b"second")
    assert store.get("log/0.json") == b"first"


def test_nothing_temporary_is_left_or_listed(store: LocalObjectStore) -> None:
    store.put("a", b"")
    store.put_if_absent("b", b"")
    store.put_if_absent("b", b"")
    (Path(store.url) / ".tmp" / "half").write_bytes(b"half")
    assert list(store.list("")) == ["a", "b"]
    assert [path.name for path in (Path(store.url) / ".tmp").iterdir()] == ["half"]


def test_what_killed_writers_left_is_removed_after_a_day(store: LocalObjectStore) -> None:
    temporary = Path(store.url) / ".tmp"
    temporary.mkdir(parents=True)
    for name, age in (("old", 90_000), ("living", 60)):
        (temporary / name).write_bytes(b"half")
        os.utime(temporary / name, (time.time() - age,) * 2)
    store.put("a", b"")
    assert [path.name for path in temporary.iterdir()] == ["living"]


SEGMENT = st.text("ab.-=_0Z", min_size=1, max_size=4).filter(lambda s: s not in (".", ".."))
KEYS = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join).filter(lambda key: not key.startswith(".tmp"))


@settings(max_examples=60, deadline=None)
@given(keys=st.sets(KEYS, max_size=12))
def test_a_listing_is_complete_and_in_the_order_of_s3(tmp_path_factory: pytest.TempPathFactory, keys: set[str]) -> None:
    # A file cannot also be a folder; S3 allows it and the lake never asks for it.
    keys = {key for key in keys if not any(other.startswith(f"{key}/") for other in keys)}
    store = LocalObjectStore(tmp_path_factory.mktemp("lake"))
    for key in keys:
        store.put(key, b"")
    assert list(store.list("")) == sorted(keys)
    for prefix in {key.rpartition("/")[0] for key in keys} - {""}:
        assert list(store.list(prefix)) == sorted(key for key in keys if key.startswith(f"{prefix}/"))


@settings(deadline=None)
@given(
    key=st.one_of(st.text(max_size=30), st.sampled_from(["../x", "/etc/passwd", "a/../../b", "a//b", "a\0", ".tmp/x"]))
)
def test_no_key_reaches_outside_of_the_root(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    store = LocalObjectStore(tmp_path_factory.getbasetemp() / "lake")
    try:
        uri = store.uri(key)
    except ValueError:
        for call in (store.get, store.delete, lambda k: store.put(k, b""), lambda k: store.put_if_absent(k, b"")):
            with pytest.raises(ValueError):
                call(key)
    else:
        assert Path(store.url) in Path(os.path.normpath(uri)).parents


def test_one_of_many_threads_creates_an_object(store: LocalObjectStore) -> None:
    barrier = Barrier(RACERS)
    with ThreadPoolExecutor(RACERS) as pool:
        results = list(pool.map(lambda me: _race(store.url, me, barrier), range(RACERS)))
    _assert_one_winner_each(store, results)


def test_one_of_many_processes_creates_an_object(store: LocalObjectStore) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(4)
    with ProcessPoolExecutor(4, mp_context=context, initializer=_join, initargs=(barrier,)) as pool:
        results = list(pool.map(_race_in_process, [store.url] * 4, range(4)))
    _assert_one_winner_each(store, results)


def _race(root: str, me: int, barrier: Barrier | ProcessBarrier) -> list[bool]:
    store = LocalObjectStore(root)
    won = []
    for number in range(ROUNDS):
        barrier.wait()
        won.append(store.put_if_absent(f"log/{number}.json", b"%d" % me))
        assert store.get(f"log/{number}.json") is not None
    return won


def _join(barrier: ProcessBarrier) -> None:
    globals()["_BARRIER"] = barrier


def _race_in_process(root: str, me: int) -> list[bool]:
    return _race(root, me, globals()["_BARRIER"])


def _assert_one_winner_each(store: LocalObjectStore, results: list[list[bool]]) -> None:
    for number in range(ROUNDS):
        winners = [me for me, won in enumerate(results) if won[number]]
        assert len(winners) == 1
        assert store.get(f"log/{number}.json") == b"%d" % winners[0]


WRITER = """
import sys
from ray_pipeline.connectors.object_store.local import LocalObjectStore
store = LocalObjectStore(sys.argv[1])
for number in range(10**9):
    data = str(number).encode() * 50_000
    store.put(f"data/{number % 7}", data)
    store.put_if_absent(f"log/{number}", data)
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_objects_and_all_it_acknowledged(store: LocalObjectStore) -> None:
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, store.url], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(5)][-1]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert store.get(f"log/{acknowledged}") is not None
        for key in store.list(""):
            data = store.get(key)
            assert data is not None
            number = data[: len(data) // 50_000]
            assert data == number * 50_000


def test_a_link_whose_reply_was_lost_counts_as_made(store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS repeats the request, and the repetition finds the link that the first one made."""
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    assert store.put_if_absent("log/0.json", b"mine")
    assert not store.put_if_absent("log/0.json", b"other")


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (errno.ENOSPC, StoreUnavailableError, "no space left on device"),
        (errno.EDQUOT, StoreUnavailableError, "quota"),
        (errno.EIO, StoreUnavailableError, "input/output error"),
        (errno.EROFS, StoreDeniedError, "read-only file system"),
        (errno.EACCES, StoreDeniedError, "permission denied"),
    ],
)
def test_a_disk_that_fails_is_one_sentence_and_no_object(
    store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception], says: str
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    store.put("folder/there", b"")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        for call in (store.put, store.put_if_absent):
            with pytest.raises(error, match=says) as caught:
                call("folder/new", b"data")
            assert "\n" not in str(caught.value)
    assert store.get("folder/new") is None
    assert store.put_if_absent("folder/new", b"data")


def test_a_file_system_without_links_is_unsafe(store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreUnsafeError, match="no hard links"):
        store.put_if_absent("a", b"")


def test_a_root_below_a_file_is_denied(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = LocalObjectStore(tmp_path / "file" / "lake")
    assert store.get("a") is None
    assert list(store.list("a")) == []
    with pytest.raises(StoreDeniedError, match="check the folder"):
        store.put("a", b"")


def test_the_probe_finds_a_folder_sound_and_leaves_nothing(tmp_path: Path) -> None:
    report = probe(open_store(str(tmp_path)))
    assert (report.safe, report.cleaned, report.evidence) == (True, True, "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
