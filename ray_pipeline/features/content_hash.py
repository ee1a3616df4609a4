"""A hash of what a table holds, which no upgrade of Arrow, polars or Parquet changes.

The SHA-256 of a Parquet file changes with its writer, so beside it stands this one, of the values alone:

- a table is its columns in their order; its rows are in their order too;
- ``T(table)  = sha256("ray_pipeline content hash 1" | u64 rows | u64 columns | T(column) …)``;
- ``T(column) = sha256(text(name) | C(values))``, where ``text`` is a u64 length, then UTF-8;
- ``C(values) = text(type) | validity | values``. Validity is a bit per row, the first in the lowest bit of the first
  byte, 1 for a value. What stands in a null's place is nothing: a zero, a length of zero, no item.

========== =================== =========================================================================
type       carried by          values, little-endian
========== =================== =========================================================================
null       null                none
bool       bool                a byte per row
int        int8 … uint64       an i64 per row; unsigned beyond 2^63: type ``uint``, a u64
float      half, float, double an f64 per row; every NaN is 0x7ff8000000000000, -0.0 stays what it is
decimal:S  decimals            text of each unscaled integer, as type text
text       string, large, view a u64 length per row, then all bytes
bytes      binary …            as text
moment     timestamp           an i64 of microseconds per row, UTC; of finer ones ``moment:ns`` and nanoseconds
local      without a zone      as moment
date       date32, date64      an i64 of days per row
time       time32, time64      an i64 of nanoseconds per row
duration   duration            as moment: ``duration`` or ``duration:ns``
list       list …              a u64 length per row, then C(all items)
record     struct              u64 number of fields, then T(field) of each; a null record's fields are null
========== =================== =========================================================================

How a column is stored (chunks, dictionaries, run ends, 32- or 64-bit offsets) means nothing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_HEAD = b"ray_pipeline content hash 1"
_NAN = np.uint64(0x7FF8000000000000)
_MILLIS_PER_DAY = 86_400_000
_NANOS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
Part = bytes | memoryview


def content_hash(table: pa.Table) -> str:
    """Return the hash in hex.

    >>> content_hash(pa.table({"n": [1, None], "s": ["é", ""]}))
    'a14dee4a36f52e696e567064a2e76e219aef96219519ddcf893d5c52127dac8d'
    """
    digest = hashlib.sha256(_HEAD + struct.pack("<QQ", table.num_rows, table.num_columns))
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(_column(name, column))
    return digest.hexdigest()


def column_hashes(table: pa.Table) -> Mapping[str, str]:
    """Return the hash of each column, which says where two tables differ."""
    pairs = zip(table.column_names, table.columns, strict=True)
    return {name: _column(name, column).hex() for name, column in pairs}


def _column(name: str, values: pa.ChunkedArray | pa.Array) -> bytes:
    digest = hashlib.sha256(_text(name))
    for part in _values(_plain(values)):
        digest.update(part)
    return digest.digest()


def _plain(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return one array without what only says how it is stored."""
    if isinstance(values, pa.ChunkedArray):
        kind = values.type
        if not isinstance(kind, pa.DictionaryType):
            array = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], kind)
        else:  # chunks may have dictionaries of their own
            array = pa.concat_arrays(
                [pa.array([], kind.value_type), *[one.dictionary_decode() for one in values.chunks]]
            )
    else:
        array = values
    while True:
        if isinstance(array, pa.ExtensionArray):
            array = array.storage
        elif pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        elif pa.types.is_run_end_encoded(array.type):
            array = pc.run_end_decode(array)
        else:
            return array


def _values(array: pa.Array) -> Iterator[Part]:
    is_ = pa.types
    kind = array.type
    for holds, encode in _ENCODERS:
        if holds(kind):
            yield from encode(array)
            return
    if is_.is_map(kind):  # a list of records of a key and a value
        yield from _lists(array.cast(pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))))
        return
    raise ValueError(f"a column of type {kind} has no content hash")


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _validity(array: pa.Array) -> bytes:
    return np.packbits(array.is_valid().to_numpy(zero_copy_only=False), bitorder="little").tobytes()


def _numbers(kind: str, array: pa.Array, values: npt.NDArray[Any]) -> Iterator[Part]:
    yield _text(kind)
    yield _validity(array)
    yield _raw(values)


