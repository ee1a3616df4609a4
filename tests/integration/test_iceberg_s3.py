"""Curated tables whose files and metadata lie in S3, and what is said where they cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from ray_pipeline.config import PipelineConfig
from ray_pipeline.connectors.iceberg.catalog import CuratedCatalog, open_catalog
from ray_pipeline.errors import FileCorruptError, LakeError, UsageError
from tests.curated import config, land, plain, rows
from tests.servers.s3 import KEY, REGION, SECRET, S3Server

pytestmark = pytest.mark.s3


@pytest.fixture
def settings(s3_server: S3Server, tmp_path: Path) -> PipelineConfig:
    """A store in S3, and a catalog that stands for any database."""
    catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db"}
    return config(tmp_path, f"{s3_server.new_bucket()}/lake", store_options=s3_server.options, catalog=catalog)


@pytest.fixture
def catalog(settings: PipelineConfig) -> Iterator[CuratedCatalog]:
    with open_catalog(settings) as catalog:
        yield catalog


def test_landed_files_in_s3_are_published_and_read_by_another_engine(
    settings: PipelineConfig, catalog: CuratedCatalog, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")
    table = catalog.ensure("departures", rows(1).schema, "at")
    days = [rows(day) for day in (1, 2)]
    snapshot = table.publish(0, [land(settings, f"day-{i}", day) for i, day in enumerate(days)], {}, days[0].schema)
    table.publish(1, [land(settings, "day-3", rows(3))], {})
    assert table.info()["metadata"].startswith(f"{settings.store}/flights/_gate/_warehouse/departures/metadata/")
    assert all(uri.startswith(f"{settings.store}/flights/data/") for uri, _ in table.files())
    assert [row[0] for row in plain(table.scan(snapshot))] == [row[0] for row in plain(table.scan())][:8]
    options = {
        "s3.endpoint": s3_server.endpoint,
        "s3.access-key-id": KEY,
        "s3.secret-access-key": SECRET,
        "s3.region": REGION,
    }
    for reader in ("native", "pyiceberg"):
        read = pl.scan_iceberg(table.info()["metadata"], storage_options=options, reader_override=reader)
        assert read.filter(pl.col("_offset") < 30).collect().height == 8
    native = pl.scan_iceberg(table.info()["metadata"], storage_options=options, reader_override="native")
    assert plain(native.collect().to_arrow()) == plain(table.scan())


def test_a_catalog_that_was_lost_finds_its_tables_in_s3(settings: PipelineConfig, tmp_path: Path) -> None:
    with open_catalog(settings) as catalog:
        catalog.ensure("departures", rows(1).schema, "at").publish(
            0, [land(settings, "one", rows(1))], {}, rows(1).schema
        )
    (tmp_path / "catalog.db").unlink()
    with open_catalog(settings) as catalog:
        assert catalog.table("departures") is None
        assert catalog.ensure("departures", rows(1).schema, "at").info()["rows"] == 4


def test_a_missing_file_is_named_by_its_address(settings: PipelineConfig, catalog: CuratedCatalog) -> None:
    table = catalog.ensure("departures", rows(1).schema, "at")
    with pytest.raises(FileCorruptError, match=r"lake/none\.parquet: is missing"):
        table.publish(0, [f"{settings.store}/none.parquet"], {})


def test_a_store_that_went_away_is_named_without_its_credential(
    durable_s3: S3Server, settings: PipelineConfig, catalog: CuratedCatalog
) -> None:
    table = catalog.ensure("departures", rows(1).schema, "at")
    uri = land(settings, "one", rows(1))
    durable_s3.kill()
    try:
        with pytest.raises(LakeError) as raised:
            table.publish(0, [uri], {}, rows(1).schema)
    finally:
        durable_s3.start()
    assert raised.value.retryable
    assert SECRET not in str(raised.value) and KEY not in str(raised.value)
    table.publish(0, [uri], {}, rows(1).schema)
    assert table.info()["rows"] == 4


def test_a_refused_credential_is_no_passing_trouble(s3_server: S3Server, tmp_path: Path) -> None:
    options = {**s3_server.options, "secret": "not-the-secret"}
    catalog = {"type": "sql", "uri": f"sqlite:///{tmp_path}/catalog.db"}
    refused = config(tmp_path, f"{s3_server.new_bucket()}/lake", store_options=options, catalog=catalog)
    with open_catalog(refused) as opened, pytest.raises(LakeError) as raised:
        opened.ensure("departures", rows(1).schema, "at")
    assert not raised.value.retryable
    assert "not-the-secret" not in str(raised.value)


def test_a_store_in_s3_without_a_catalog_is_asked_for_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write catalog: \{type: rest"):
        open_catalog(config(tmp_path, "s3://bucket/lake"))
