"""A Parquet file that somebody hands in, one column at a time: refused first where it is not to be trusted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.lake.parquet_claims import refuse_claims
from ray_pipeline.lake.rows import HEADERS_FIELD, OUR_FIELDS
from ray_pipeline.lake.safe_parquet import MAX_UNPACKED, open_footer, read_batches

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
        refuse_claims(metadata, name, path.stat().st_size)
        texts = [
            one.name for one in file.schema_arrow if pa.types.is_string(one.type) or pa.types.is_large_string(one.type)
        ]
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        chunks = [group.column(i) for group in groups for i in range(group.num_columns)]
        small = any(_PREFIXED in one.encodings for one in chunks if one.physical_type == _TEXT)
        yield ParquetColumns(open_footer(source, name, texts), name, small=small)
