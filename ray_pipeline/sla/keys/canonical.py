"""The one form of a key's value, whatever Arrow type carries it: what is hashed, and what is compared.

Two values are the same key exactly where their forms are equal:

- numbers by value: an ``int32`` 7, an ``int64`` 7, a ``float64`` 7.0 and a ``decimal`` 7.00 are one key. A float with a
  fraction, or beyond ±10^18, equals floats only; every NaN is one key, and -0.0 is 0;
- text and bytes by their bytes (UTF-8), whether string, large, view, fixed-size or dictionary;
- moments in microseconds UTC whatever their unit, what is below a microsecond counted; one without a zone is UTC;
- dates in days, times of day and durations in microseconds, booleans: each equal to their own kind only.

A form is a tag, a 64-bit word, or bytes; most columns have one tag and either words or bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.sla.measure import Array

INTEGER, DECIMAL, FLOAT, TEXT, MOMENT, DATE, TIME, DURATION, BOOLEAN, FAR = range(1, 11)
"""Tags. They are mixed into every hash: never renumber them."""

_FINE = 16  # nanoseconds within a microsecond, or the unit of a moment too far for microseconds, stand above the tag
_SMALL = 10**18  # integers below it are words, above it decimal texts: both are written by integers, floats, decimals
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DECIMALS = (
    (pa.types.is_decimal32, pa.decimal32),
    (pa.types.is_decimal64, pa.decimal64),
    (pa.types.is_decimal128, pa.decimal128),
    (pa.types.is_decimal256, pa.decimal256),
)


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes of some rows: ``data[starts[i] : starts[i] + lengths[i]]``, and eight more readable bytes at the end."""

    starts: Array
    lengths: Array
    data: Array

    def value(self, i: int) -> bytes:
        """Return the bytes of row ``i``."""
        return bytes(self.data[self.starts[i] : self.starts[i] + self.lengths[i]])


@dataclass(frozen=True, slots=True)
class Canonical:
    """A column's values in their one form. What stands in a null's place means nothing."""

    tags: Array | int
    words: Array | None
    """uint64, one per row; None where every row is bytes."""
    text: Text | None
    text_rows: Array | None = None
    """Which rows ``text`` is of, ascending; None for all of them. They have no word."""


def kind_of(kind: pa.DataType) -> str | None:
    """Return what kind of key a column of this type is; None where it cannot be one.

    >>> kind_of(pa.int32()), kind_of(pa.decimal128(9, 2)), kind_of(pa.list_(pa.int32()))
    ('number', 'number', None)
    """
    is_ = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return kind_of(kind.storage_type)
    if is_.is_dictionary(kind) or is_.is_run_end_encoded(kind):
        return kind_of(kind.value_type)
    if is_.is_integer(kind) or is_.is_floating(kind) or is_.is_decimal(kind):
        return "number"
    named = {
        "null": is_.is_null,
        "text": _is_text,
        "moment": is_.is_timestamp,
        "date": is_.is_date,
        "time of day": is_.is_time,
        "duration": is_.is_duration,
        "boolean": is_.is_boolean,
    }
    return next((name for name, holds in named.items() if holds(kind)), None)


def canonical(values: pa.Array) -> Canonical:
    """Return the values in their one form; raise ``ValueError`` for a type that cannot be a key."""
    values = plain(values)
    kind = values.type
    match kind_of(kind):
        case "text":
            return Canonical(TEXT, None, _text(values))
        case "number" if pa.types.is_decimal(kind):
            return _decimals(values)
        case "number" if pa.types.is_floating(kind):
            return _floats(values)
        case "number":
            return _integers(values)
        case "moment":
            return _in_microseconds(values, kind.unit, MOMENT)
        case "time of day":
            return _in_microseconds(values, kind.unit, TIME)
        case "duration":
            return _in_microseconds(values, kind.unit, DURATION)
        case "date":
            days = _raw(values, np.int32).astype(np.int64) if pa.types.is_date32(kind) else _raw(values) // 86_400_000
            return Canonical(DATE, days.view(np.uint64), None)
        case "boolean":
            return Canonical(BOOLEAN, _raw(values.cast(pa.uint8()), np.uint8).astype(np.uint64), None)
        case "null":
            return Canonical(TEXT, np.zeros(len(values), np.uint64), None)
    raise ValueError(f"a column of type {kind} cannot be part of a key")


def plain(values: pa.Array) -> pa.Array:
    """Return the values without what only says how they are stored: dictionaries, run ends, extension types."""
    while True:
        if isinstance(values, pa.ExtensionArray):
            values = values.storage
        elif pa.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        elif pa.types.is_run_end_encoded(values.type):
            values = pc.run_end_decode(values)
        else:
            return values


def _is_text(kind: pa.DataType) -> bool:
    is_ = pa.types
    ours = (is_.is_string, is_.is_binary, is_.is_large_string, is_.is_large_binary)
    others = (is_.is_fixed_size_binary, is_.is_string_view, is_.is_binary_view)
    return any(holds(kind) for holds in (*ours, *others))


