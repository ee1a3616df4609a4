"""The curated tables, counted by engines that this package did not write."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from polars.exceptions import PerformanceWarning

if TYPE_CHECKING:
    from ray_pipeline.connectors.iceberg.table import CuratedTable


@dataclass(frozen=True, slots=True)
class ReadBack:
    """How many different records each engine finds in a table."""

    polars: int
    """By its own Iceberg reader, from the table's metadata."""
    duckdb: int
    """From the data files that the table's plan names."""


def read_back(table: CuratedTable | None) -> ReadBack:
    """Count a table's records by their partition and offset: a record that is there twice counts once."""
    if table is None:
        return ReadBack(0, 0)
    return ReadBack(_by_polars(table.info()["metadata"]), _by_duckdb([uri for uri, _ in table.files()]))


def _by_polars(metadata: str) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PerformanceWarning)  # it would plan faster with a package of its own
        rows = pl.scan_iceberg(metadata, reader_override="native")
        return int(rows.select(pl.struct("_partition", "_offset").n_unique()).collect().item())


def _by_duckdb(files: list[str]) -> int:
    import duckdb

    if not files:
        return 0
    with duckdb.connect() as database:
        found = database.execute(
            "SELECT count(*) FROM (SELECT DISTINCT _partition, _offset FROM read_parquet($files))", {"files": files}
        ).fetchone()
    return int(found[0]) if found else 0
