"""A gate over a lake in S3: the same books, and a table that other engines read there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest

from ray_pipeline.errors import UsageError
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.runtime.curated import curated_info, curated_table
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.types import Outcome
from tests.gate_lake import GateLake
from tests.gate_shop import CUSTOMERS, customer, order, orders_contract
from tests.servers.s3 import S3Server

AT = datetime(2026, 3, 20, tzinfo=UTC)
pytestmark = pytest.mark.s3


def _lake(server: S3Server, folder: Path, *, catalog: bool = True) -> GateLake:
    url = server.new_bucket()
    more = f"store_options: {json.dumps(dict(server.options))}"
    if catalog:
        more += f"\ncatalog: {json.dumps({'type': 'sql', 'uri': f'sqlite:///{folder}/catalog.db', 'warehouse': url})}"
    contracts: dict[str, Path | str] = {"orders": orders_contract(parent=True), "customers": CUSTOMERS}
    lake = GateLake(folder, contracts, more=more, store=url)
    lake.land("customers", [customer("c1", day) for day in (1, 2, 3)], published="2026-03-03T01:00:00Z")
    lake.land("orders", [order(i) for i in range(6)], published="2026-03-01T13:00:00Z")
    lake.land("orders", [order(9, amount=-1), order(10), order(11), order(12)], published="2026-03-01T14:00:00Z")
    return lake


def test_what_holds_is_published_in_s3_and_read_by_others(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # which files; polars' own reader then reads them
    lake = _lake(s3_server, tmp_path)
    report = run_gate(lake.config, at=AT)
    orders = next(one for one in report.datasets if one.dataset == "orders")
    assert (orders.published, orders.quarantined, orders.held, orders.problems) == (9, 1, 0, ())
    assert report.outcome is Outcome.BROKEN
    info = curated_info(lake.config, lake.store, "orders")
    assert (info.rows, info.quarantined, info.held) == (9, 1, 0)
    options = s3_server.options
    storage = {
        "s3.endpoint": options["endpoint_url"],
        "s3.access-key-id": options["key"],
        "s3.secret-access-key": options["secret"],
        "s3.region": "us-east-1",
    }
    rows = pl.scan_iceberg(str(info.metadata), storage_options=storage).collect()
    assert sorted(rows["order_id"]) == sorted(f"o{i}" for i in (*range(6), 10, 11, 12))
    verified = open_pipeline(lake.config).verify()
    assert verified.outcome is Outcome.HELD, str(verified)
    again = run_gate(lake.config, at=AT, run_id=report.run_id)
    assert again.repeated
    assert curated_info(lake.config, lake.store, "orders") == info


def test_the_files_of_the_table_are_those_that_landed_or_were_rewritten(s3_server: S3Server, tmp_path: Path) -> None:
    lake = _lake(s3_server, tmp_path)
    run_gate(lake.config, at=AT)
    table = curated_table(lake.config, "orders")
    assert table is not None
    counted = dict(table.files())
    assert sorted(counted.values()) == [3, 6]
    assert sum("/data/orders/" in uri for uri in counted) == 1
    with duckdb.connect() as db:
        local = []
        for n, uri in enumerate(counted):
            content = lake.store.get(uri.removeprefix(f"{lake.store.url}/"))
            assert content is not None
            (tmp_path / f"{n}.parquet").write_bytes(content)
            local.append(str(tmp_path / f"{n}.parquet"))
        found = db.execute("SELECT count(*), count(DISTINCT _offset) FROM read_parquet(?)", [local]).fetchone()
    assert found == (9, 9)


def test_without_a_catalog_nothing_is_decided_and_the_sentence_says_what_to_write(
    s3_server: S3Server, tmp_path: Path
) -> None:
    lake = _lake(s3_server, tmp_path, catalog=False)
    with pytest.raises(UsageError, match="catalog"):
        run_gate(lake.config, at=AT)
    assert GateLedger(lake.store, "shop", "orders").state().n == -1
