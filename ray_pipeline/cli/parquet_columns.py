"""A Parquet file that somebody hands in, one column at a time: refused first where it is not to be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.lake.rows import HEADERS_FIELD, OUR_FIELDS
from ray_pipeline.lake.safe_parquet import MAX_UNPACKED, open_footer, read_batches

_FEW_ROWS = 1_000_000
_ROWS_PER_BYTE = 64
"""Real rows need more than the eighth of a bit each."""
_SMALL, _RATIO = 256 << 20, 1_000
"""A row group may unpack to so many bytes without a question, and beyond them to so many times its own."""
_TEXT, _PREFIXED, _PREFIXED_ROWS = "BYTE_ARRAY", "DELTA_BYTE_ARRAY", 1_024


class ParquetColumns:
    """The columns of a file. Those that the lake lands beside the contract's are left out: they differ in any case."""

    def __init__(self, file: pq.ParquetFile, name: str, *, small: bool) -> None:
        self._file, self._name, self._small = file, name, small
        whole: pa.Schema = file.schema_arrow
        ours = {field.name: field.type for field in (*OUR_FIELDS, HEADERS_FIELD)}
        self.schema = pa.schema([field for field in whole if ours.get(field.name) != field.type])
        """Names and types, as far as they are compared."""
        self.left_out = tuple(field.name for field in whole if ours.get(field.name) == field.type)

    @property
    def num_rows(self) -> int:
        """How many rows the footer says there are; reading a column counts them."""
        return int(self._file.metadata.num_rows)

    def column(self, name: str, /) -> pa.ChunkedArray:
        """Read all values of one column."""
        chunks: list[pa.Array] = []
        held = rows = 0
        size = _PREFIXED_ROWS if self._small else 1 << 16
        for batch in read_batches(self._file, self._name, [name], rows=size):
            chunks += batch.column(name).chunks
            held += batch.nbytes
            rows += batch.num_rows
            if held > MAX_UNPACKED:
                raise FileCorruptError(self._name, f"its column {name} unpacks to more than {MAX_UNPACKED:,} bytes")
        if rows != self.num_rows:
            raise FileCorruptError(self._name, f"holds {rows:,} rows where its footer says {self.num_rows:,}")
        return pa.chunked_array(chunks, self.schema.field(name).type)


@contextmanager
def open_columns(path: Path) -> Iterator[ParquetColumns]:
    """Open a Parquet file; ``UsageError`` where there is none, ``FileCorruptError`` where it is not to be trusted."""
    name = str(path)
    try:
        source = path.open("rb")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None
    with source:
        file = open_footer(source, name)
        metadata = file.metadata
        _refuse_claims(metadata, name, path.stat().st_size)
        texts = [
            one.name for one in file.schema_arrow if pa.types.is_string(one.type) or pa.types.is_large_string(one.type)
        ]
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
        small = any(_PREFIXED in one.encodings for one in chunks if one.physical_type == _TEXT)
        yield ParquetColumns(open_footer(source, name, texts), name, small=small)


def _refuse_claims(metadata: pq.FileMetaData, name: str, size: int) -> None:
    """Raise ``FileCorruptError`` where the footer promises what the file's bytes cannot hold."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows = metadata.num_rows
    if rows < 0 or any(group.num_rows < 0 for group in groups) or sum(group.num_rows for group in groups) != rows:
        raise FileCorruptError(name, "its footer contradicts itself about the number of rows")
    if rows > _FEW_ROWS and rows > _ROWS_PER_BYTE * size:
        raise FileCorruptError(name, f"claims {rows:,} rows in {size:,} bytes, which no real rows need so little of")
    for group in groups:
        columns = [group.column(i) for i in range(group.num_columns)]
        packed = sum(column.total_compressed_size for column in columns)
        unpacked = max(group.total_byte_size, sum(column.total_uncompressed_size for column in columns))
        if any(column.total_compressed_size < 0 or column.total_uncompressed_size < 0 for column in columns):
            raise FileCorruptError(name, "claims a negative size")
        if packed > size:
            raise FileCorruptError(name, f"claims {packed:,} bytes in a row group, and has {size:,}")
        if unpacked > MAX_UNPACKED or (unpacked > _SMALL and unpacked > _RATIO * packed):
            raise FileCorruptError(name, f"claims to unpack {packed:,} bytes to {unpacked:,}")
