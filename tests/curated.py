"""Rows, files and configurations for tests of curated tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.config import PipelineConfig
from ray_pipeline.connectors.object_store import open_store
from ray_pipeline.lake.parquet import encode_parquet
from ray_pipeline.lake.rows import HEADERS, TIMESTAMP

MOMENT = pa.timestamp("us", tz="UTC")
STOPS = pa.list_(pa.struct([pa.field("at", MOMENT), pa.field("note", pa.string())]))
PLACE = pa.struct(
    [pa.field("name", pa.string()), pa.field("deep", pa.struct([pa.field("tags", pa.list_(pa.string()))]))]
)


def rows(day: int, more: Mapping[str, pa.Array] | None = None) -> pa.Table:
    """Four rows of one January day, as ingest lands them: every kind of column, nulls at every depth."""
    base = datetime(2013, 1, day, 5, 17, 3, 456789, tzinfo=UTC)
    moments = [base + timedelta(hours=hour) for hour in range(4)]
    columns = {
        "at": pa.array(moments, MOMENT),
        "born": pa.array([date(2013, 1, day), None, date(1969, 12, 31), date(1, 1, 1)], pa.date32()),
        "seats": pa.array([day, None, -1, 2**31 - 1], pa.int32()),
        "miles": pa.array([2**40, 0, None, -(2**63)], pa.int64()),
        "delay": pa.array([1.5, float("-inf"), None, -0.0], pa.float64()),
        "late": pa.array([True, None, False, True], pa.bool_()),
        "price": pa.array([Decimal("1.23"), None, Decimal("-99999999.99"), Decimal(0)], pa.decimal128(10, 2)),
        "tail": pa.array(["N1", "", None, "Ä" * 40], pa.string()),
        "place": pa.array(
            [
                {"name": "JFK", "deep": {"tags": ["a", None]}},
                None,
                {"name": None, "deep": None},
                {"name": "", "deep": {"tags": None}},
            ],
            PLACE,
        ),
        "stops": pa.array([[{"at": base, "note": "x"}, None], [], None, [{"at": None, "note": None}]], STOPS),
        "codes": pa.array([[1, None], [], None, [2]], pa.list_(pa.int32())),
        "far": pa.array([253402300800000000, None, -70000000000000000, 0], MOMENT),
        "_offset": pa.array([day * 10 + i for i in range(4)], pa.int64()),
        "_timestamp": pa.array([m.replace(microsecond=456000) for m in moments[:3]] + [None], TIMESTAMP),
        "_key": pa.array([b"\x00\xff", None, b"", b"k"], pa.binary()),
        "_headers": pa.array([[{"key": "a", "value": b"1"}, {"key": "a", "value": None}], [], None, []], HEADERS),
    }
    return pa.table({**columns, **(more or {})})


def config(folder: Path, store: str | None = None, **more: Any) -> PipelineConfig:
    """A pipeline over a store; nothing but its catalog is ever opened."""
    folder.mkdir(parents=True, exist_ok=True)
    contract = folder / "contract.yaml"
    contract.touch()
    return PipelineConfig(
        pipeline="flights",
        kafka={"bootstrap.servers": "127.0.0.1:1"},
        store=store or str(folder / "lake"),
        datasets={"departures": {"contract": contract}},
        **more,
    )


def land(config: PipelineConfig, name: str, table: pa.Table, **options: Any) -> str:
    """Write a file as ingest does, or as ``options`` of pyarrow say; return its address."""
    store = open_store(config.store, config.store_options)
    key = f"flights/data/departures/00000/{name}.parquet"
    store.put(key, encode(table, **options) if options else encode_parquet(table))
    return store.uri(key)


def encode(table: pa.Table, **options: Any) -> bytes:
    """Return Parquet bytes as somebody else may write them."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **options)
    return bytes(sink.getvalue().to_pybytes())


def footer(table: pa.Table, **options: Any) -> pq.FileMetaData:
    """Return the footer of such a file."""
    return pq.read_metadata(pa.BufferReader(encode(table, **options)))


def plain(table: pa.Table) -> list[tuple[Any, ...]]:
    """Return the rows in order of offset, in Python's types whatever a reader gives, moments as integers."""
    table = table.sort_by("_offset")
    return list(zip(*(_values(table.column(name)) for name in sorted(table.column_names)), strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        return list(column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist())
    return list(column.to_pylist())
