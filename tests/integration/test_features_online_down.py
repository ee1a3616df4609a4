"""An online store that is down, full, locked or somebody else's: one clear sentence, and nothing half done."""

from __future__ import annotations

import pickle
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from ray_pipeline.connectors.online import OnlineSettings, open_online
from ray_pipeline.connectors.online.settings import Kind
from ray_pipeline.errors import OnlineStoreDeniedError, OnlineStoreUnavailableError
from ray_pipeline.features.ports import SourceMark, StateRow, ValueRow
from tests.servers.redis import RedisServer

ROW = ValueRow("[1]", 1, 0, b"x")
STATE = StateRow("v", "d", "[1]", "t/i/0", 5, b"state")
MARK = SourceMark("v", "d", "t/i/0", 5, 9)


def on_redis(server: RedisServer | str, **more: float) -> OnlineSettings:
    address = server if isinstance(server, str) else server.address
    return OnlineSettings(Kind.REDIS, "p", connection=address, **more)  # type: ignore[arg-type]


def test_a_redis_that_is_away_is_said_to_be_and_is_used_again_when_it_is_back(own_redis: RedisServer) -> None:
    store = open_online(on_redis(own_redis, timeout=2))
    store.write_rows("v", [ROW])
    own_redis.kill()
    with pytest.raises(OnlineStoreUnavailableError, match="did not write values: it cannot be reached") as caught:
        store.write_rows("v", [ROW])
    assert caught.value.retryable
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    own_redis.start()
    assert store.write_rows("v", [ROW]).written == 1
    assert store.write_states([STATE], [MARK]).written == 1  # the scripts are loaded again
    store.close()


def test_a_redis_that_does_not_answer_costs_a_bounded_wait() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        store = open_online(on_redis(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.2))
        began = time.monotonic()
        with pytest.raises(OnlineStoreUnavailableError, match="did not answer in time"):
            store.read_rows("v", ["[1]"])
        assert time.monotonic() - began < 5


def test_a_full_redis_refuses_without_a_mark_that_says_otherwise(own_redis: RedisServer) -> None:
    store = open_online(on_redis(own_redis))
    store.write_states([STATE], [MARK])
    own_redis.client().config_set("maxmemory", 1)
    newer = StateRow("v", "d", "[1]", "t/i/0", 6, b"newer")
    with pytest.raises(OnlineStoreUnavailableError, match=r"its memory is full \(maxmemory\)"):
        store.write_states([newer], [SourceMark("v", "d", "t/i/0", 6, 9)])
    with pytest.raises(OnlineStoreUnavailableError, match="its memory is full"):
        store.write_rows("v", [ROW])
    assert store.read_states("v", "d", ["[1]"]) == [[STATE]]
    assert store.marks() == [MARK]
    own_redis.client().config_set("maxmemory", 0)
    assert store.write_states([newer], []).written == 1
    store.close()


def test_a_redis_that_evicts_keys_by_itself_is_not_used(own_redis: RedisServer) -> None:
    own_redis.client().config_set("maxmemory", 100_000_000)
    own_redis.client().config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(OnlineStoreDeniedError, match="maxmemory-policy allkeys-lru"):
        open_online(on_redis(own_redis)).write_states([STATE], [MARK])
    own_redis.client().config_set("maxmemory-policy", "volatile-ttl")
    assert open_online(on_redis(own_redis)).write_states([STATE], [MARK]).written == 1


def test_a_password_opens_redis_and_is_never_shown(own_redis: RedisServer) -> None:
    own_redis.client().config_set("requirepass", "s3cret")
    good = on_redis(f"{own_redis.address},password=s3cret")
    assert open_online(good).write_rows("v", [ROW]).written == 1
    for wrong in (own_redis.address, f"{own_redis.address},password=wr0ng"):
        store = open_online(on_redis(wrong))
        with pytest.raises(OnlineStoreDeniedError) as caught:
            store.write_rows("v", [ROW])
        assert "password" in str(caught.value)
        assert "wr0ng" not in str(caught.value) + repr(on_redis(wrong)) + store.shown
    assert "s3cret" not in repr(good) + open_online(good).shown


def test_a_store_of_another_format_is_left_alone(own_redis: RedisServer) -> None:
    own_redis.client().set("rp:{p}:format", "2")
    with pytest.raises(OnlineStoreDeniedError, match="it has format '2', and this version knows format 1"):
        open_online(on_redis(own_redis)).write_rows("v", [ROW])


