"""Parquet bytes of a table, as every reader and table format takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq


def encode_parquet(table: pa.Table, metadata: Mapping[str, bytes] | None = None) -> bytes:
    """Return the table as one Parquet file: zstd, statistics, the Arrow schema kept.

    ``metadata`` goes into the footer beside the schema, not into it: a reader's columns are the same with and without.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd", version="2.6", write_statistics=True) as writer:
        writer.write_table(table)
        if metadata:
            writer.add_key_value_metadata(dict(metadata))
    return cast("bytes", sink.getvalue().to_pybytes())


def decode_parquet(data: bytes) -> pa.Table:
    """Return the table that the bytes hold. Check their SHA-256 first: hostile Parquet is not for plain readers."""
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
