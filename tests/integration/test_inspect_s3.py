"""The inspection lane over S3, and as a Ray Data job."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.connectors.object_store.reading import open_files
from ray_pipeline.errors import FileCorruptError, StoreDeniedError, StoreUnavailableError, UsageError
from ray_pipeline.runtime.jobs import inspect_reading
from ray_pipeline.runtime.jobs.inspect import inspect_path
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.types import Outcome
from tests.servers.s3 import S3Server
from tests.unit.runtime.inspected import AT, CONTRACT, Delivery, by_check, vendor_rows

s3 = pytest.mark.s3


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(CONTRACT)
    return path


def _put(server: S3Server, url: str, name: str, content: pa.Table | bytes, **options: Any) -> None:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if isinstance(content, pa.Table):
        sink = io.BytesIO()
        pq.write_table(content, sink, **options)
        content = sink.getvalue()
    server.client().put_object(Bucket=bucket, Key=f"{prefix}/{name}" if prefix else name, Body=content)


@s3
def test_a_prefix_is_judged_as_a_folder_is(s3_server: S3Server, contract: Path) -> None:
    url = f"{s3_server.new_bucket()}/from vendor"
    _put(s3_server, url, "day=1/part 0.parquet", vendor_rows(30, amount=[None] + [1.0] * 29), row_group_size=7)
    _put(s3_server, url, "day=1/_SUCCESS", b"")
    _put(s3_server, url, "day=2/bad.parquet", b"PAR1 not")
    _put(s3_server, f"{url} 2", "other.parquet", vendor_rows(5))
    report = inspect_path(url, contract, options=s3_server.options, at=AT)
    (result,) = report.datasets
    assert (result.topic, result.new_rows) == (url, 30)
    assert result.problems == ("day=2/bad.parquet: is no readable Parquet file (it has no footer)",)
    found = by_check(result)["2026-01-01", "amount.nullValues"]
    assert found.examples == (RowRef("day=1/part 0.parquet", -1, 0),)
    assert report.outcome is Outcome.UNKNOWN
    assert "1 other file: day=1/_SUCCESS" in {one.what for one in result.not_judged}


@s3
def test_one_object_is_judged_by_its_address(s3_server: S3Server, contract: Path) -> None:
    url = s3_server.new_bucket()
    _put(s3_server, url, "in/part-0", vendor_rows(3))
    report = inspect_path(f"{url}/in/part-0", contract, options=s3_server.options, at=AT)
    assert (report.datasets[0].new_rows, report.datasets[0].problems) == (3, ())


@s3
def test_only_the_ranges_that_are_needed_are_read(s3_server: S3Server) -> None:
    url = s3_server.new_bucket()
    _put(s3_server, url, "a", bytes(range(256)) * 4096)
    file = open_files(url, s3_server.options).open("a")
    assert file.seek(-3, 2) == 256 * 4096 - 3
    assert file.read(10) == b"\xfd\xfe\xff"
    file.seek(256 * 100 + 7)
    assert file.read(2) == b"\x07\x08"
    with pytest.raises(FileCorruptError, match="is no longer there"):
        open_files(url, s3_server.options).open("b")


@s3
def test_nothing_at_a_prefix_was_asked_wrongly(s3_server: S3Server, contract: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing lies below s3://.*/absent"):
        inspect_path(f"{s3_server.new_bucket()}/absent", contract, options=s3_server.options)


@s3
def test_a_bucket_that_is_absent_and_a_wrong_secret_are_said(s3_server: S3Server, contract: Path) -> None:
    with pytest.raises(StoreDeniedError, match="the bucket does not exist"):
        inspect_path("s3://not-there-at-all/x", contract, options=s3_server.options)
    if s3_server.kind == "versitygw":  # moto believes everybody
        wrong = {**s3_server.options, "secret": "wrong"}
        with pytest.raises(StoreDeniedError, match="the secret does not fit"):
            inspect_path(s3_server.new_bucket(), contract, options=wrong)


def test_without_a_credential_and_without_a_server_it_is_one_sentence(
    contract: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreDeniedError, match="no usable credential was found"):
        inspect_path("s3://bucket/x", contract, options={"endpoint_url": "http://127.0.0.1:9"})
    monkeypatch.setattr("ray_pipeline.connectors.object_store.s3._RETRY", {"max_retries": 0})
    with pytest.raises(StoreUnavailableError, match="connection refused"):
        inspect_path("s3://bucket/x", contract, options={"endpoint_url": "http://127.0.0.1:9", "anon": "true"})
    with pytest.raises(UsageError, match="must not hold a credential"):
        inspect_path("s3://key:secret@bucket/x", contract)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")  # Ray Data warns itself of its own settings
@pytest.mark.usefixtures("local_ray")
def test_a_ray_data_pass_finds_what_this_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_reading, "PIECE_BYTES", 1)
    delivery = Delivery(tmp_path)
    rows = vendor_rows(
        90, amount=[None if i % 9 == 0 else 1.0 for i in range(90)], order_id=[str(i % 80) for i in range(90)]
    )
    delivery.put("a.parquet", rows.slice(0, 50), row_group_size=10)
    delivery.put("b.parquet", rows.slice(50), row_group_size=10)
    delivery.put("c.parquet", b"no")
    steps = []
    (here,) = inspect_path(str(delivery.folder), delivery.contract, at=AT).datasets
    (there,) = inspect_path(
        str(delivery.folder), delivery.contract, at=AT, local_bytes=0, on_progress=lambda it: steps.append(it)
    ).datasets
    assert there == here
    assert by_check(here)["2026-01-04", "primaryKey"].value == 10.0
    assert (steps[-1].files, steps[-1].of, steps[-1].rows) == (9, 9, 90)