def test_a_key_of_somebody_else_is_said_to_be_one(own_redis: RedisServer) -> None:
    own_redis.client().set("rp:{p/v}:s:d:[1]", "text")
    with pytest.raises(OnlineStoreDeniedError, match="a key of ours holds something else"):
        open_online(on_redis(own_redis)).read_states("v", "d", ["[1]"])


def test_rows_of_a_view_with_a_ttl_leave_redis_long_after_it(own_redis: RedisServer) -> None:
    store = open_online(on_redis(own_redis))
    store.write_rows("v", [ROW], expire_seconds=1000)
    assert 990_000 < own_redis.client().pttl("rp:{p/v}:v:[1]") <= 1_000_000
    assert store.count("v") == 1
    own_redis.client().pexpire("rp:{p/v}:v:[1]", 1)
    own_redis.client().zadd("rp:{p/v}:entities", {"[1]": 1})  # as it is when the time has come
    assert store.count("v") == 0
    store.write_rows("v", [ValueRow("[2]", 1, 0, b"y")], expire_seconds=1000)
    assert store.entities("v", 9) == ["[2]"]
    assert own_redis.client().pttl("rp:{p/v}:entities") == -1
    store.close()


# --- SQLite -------------------------------------------------------------------------------------------------------


def on_file(path: Path, **more: float) -> OnlineSettings:
    return OnlineSettings(Kind.SQLITE, "p", path=path, **more)  # type: ignore[arg-type]


def test_a_file_that_another_process_writes_for_too_long_is_locked(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    store = open_online(on_file(path, timeout=0.1))
    store.write_rows("v", [ROW])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OnlineStoreUnavailableError, match="another process has written to it for too long"):
        store.write_states([STATE], [MARK])
    assert store.read_rows("v", ["[1]"]) == [ROW]  # who only reads does not wait
    other.execute("ROLLBACK")
    other.close()
    assert store.write_states([STATE], [MARK]).written == 1
    store.close()


def test_a_full_disk_keeps_the_batch_out_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_online(on_file(tmp_path / "online.db"))
    store.write_rows("v", [ROW])
    store.close()
    connect = sqlite3.connect

    def small(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 20")  # which SQLite reports as a full disk
        return connection

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(OnlineStoreUnavailableError, match="the disk is full"):
        store.write_rows("v", [ValueRow(f"[{n}]", 2, 0, b"x" * 500) for n in range(1, 500)])
    monkeypatch.undo()
    assert store.count("v") == 1
    assert store.read_rows("v", ["[1]"]) == [ROW]
    store.close()


def test_files_that_are_no_online_store_are_left_as_they_are(tmp_path: Path) -> None:
    text, other, later = tmp_path / "text", tmp_path / "other.db", tmp_path / "later.db"
    text.write_bytes(b"these are not the bytes of a database, and there are enough of them to see that" * 50)
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    open_online(on_file(later)).write_rows("v", [ROW])
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    for path, sentence in (
        (text, "its file is not a SQLite database"),
        (other, "its file is a database of something else"),
        (later, "its file has format 7, and this version knows format 1"),
    ):
        before = path.read_bytes()
        with pytest.raises(OnlineStoreDeniedError, match=sentence):
            open_online(on_file(path)).write_rows("v", [ROW])
        assert path.read_bytes() == before


def test_a_folder_that_cannot_be_is_denied(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OnlineStoreDeniedError, match="its folder cannot be used"):
        open_online(on_file(tmp_path / "file" / "online.db")).write_rows("v", [ROW])
    with pytest.raises(OnlineStoreDeniedError, match="its file cannot be opened"):
        open_online(on_file(tmp_path)).write_rows("v", [ROW])


def test_a_file_that_is_removed_or_replaced_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "online.db"
    store = open_online(on_file(path))
    store.write_rows("v", [ROW])
    for file in tmp_path.iterdir():
        file.unlink()
    assert store.read_rows("v", ["[1]"]) == [None]
    assert store.write_rows("v", [ROW]).written == 1
    again = open_online(on_file(path))
    assert again.read_rows("v", ["[1]"]) == [ROW]
    again.close()
    store.close()


def test_the_folder_of_a_new_file_is_made(tmp_path: Path) -> None:
    store = open_online(on_file(tmp_path / "a" / "b" / "online.db"))
    assert store.read_rows("v", ["[1]"]) == [None]
    store.close()
