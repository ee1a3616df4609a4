"""Open a Parquet file that somebody may have made to hurt: refuse first, read afterwards.

An Arrow extension type in a file is an order to run code: with Ray imported, reading a column of
``ray.data.arrow_pickled_object`` unpickles it. We write none, so a file that has one, at any depth, is not ours. And a
footer can claim a billion rows in a kilobyte: its claims are compared with the log entry before a row is read.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile

MAX_UNPACKED = 4 << 30
"""Bytes that one file may claim to unpack to; ours hold a checkpoint's worth of one day."""
BATCH_BYTES = 32 << 20
BATCH_ROWS = 16_384

_TRAILER = 8
_MAX_FOOTER = 64 << 20
_EXTENSION_MARK = b"ARROW:extension:name"
_NOT_OURS = "an extension type, which this package never writes"


def open_parquet(source: Any, key: str, rows: int) -> pq.ParquetFile:
    """Return the file, of which only the footer was read; raise ``FileCorruptError`` where it is not to be trusted."""
    file = open_footer(source, key)
    _refuse_claims(file.metadata, key, rows)
    return file


def open_footer(source: Any, key: str, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Return the file without a look at what its footer claims: whoever has no log entry compares it with the bytes.

    Columns in ``dictionaries`` are read as dictionaries, so that one long text costs no more than once.
    """
    try:
        if _names_extension(_footer(source)):
            raise FileCorruptError(key, f"its schema holds {_NOT_OURS}")
        source.seek(0)
        file = pq.ParquetFile(source, read_dictionary=list(dictionaries))
        schema = file.schema_arrow
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileCorruptError(key, f"is no readable Parquet file ({_first_line(error)})") from error
    refuse_foreign_types(schema, key)
    return file


def open_verified(content: bytes | None, file: DataFile) -> pq.ParquetFile:
    """Return the file that an entry names, from its bytes; none of them is parsed before their SHA-256 is right."""
    if content is None:
        raise FileCorruptError(file.key, "is missing")
    if len(content) != file.bytes:
        raise FileCorruptError(file.key, f"has {len(content)} bytes, its entry says {file.bytes}")
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise FileCorruptError(file.key, "its SHA-256 is not that of its entry")
    return open_parquet(pa.BufferReader(content), file.key, file.rows)


def read_batches(
    file: pq.ParquetFile, key: str, columns: Sequence[str] | None = None, *, rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    """Yield the rows in order, at most ``rows`` at a time, fewer where they are large."""
    metadata = file.metadata
    if metadata.num_rows == 0:
        return
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    size = max(1, min(rows, BATCH_BYTES * metadata.num_rows // max(1, unpacked)))
    try:
        for batch in file.iter_batches(batch_size=size, columns=None if columns is None else list(columns)):
            yield pa.Table.from_batches([batch]).replace_schema_metadata()  # a footer is of its own file's rows
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileCorruptError(key, f"its rows cannot be read ({_first_line(error)})") from error


def refuse_foreign_types(schema: pa.Schema, key: str) -> None:
    """Raise ``FileCorruptError`` for an extension type, however deep it is nested."""
    for field in schema:
        if _is_foreign(field.type):
            raise FileCorruptError(
                key, f"column {field.name!r} holds an extension type, which this package never writes"
            )


def _footer(source: Any) -> bytes:
    """Return the footer as bytes. pyarrow has no way to it that does not build the types that it names."""
    size = source.seek(0, os.SEEK_END)
    if size < _TRAILER:
        raise ValueError("it is too short")
    source.seek(size - _TRAILER)
    trailer = bytes(source.read(_TRAILER))
    length = int.from_bytes(trailer[:4], "little")
    if trailer[4:] != b"PAR1" or length > min(size - _TRAILER, _MAX_FOOTER):
        raise ValueError("it has no footer")
    source.seek(size - _TRAILER - length)
    return bytes(source.read(length))


def _names_extension(footer: bytes) -> bool:
    """Say whether the Arrow schema in the footer, which lies there in base64, has the mark of an extension type."""
    return _EXTENSION_MARK in footer or any(mark in footer for mark in _MARKS_IN_BASE64)


def _in_base64(text: bytes) -> Iterator[bytes]:
    """Yield what ``text`` looks like within base64, for each of the three ways it can be aligned."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + text)
        whole = (before + len(text)) // 3 * 4  # a group that the text does not fill depends on what follows
        yield encoded[4 if before else 0 : whole]


_MARKS_IN_BASE64 = tuple(_in_base64(_EXTENSION_MARK))


def _refuse_claims(metadata: pq.FileMetaData, key: str, rows: int) -> None:
    if metadata.num_rows != rows:
        raise FileCorruptError(key, f"holds {metadata.num_rows} rows, its log entry says {rows}")
    unpacked = 0
    for i in range(metadata.num_row_groups):
        size = metadata.row_group(i).total_byte_size
        if size < 0:
            raise FileCorruptError(key, "claims a negative size")
        unpacked += size
    if unpacked > MAX_UNPACKED:
        raise FileCorruptError(key, f"claims to unpack to {unpacked} bytes, more than {MAX_UNPACKED}")


def _is_foreign(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return True
    if pa.types.is_dictionary(kind):
        return _is_foreign(kind.value_type)
    return any(_is_foreign(kind.field(i).type) for i in range(kind.num_fields))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