def _text(values: pa.Array) -> Text:
    kind = values.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        width: Any = np.int32
    else:
        width = np.int64
        if not (pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)):
            values = values.cast(pa.binary()).cast(pa.large_binary())
    _, offsets, content = values.buffers()
    if offsets is None or len(values) == 0:
        return Text(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(8, np.uint8))
    ends = np.frombuffer(offsets, width)[values.offset : values.offset + len(values) + 1].astype(np.int64)
    first, size = int(ends[0]), int(ends[-1] - ends[0])
    data = np.zeros(size + 8, np.uint8)
    if size:
        data[:size] = np.frombuffer(content, np.uint8)[first : first + size]
    ends -= first
    return Text(ends[:-1], np.diff(ends), data)


def _raw(values: pa.Array, kind: Any = np.int64) -> Array:
    """Return the numbers as they lie in memory, whatever stands in a null's place."""
    content = values.buffers()[1]
    if content is None:
        return np.zeros(len(values), kind)
    return np.frombuffer(content, kind)[values.offset : values.offset + len(values)]


def _integers(values: pa.Array) -> Canonical:
    kind = values.type.to_pandas_dtype()
    raw = _raw(values, kind)
    words = raw.astype(np.int64)
    if np.dtype(kind).itemsize < 8:
        return Canonical(INTEGER, words.view(np.uint64), None)
    large = (words >= _SMALL) | (words <= -_SMALL) if kind is np.int64 else raw >= np.uint64(_SMALL)
    if not large.any():
        return Canonical(INTEGER, words.view(np.uint64), None)
    rows = np.flatnonzero(large)
    digits = pc.fill_null(values.take(pa.array(rows)), 0).cast(pa.string())
    texts, _, _ = _digits(digits, 0)
    tags = np.full(len(words), INTEGER, np.uint64)
    tags[rows] = DECIMAL
    return Canonical(tags, words.view(np.uint64), _text(texts), rows)


def _floats(values: pa.Array) -> Canonical:
    numbers = _raw(values, values.type.to_pandas_dtype()).astype(np.float64)
    whole = (np.floor(numbers) == numbers) & (np.abs(numbers) < _SMALL)
    integers = np.where(whole, numbers, 0).astype(np.int64).view(np.uint64)
    if whole.all():
        return Canonical(INTEGER, integers, None)
    numbers[np.isnan(numbers)] = np.nan  # one NaN of the many
    words = np.where(whole, integers, numbers.view(np.uint64))
    return Canonical(np.where(whole, INTEGER, FLOAT).astype(np.uint64), words, None)


def _decimals(values: pa.Array) -> Canonical:
    kind = values.type
    unscaled_type = next(make for holds, make in _DECIMALS if holds(kind))(kind.precision, 0)
    unscaled = pa.Array.from_buffers(unscaled_type, len(values), values.buffers(), offset=values.offset)
    digits = pc.fill_null(unscaled.cast(pa.string()), "0")
    texts, words, small = _digits(digits, kind.scale)
    if small.all():
        return Canonical(INTEGER, words.view(np.uint64), None)
    rows = np.flatnonzero(~small)
    tags = np.where(small, INTEGER, DECIMAL).astype(np.uint64)
    return Canonical(tags, words.view(np.uint64), _text(texts.take(pa.array(rows))), rows)


def _digits(digits: pa.Array, scale: int) -> tuple[pa.Array, Array, Array]:
    """Return the shortest text, the word where it is a small integer, and where that is.

    The text of 12.50 is ``125e-1``, that of 10^18 ``1e18``.
    """
    stripped = pc.utf8_rtrim(digits, "0")
    left = pc.binary_length(stripped).to_numpy()
    exponents = pc.binary_length(digits).to_numpy().astype(np.int64) - left - scale
    zero = left == 0
    exponents[zero] = 0
    size = left - pc.starts_with(stripped, "-").to_numpy(zero_copy_only=False) + exponents
    small = (exponents >= 0) & (size <= 18)
    known = pc.if_else(pa.array(small & ~zero), stripped, "0").cast(pa.int64())
    words = known.to_numpy() * np.power(np.int64(10), np.where(small, exponents, 0))
    texts = pc.binary_join_element_wise(stripped, pa.array(exponents).cast(pa.string()), "e")
    return texts, words, small


def _in_microseconds(values: pa.Array, unit: str, tag: int) -> Canonical:
    narrow = tag == TIME and unit in ("s", "ms")
    raw = _raw(values, np.int32).astype(np.int64) if narrow else _raw(values)
    if unit == "us":
        return Canonical(tag, raw.view(np.uint64), None)
    if unit == "ns":
        words, fine = np.divmod(raw, 1_000)
        tags = tag + (fine.astype(np.uint64) << np.uint64(_FINE)) if fine.any() else tag
        return Canonical(tags, words.view(np.uint64), None)
    factor = 1_000_000 // _PER_SECOND[unit]
    words = raw * factor
    far = words // factor != raw
    if not far.any():
        return Canonical(tag, words.view(np.uint64), None)
    # No moment in microseconds is as far away, so these can equal only one another.
    tags = np.where(far, FAR + (tag << _FINE) + (_PER_SECOND[unit] << 2 * _FINE), tag).astype(np.uint64)
    return Canonical(tags, np.where(far, raw, words).view(np.uint64), None)
