"""A folder on a disk that is full or read-only: it needs a file system of its own, so the right to mount one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.errors import StoreDeniedError, StoreUnavailableError


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a file system here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_leaves_no_partial_object_and_works_again_once_there_is_room(disk: Path) -> None:
    store = open_store(str(disk))
    store.put("data/0", bytes(700_000))
    for call in (store.put, store.put_if_absent):
        with pytest.raises(StoreUnavailableError, match="no space left on device") as caught:
            call("data/1", bytes(700_000))
        assert caught.value.retryable
    assert list(store.list("")) == ["data/0"]
    assert list((disk / ".tmp").iterdir()) == []
    store.delete("data/0")
    assert store.put_if_absent("data/1", bytes(700_000))
    assert store.get("data/1") == bytes(700_000)


def test_a_read_only_disk_is_denied_and_still_read(disk: Path) -> None:
    store = open_store(str(disk))
    store.put("data/0", b"kept")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for call in (store.put, store.put_if_absent):
        with pytest.raises(StoreDeniedError, match="read-only file system"):
            call("data/1", b"")
    assert store.get("data/0") == b"kept"
    assert list(store.list("data")) == ["data/0"]