def _raw(values: npt.NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(values).view(np.uint8).data


def _filled(array: pa.Array, as_type: pa.DataType) -> npt.NDArray[Any]:
    """Return the numbers with 0 for null."""
    numbers: npt.NDArray[Any] = pc.fill_null(array.cast(as_type), 0).to_numpy(zero_copy_only=False)
    return numbers


def _nulls(array: pa.Array) -> Iterator[Part]:
    yield _text("null")
    yield _validity(array)


def _booleans(array: pa.Array) -> Iterator[Part]:
    return _numbers("bool", array, _filled(array, pa.uint8()))


def _integers(array: pa.Array) -> Iterator[Part]:
    if pa.types.is_uint64(array.type) and (pc.max(array).as_py() or 0) >= 1 << 63:
        return _numbers("uint", array, _filled(array, pa.uint64()).astype("<u8"))
    return _numbers("int", array, _filled(array, pa.int64()).astype("<i8"))


def _floats(array: pa.Array) -> Iterator[Part]:
    numbers = _filled(array, pa.float64()).astype("<f8")
    bits = numbers.view(np.uint64).copy()
    bits[np.isnan(numbers)] = _NAN
    return _numbers("float", array, bits)


def _decimals(array: pa.Array) -> Iterator[Part]:
    kind = array.type
    whole = type_of_width(kind)(kind.precision, 0)
    unscaled = pa.Array.from_buffers(whole, len(array), array.buffers(), offset=array.offset)
    return _texts(unscaled.cast(pa.string()), f"decimal:{kind.scale}")


def type_of_width(kind: pa.DataType) -> Callable[[int, int], pa.DataType]:
    """Return the maker of decimal types of the same width."""
    makers: dict[int, Callable[[int, int], pa.DataType]] = {
        32: pa.decimal32,
        64: pa.decimal64,
        128: pa.decimal128,
        256: pa.decimal256,
    }
    return makers[kind.bit_width]


def _texts(array: pa.Array, kind: str = "text") -> Iterator[Part]:
    large = array.cast(pa.large_binary()) if not pa.types.is_fixed_size_binary(array.type) else _unfixed(array)
    filled = pc.fill_null(large, b"")
    yield _text(kind)
    yield _validity(array)
    yield _raw(pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<u8"))
    _, offsets, data = filled.buffers()
    if len(filled) and data is not None:
        ends = np.frombuffer(offsets, np.int64)[filled.offset : filled.offset + len(filled) + 1]
        yield memoryview(data)[int(ends[0]) : int(ends[-1])]


def _bytes(array: pa.Array) -> Iterator[Part]:
    return _texts(array, "bytes")


def _unfixed(array: pa.Array) -> pa.Array:
    return array.cast(pa.binary()).cast(pa.large_binary())


def _moments(array: pa.Array) -> Iterator[Part]:
    return _instants("local" if array.type.tz is None else "moment", array)


def _durations(array: pa.Array) -> Iterator[Part]:
    return _instants("duration", array)


def _instants(name: str, array: pa.Array) -> Iterator[Part]:
    numbers = _filled(array, pa.int64())
    unit = array.type.unit
    if unit == "ns":
        if (numbers % 1_000).any():
            return _numbers(f"{name}:ns", array, numbers.astype("<i8"))
        return _numbers(name, array, (numbers // 1_000).astype("<i8"))
    factor = _NANOS[unit] // 1_000
    if len(numbers) and np.abs(numbers).max() > np.iinfo(np.int64).max // factor:
        raise ValueError(f"a {name} beyond what microseconds hold has no content hash")
    return _numbers(name, array, (numbers * factor).astype("<i8"))


def _dates(array: pa.Array) -> Iterator[Part]:
    if pa.types.is_date32(array.type):
        return _numbers("date", array, _filled(array.cast(pa.int32()), pa.int64()).astype("<i8"))
    return _numbers("date", array, (_filled(array, pa.int64()) // _MILLIS_PER_DAY).astype("<i8"))


def _times(array: pa.Array) -> Iterator[Part]:
    narrow = pa.types.is_time32(array.type)
    numbers = _filled(array.cast(pa.int32()) if narrow else array, pa.int64())
    return _numbers("time", array, (numbers * _NANOS[array.type.unit]).astype("<i8"))


def _lists(array: pa.Array) -> Iterator[Part]:
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    yield _text("list")
    yield _validity(array)
    yield _raw(lengths.to_numpy(zero_copy_only=False).astype("<u8"))
    yield from _values(_plain(pc.list_flatten(array)))


def _records(array: pa.Array) -> Iterator[Part]:
    yield _text("record")
    yield _validity(array)
    yield struct.pack("<Q", array.type.num_fields)
    for i, name in enumerate(array.type.names):
        yield _column(name, array.flatten()[i])


_ENCODERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Iterator[Part]]], ...] = (
    (pa.types.is_null, _nulls),
    (pa.types.is_boolean, _booleans),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _floats),
    (pa.types.is_decimal, _decimals),
    (lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind), _texts),
    (
        lambda kind: (
            pa.types.is_binary(kind)
            or pa.types.is_large_binary(kind)
            or pa.types.is_fixed_size_binary(kind)
            or pa.types.is_binary_view(kind)
        ),
        _bytes,
    ),
    (pa.types.is_timestamp, _moments),
    (pa.types.is_duration, _durations),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (
        lambda kind: (
            pa.types.is_list(kind)
            or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)
            or pa.types.is_list_view(kind)
            or pa.types.is_large_list_view(kind)
        ),
        _lists,
    ),
    (pa.types.is_struct, _records),
)
