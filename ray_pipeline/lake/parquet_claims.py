"""What a Parquet file's footer claims, compared with its bytes: what so few bytes cannot hold is refused unread."""

from __future__ import annotations

import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError

from .safe_parquet import MAX_UNPACKED

_FEW_VALUES = 1_000_000
_VALUES_PER_BYTE = 64
"""Real rows need more than the eighth of a bit each."""
SMALL_BYTES, MOST_RATIO = 256 << 20, 1_000
"""A row group may unpack to so many bytes without a question, and beyond them to so many times its own."""


def refuse_claims(metadata: pq.FileMetaData, name: str, size: int) -> None:
    """Raise ``FileCorruptError`` where the footer promises what the file's bytes cannot hold."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = metadata.num_rows
    if rows < 0 or any(group.num_rows < 0 for group in groups) or sum(group.num_rows for group in groups) != rows:
        raise FileCorruptError(name, "its footer contradicts itself about the number of rows")
    if rows > _FEW_VALUES and rows > _VALUES_PER_BYTE * size:
        raise FileCorruptError(name, f"claims {rows:,} rows in {size:,} bytes, which no real rows need so little of")
    for group in groups:
        columns = [group.column(i) for i in range(group.num_columns)]
        packed = sum(column.total_compressed_size for column in columns)
        unpacked = max(group.total_byte_size, sum(column.total_uncompressed_size for column in columns))
        if any(column.total_compressed_size < 0 or column.total_uncompressed_size < 0 for column in columns):
            raise FileCorruptError(name, "claims a negative size")
        if packed > size:
            raise FileCorruptError(name, f"claims {packed:,} bytes in a row group, and has {size:,}")
        if unpacked > MAX_UNPACKED or (unpacked > SMALL_BYTES and unpacked > MOST_RATIO * packed):
            raise FileCorruptError(name, f"claims to unpack {packed:,} bytes to {unpacked:,}")
        most = max((column.num_values for column in columns), default=0)
        if most > _FEW_VALUES and most > _VALUES_PER_BYTE * size:
            raise FileCorruptError(name, f"claims {most:,} values in {size:,} bytes")
