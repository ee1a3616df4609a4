"""A shop in which one day is published and a second one lands, and how it looks before and after that one."""

from __future__ import annotations

import duckdb
import polars as pl

from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.sla.result import DatasetResult
from tests.gate_shop import Shop, order

BEFORE = ["o0", "o1", "o2", "o3"]
SECOND = "2026-03-02"


def land_first(shop: Shop) -> None:
    """Four rows that hold, and one that breaks a rule."""
    shop.land("orders", [*(order(i) for i in range(4)), order(4, amount=-1.0)])


def land_second(shop: Shop) -> None:
    shop.land("orders", [*(order(i, day=2) for i in range(10, 13)), order(13, day=2, amount=-1.0)])


def check_before(shop: Shop) -> None:
    """The first snapshot is what other engines read."""
    table = open_pipeline(shop.config).curated("orders")
    assert table is not None
    assert shop.published() == BEFORE
    assert sorted(pl.scan_iceberg(table.info()["metadata"]).collect()["order_id"]) == BEFORE
    assert counted(shop) == len(BEFORE)


def check_done(shop: Shop) -> None:
    assert shop.published() == [*BEFORE[:2], "o10", "o11", "o12", *BEFORE[2:]]
    assert shop.quarantined() == {"o4": ["positive"], "o13": ["positive"]}
    shop.check_books()
    assert shop.breaches() == []
    assert counted(shop) == len(BEFORE) + 3


def counted(shop: Shop) -> int:
    table = open_pipeline(shop.config).curated("orders")
    assert table is not None
    files = [uri for uri, _ in table.files()]
    ((rows,),) = duckdb.execute(f"SELECT count(*) FROM read_parquet({files}, union_by_name=true)").fetchall()
    return int(rows)


def sentence(found: DatasetResult) -> str:
    """Return what kept the gate from its work: one sentence, of one line."""
    (problem,) = found.problems
    assert "\n" not in problem
    assert "Traceback" not in problem
    return problem
