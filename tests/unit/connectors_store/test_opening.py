"""Which address opens which store."""

from __future__ import annotations

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.connectors.object_store import filesystem, open_store
from ray_pipeline.connectors.object_store.opening import _s3fs_arguments
from ray_pipeline.connectors.object_store.s3 import _addressing
from ray_pipeline.errors import UsageError

KEYS = {"key": "canaryid", "secret": "canarysecret", "token": "canarytoken"}


@pytest.mark.parametrize(
    ("url", "root"),
    [("/srv/lake", "/srv/lake"), ("file:///srv/lake", "/srv/lake"), ("file://localhost/srv/a%20b", "/srv/a b")],
)
def test_a_folder_is_opened_by_path_or_file_address(url: str, root: str) -> None:
    store = open_store(url)
    assert store.url == root
    assert store.uri("a/b.parquet") == f"{root}/a/b.parquet"


def test_a_relative_folder_counts_from_the_current_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("./lake").url == str(tmp_path / "lake")


def test_an_s3_address_is_opened_without_a_request() -> None:
    store = open_store("s3://bucket/a/b/", {**KEYS, "endpoint_url": "http://127.0.0.1:1"})
    assert store.url == "s3://bucket/a/b"
    assert store.uri("c") == "s3://bucket/a/b/c"


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("gs://bucket/x", {}, "gs:// is not a store that is known here"),
        ("az://box/x", {}, "az:// is not a store"),
        ("https://host/x", {}, "https:// is not a store"),
        ("file://host/x", {}, "file:// takes an absolute path"),
        ("s3://", {}, "is no bucket"),
        ("s3://UPPER/x", {}, "is no bucket"),
        ("s3://canary:canary@bucket", {}, "must not hold a credential"),
        ("s3://bucket/../x", {}, "the prefix may have"),
        ("s3://bucket/x?y=1", {}, "the prefix may have"),
        ("s3://bucket", {"endpoint": "canary"}, "store_options.endpoint: unknown option; did you mean endpoint_url?"),
        ("s3://bucket", {"client_kwargs": {"regionname": "canary"}}, "did you mean client_kwargs.region_name?"),
        ("s3://bucket", {"key": "canary"}, "key: needs secret beside it"),
        ("s3://bucket", {"endpoint_url": "127.0.0.1:canary"}, "must be http://host:port"),
        ("s3://bucket", {"endpoint_url": "http://canary:canary@host"}, "must not hold a credential"),
        ("s3://bucket", {"anon": "canary"}, "anon: must be true or false"),
        ("s3://bucket", {"key": ["canary"]}, "key: must be text"),
        ("/srv", {"key": "canary"}, "a folder takes no options"),
        ("", {}, "must name a folder"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_sentence(url: str, options: dict[str, object], says: str) -> None:
    for opening in (open_store, filesystem):
        with pytest.raises(UsageError) as caught:
            opening(url, options)
        assert says in str(caught.value)
        assert "canary" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_no_repr_shows_a_secret() -> None:
    store = open_store("s3://bucket", KEYS)
    inside = [repr(value) for value in vars(store).values()]
    assert "canary" not in f"{store!r} {store!s} {inside}"


def test_dotted_and_nested_options_reach_s3fs_alike() -> None:
    dotted = {"client_kwargs.region_name": "eu-west-1", "config_kwargs.s3.addressing_style": "path", "anon": "true"}
    arguments = _s3fs_arguments({**dotted, "region": "eu-west-1"})
    assert arguments["client_kwargs"] == {"region_name": "eu-west-1"}
    assert arguments["config_kwargs"]["s3"] == {"addressing_style": "path"}
    assert arguments["config_kwargs"]["connect_timeout"] == 5
    assert arguments["anon"] is True


@pytest.mark.parametrize(
    ("bucket", "endpoint", "style", "expected"),
    [
        ("bucket", None, "auto", {"virtual_hosted_style_request": True}),
        ("my.bucket", None, "auto", {"virtual_hosted_style_request": False}),
        ("bucket", "http://h:9/", "auto", {"virtual_hosted_style_request": False, "endpoint": "http://h:9"}),
        ("bucket", "https://h", "virtual", {"virtual_hosted_style_request": True, "endpoint": "https://bucket.h"}),
    ],
)
def test_the_bucket_stands_where_the_server_expects_it(
    bucket: str, endpoint: str | None, style: str, expected: dict[str, object]
) -> None:
    assert _addressing(bucket, endpoint, {"config_kwargs.s3.addressing_style": style}) == expected


def test_a_local_file_system_reads_what_the_store_names(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    store.put("data/0.parquet", sink.getvalue().to_pybytes())
    files = filesystem(str(tmp_path))
    assert pq.read_table(store.uri("data/0.parquet"), filesystem=files)["a"].to_pylist() == [1]


def test_a_store_travels_to_another_process() -> None:
    for store in (open_store("/srv/lake"), open_store("s3://bucket/x", KEYS), open_store("s3://bucket/x")):
        assert pickle.loads(pickle.dumps(store)).url == store.url
