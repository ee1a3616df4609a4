"""S3 as an object store, on a real server and on moto."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.connectors.object_store import filesystem, open_store, probe, require_put_if_absent
from ray_pipeline.connectors.object_store import s3 as s3_module
from ray_pipeline.errors import StoreDeniedError, StoreUnavailableError
from ray_pipeline.lake.ports import ObjectStore
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.s3


@pytest.fixture(params=["s3_server", "moto_server"])
def server(request: pytest.FixtureRequest) -> S3Server:
    return request.getfixturevalue(request.param)


@pytest.fixture
def store(server: S3Server) -> ObjectStore:
    return open_store(f"{server.new_bucket()}/lake/a", server.options)


def test_what_was_put_is_got_listed_and_deleted(store: ObjectStore) -> None:
    keys = ["p/b/1.json", "p/b-c/1.json", "p/b.json", "q/1.json", "p/k=3D/_x.parquet"]
    for key in keys:
        store.put(key, key.encode())
    assert [store.get(key) for key in keys] == [key.encode() for key in keys]
    assert list(store.list("p")) == sorted(key for key in keys if key.startswith("p/"))
    assert list(store.list("p/b")) == ["p/b/1.json"]
    assert list(store.list("")) == sorted(keys)
    assert list(store.list("absent")) == []
    store.delete("p/b.json")
    store.delete("p/b.json")
    assert store.get("p/b.json") is None


def test_a_listing_goes_on_past_one_page_in_order(store: ObjectStore) -> None:
    keys = [f"log/{n:020d}.json" for n in range(1100)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"{}"), keys))
    assert list(store.list("log")) == keys


def test_an_object_of_many_parts_comes_back_whole(store: ObjectStore) -> None:
    data = bytes(range(256)) * 4096 * 20  # 20 MiB: three parts
    store.put("data/large.parquet", data)
    assert store.get("data/large.parquet") == data


def test_put_if_absent_keeps_the_first_object(store: ObjectStore) -> None:
    assert store.put_if_absent("log/0.json", b"first")
    assert not store.put_if_absent("log/0.json", b"second")
    assert store.get("log/0.json") == b"first"


def test_one_of_many_threads_creates_an_object(store: ObjectStore) -> None:
    rounds, racers = 12, 16
    barrier = Barrier(racers)

    def race(me: int) -> list[bool]:
        won = []
        for number in range(rounds):
            barrier.wait()
            won.append(store.put_if_absent(f"log/{number}.json", b"%d" % me))
        return won

    with ThreadPoolExecutor(racers) as pool:
        results = list(pool.map(race, range(racers)))
    for number in range(rounds):
        winners = [me for me in range(racers) if results[me][number]]
        assert len(winners) == 1
        assert store.get(f"log/{number}.json") == b"%d" % winners[0]


def test_the_probe_finds_the_store_sound_and_leaves_nothing(store: ObjectStore) -> None:
    report = require_put_if_absent(store)
    assert report.safe
    assert report.cleaned
    assert report.evidence == ""
    assert list(store.list("")) == []


def test_readers_open_the_addresses_that_the_store_gives(server: S3Server, store: ObjectStore) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1, 2, 3]}), sink)
    store.put("data/t/0.parquet", sink.getvalue().to_pybytes())
    uri = store.uri("data/t/0.parquet")
    assert uri == f"{store.url}/data/t/0.parquet"
    files = filesystem(store.url, server.options)
    assert pq.read_table(uri, filesystem=files, partitioning=None)["a"].to_pylist() == [1, 2, 3]
    with files.open(uri) as file:
        assert pl.read_parquet(file)["a"].to_list() == [1, 2, 3]


def test_an_absent_bucket_is_said_in_one_sentence(server: S3Server) -> None:
    store = open_store("s3://no-such-bucket-here/lake", server.options)
    for call in (
        lambda: store.get("a"),
        lambda: store.put("a", b""),
        lambda: store.put_if_absent("a", b""),
        lambda: list(store.list("a")),
        lambda: probe(store),
    ):
        with pytest.raises(StoreDeniedError, match="the bucket does not exist") as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("option", "says"), [("key", "access key"), ("secret", "secret")])
def test_a_wrong_credential_is_said_without_showing_it(s3_server: S3Server, option: str, says: str) -> None:
    if s3_server.kind == "moto":
        pytest.skip("moto takes any credential")
    wrong = {**s3_server.options, option: "canary0canary"}
    store = open_store(s3_server.new_bucket(), wrong)
    for call in (lambda: store.get("a"), lambda: store.put_if_absent("a", b""), lambda: list(store.list("a"))):
        with pytest.raises(StoreDeniedError, match=says) as caught:
            call()
        assert "canary" not in f"{caught.value}{caught.value!r}"
        assert "testsecret1" not in f"{caught.value}{caught.value!r}"


def test_a_killed_server_keeps_what_it_acknowledged_and_is_named_while_it_is_away(
    durable_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(s3_module._RETRY, "retry_timeout", timedelta(seconds=1))
    store = open_store(durable_s3.new_bucket(), durable_s3.options)
    assert store.put_if_absent("log/0.json", b"kept")
    durable_s3.kill()
    try:
        with pytest.raises(StoreUnavailableError, match="connection refused"):
            store.get("log/0.json")
    finally:
        durable_s3.start()
    assert not store.put_if_absent("log/0.json", b"new")
    assert store.get("log/0.json") == b"kept"


def test_a_call_that_began_while_the_server_was_away_succeeds_when_it_is_back(durable_s3: S3Server) -> None:
    store = open_store(durable_s3.new_bucket(), durable_s3.options)
    durable_s3.kill()
    with ThreadPoolExecutor(1) as pool:
        try:
            writing = pool.submit(store.put_if_absent, "log/0.json", b"late")
        finally:
            durable_s3.start()
        assert writing.result(30)
    assert store.get("log/0.json") == b"late"
