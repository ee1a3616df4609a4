"""Read Parquet that anybody may have written, in pieces and in bounded memory.

Nobody's log says what such a file holds, so its footer's claims are compared with its bytes: rows, values and unpacked
bytes that so few bytes cannot hold are refused before a row is read. Texts that the file has as a dictionary are read
as one and unpacked a little at a time: a megabyte of text that a million rows refer to is a terabyte otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.connectors.object_store.reading import Files
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.parquet_claims import MOST_RATIO, SMALL_BYTES, refuse_claims
from ray_pipeline.lake.safe_parquet import open_footer

from .inspect_columns import FileColumns, as_landed, columns_of

PIECE_BYTES = 64 << 20
"""What one piece of a file has, roughly: whole row groups."""
BATCH_BYTES = 32 << 20
BATCH_ROWS = 65_536
DECODED_BYTES = 128 << 20
"""Texts of one batch, unpacked."""

_PREFIXED_ROWS = 1_024
_PREFIXED = "DELTA_BYTE_ARRAY"
"""An encoding in which a text may stand for all of the one before: read a few rows at a time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring row groups of one file."""

    name: str
    file: int
    """The number of its file among all that are judged, by name."""
    number: int
    groups: tuple[int, ...]
    first_row: int
    """The number of its first row within the file, from 0."""
    rows: int
    bytes: int
    """In the file."""
    of_groups: int
    of_size: int
    """How many row groups and bytes the whole file had when the pieces were cut."""


def cut_pieces(files: Files, number: int, name: str, contract: DataContract) -> tuple[list[Piece], FileColumns]:
    """Return a file's pieces from its footer, and what its columns are.

    Raises ``FileCorruptError`` for a file that is not to be trusted or has a column of another type.
    """
    parquet, size = _open(files, name)
    columns = columns_of(parquet.schema_arrow, contract, name)
    metadata = parquet.metadata
    pieces: list[Piece] = []
    groups: list[int] = []
    first = rows = weight = 0
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        groups.append(i)
        rows += group.num_rows
        weight += _compressed(group)
        if weight >= PIECE_BYTES or i == metadata.num_row_groups - 1:
            pieces.append(
                Piece(name, number, len(pieces), tuple(groups), first, rows, weight, metadata.num_row_groups, size)
            )
            groups, first, rows, weight = [], first + rows, 0, 0
    return [piece for piece in pieces if piece.rows], columns


def read_piece(
    files: Files,
    piece: Piece,
    contract: DataContract,
    columns: Sequence[str] | None = None,
    *,
    wanted: Callable[[int, int], bool] = lambda _first, _rows: True,
) -> Iterator[tuple[pa.Table, int]]:
    """Yield the rows as the contract lands them, and the number of the first of them within the file.

    ``columns`` are some of the contract's; without it all are read, and those that a closed contract forbids. Beside
    them come the columns of ours that say in which order the rows came (``ORDER``), where the file has them.
    ``wanted(first, rows)`` says whether a row group has to be read at all.
    """
    parquet, size = _open(files, piece.name, texts_as_dictionaries=True)
    metadata = parquet.metadata
    if (metadata.num_row_groups, size) != (piece.of_groups, piece.of_size):
        raise FileCorruptError(piece.name, "was changed while it was read")
    there = columns_of(parquet.schema_arrow, contract, piece.name)
    schema = contract.landing_schema
    if columns is not None:
        schema = pa.schema([field for field in schema if field.name in columns])
    names = [name for name in there.known if name in schema.names]
    extra = (*(() if columns is not None else there.forbidden), *there.ours)
    truncate = contract.sub_microseconds == "truncate"
    first = piece.first_row
    unpacked = 0
    for i in piece.groups:
        rows = metadata.row_group(i).num_rows
        if rows and wanted(first, rows):
            seen = 0
            for batch, texts in _batches(parquet, i, [*names, *extra], piece.name):
                unpacked += texts
                if unpacked > SMALL_BYTES and unpacked > MOST_RATIO * piece.bytes:
                    raise FileCorruptError(piece.name, f"unpacks {piece.bytes:,} bytes to more than {unpacked:,}")
                landed = as_landed(batch, schema, piece.name, truncate=truncate)
                for name in extra:
                    landed = landed.append_column(name, batch.column(name))
                yield landed, first + seen
                seen += batch.num_rows
            if seen != rows:
                raise FileCorruptError(piece.name, f"holds {seen} rows where its footer says {rows}")
        first += rows


def _open(files: Files, name: str, *, texts_as_dictionaries: bool = False) -> tuple[pq.ParquetFile, int]:
    source = files.open(name)
    size = int(source.seek(0, 2) or source.tell())
    parquet = open_footer(source, name)
    refuse_claims(parquet.metadata, name, size)
    if texts_as_dictionaries and (texts := _dictionaries(parquet.metadata)):
        parquet = open_footer(source, name, texts)
    return parquet, size


def _dictionaries(metadata: pq.FileMetaData) -> list[str]:
    """Return the paths of the texts that some row group has as a dictionary."""
    found: dict[str, None] = {}
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        for j in range(group.num_columns):
            column = group.column(j)
            if column.physical_type == "BYTE_ARRAY" and any("DICTIONARY" in one for one in column.encodings):
                found[column.path_in_schema] = None
    return list(found)


def _compressed(group: Any) -> int:
    return sum(group.column(i).total_compressed_size for i in range(group.num_columns))


def _batches(parquet: pq.ParquetFile, group: int, columns: list[str], name: str) -> Iterator[tuple[pa.Table, int]]:
    """Yield the rows of a group, and how many bytes more the texts that come with them have once they are unpacked."""
    about = parquet.metadata.row_group(group)
    rows = about.num_rows
    if not columns:  # a file of rows, none of whose columns is asked for
        for start in range(0, rows, BATCH_ROWS):
            yield pa.table({"": pa.nulls(min(BATCH_ROWS, rows - start))}), 0
        return
    size = max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(1, about.total_byte_size)))
    if any(_PREFIXED in about.column(i).encodings for i in range(about.num_columns)):
        size = min(size, _PREFIXED_ROWS)
    try:
        for batch in parquet.iter_batches(batch_size=size, row_groups=[group], columns=columns):
            table = pa.Table.from_batches([batch])
            texts = sum(_unpacked(column) for column in batch.columns)
            for part in _parts(table, -(-texts // DECODED_BYTES)):
                yield part, texts
                texts = 0
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileCorruptError(name, f"its rows cannot be read ({_first_line(error)})") from error


def _parts(table: pa.Table, count: int) -> Iterator[pa.Table]:
    rows = max(1, table.num_rows // max(1, count))
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows)


def _unpacked(array: pa.Array) -> int:
    """Return how many bytes the dictionaries in an array unpack to."""
    if pa.types.is_dictionary(array.type):
        lengths = pc.binary_length(array.dictionary)
        longest = pc.max(lengths).as_py() or 0
        if longest * len(array) <= DECODED_BYTES // 8:
            return int(longest * len(array))
        return int(pc.sum(lengths.cast(pa.int64()).take(array.indices)).as_py() or 0)
    if pa.types.is_struct(array.type):
        return sum(_unpacked(child) for child in array.flatten())
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        return _unpacked(array.flatten())
    return 0


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
