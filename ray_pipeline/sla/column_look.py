"""What one column of one Arrow type looks like: its ends over all rows, and where its values lie over some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from . import stored
from .adaptive_buckets import AdaptiveBuckets
from .columns import DAY, as_array, as_bytes, as_numpy, microseconds
from .exact_sums import decimal_sizes
from .measure import Array, State

Family = Literal["integer", "float", "decimal", "time", "date", "text", "boolean", "other"]
End = int | float | Decimal | str
"""The lowest or highest value: of times microseconds, of dates days since 1970, of texts the first bytes as Latin-1,
one character each: they need not be UTF-8, and keep their order."""

FEW = 64
"""So many different values are counted one by one."""
BYTES = 96
"""Of a text, so many are kept; texts that begin alike count as one."""
_LONGEST = 128
"""Of an end as it is stored."""
_HIGHEST = 0x7FEF_FFFF_FFFF_FFFF
"""The bits of the highest float that is finite."""
_NONE: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What was seen of a column."""

    rows: int
    nulls: int
    low: End | None = None
    high: End | None = None
    sampled: int = 0
    """Rows that ``counts`` and ``buckets`` are of, nulls included."""
    counts: Mapping[str, int] | None = field(default_factory=lambda: _NONE)
    """Rows by value as text (a text's by its bytes, as ``low``); None as soon as there are more than 64 values."""
    buckets: AdaptiveBuckets = field(default_factory=AdaptiveBuckets)
    """Of integers, times (µs), dates (days); of decimals and floats by :func:`float_keys`."""

    def merge(self, other: Look) -> Look:
        lows: list[Any] = [end for end in (self.low, other.low) if end is not None]
        highs: list[Any] = [end for end in (self.high, other.high) if end is not None]
        return Look(
            self.rows + other.rows,
            self.nulls + other.nulls,
            min(lows, default=None),
            max(highs, default=None),
            self.sampled + other.sampled,
            _together(self.counts, other.counts),
            self.buckets.merge(other.buckets),
        )

    def state(self) -> State:
        counts = None if self.counts is None else dict(sorted(self.counts.items()))
        seen = {"rows": self.rows, "nulls": self.nulls, "sampled": self.sampled, "top": counts}
        buckets = self.buckets.state()
        return State({**seen, "low": _plain(self.low), "high": _plain(self.high), **buckets.values}, buckets.arrays)

    @classmethod
    def load(cls, state: State, kind: str, *, classified: bool) -> Look:
        """Return what was stored of a column of this type."""
        rows, nulls, sampled = (stored.whole(state, name) for name in ("rows", "nulls", "sampled"))
        low, high = (_end(state.values.get(name), family(kind)) for name in ("low", "high"))
        counts = state.values.get("top")
        buckets = AdaptiveBuckets.load(state, sum(stored.numbers(state, "counts", "<i8").tolist()))
        if nulls > rows or sampled > rows or (low is None) != (high is None):
            raise ValueError("rows and values do not agree")
        if classified and (counts or low is not None or len(buckets.keys)):
            raise ValueError("values of a classified column")
        if counts is not None and not _are_counts(counts):
            raise ValueError("no counts by value")
        return cls(rows, nulls, low, high, sampled, counts, buckets)


def family(kind: str) -> Family:
    """Return what a type is, by its Arrow name.

    >>> family("timestamp[us, tz=UTC]"), family("uint8"), family("list<item: int8>")
    ('time', 'integer', 'other')
    """
    if kind in ("double", "float", "halffloat"):
        return "float"
    if kind in ("string", "large_string"):
        return "text"
    if kind == "bool":
        return "boolean"
    if kind.startswith("decimal"):
        return "decimal"
    if kind.startswith("timestamp["):
        return "time"
    if kind.startswith(("date32", "date64")):
        return "date"
    return "integer" if kind.removeprefix("u") in ("int8", "int16", "int32", "int64") else "other"


def look_at(column: pa.ChunkedArray, sampled: int, classified: bool) -> Look:
    """Return what a column looks like; its first ``sampled`` rows more closely."""
    nulls = column.null_count
    kind = family(str(column.type))
    if classified or kind == "other" or nulls == len(column):
        return Look(len(column), nulls, sampled=sampled)
    low, high = _ends(column, kind)
    counts: Mapping[str, int] | None = _NONE
    buckets = AdaptiveBuckets()
    if sampled:
        first = as_array(column.slice(0, sampled))
        first = first.drop_null() if first.null_count else first
        if kind in ("integer", "boolean", "text", "date"):
            counts = _counts(first, kind)
        if kind not in ("boolean", "text"):
            buckets = AdaptiveBuckets.of(_keys(first, kind))
    return Look(len(column), nulls, low, high, sampled, counts, buckets)


def float_keys(numbers: Array) -> Array:
    """Return integers that are ordered as the floats are."""
    bits = (numbers + 0.0).view(np.int64)
    return np.where(bits < 0, bits ^ 0x7FFF_FFFF_FFFF_FFFF, bits)


def float_of(key: int) -> float:
    """Return the float of a key; the highest or lowest there is where a bucket reaches beyond it."""
    key = min(max(key, -_HIGHEST - 1), _HIGHEST)
    bits = key if key >= 0 else key ^ 0x7FFF_FFFF_FFFF_FFFF
    return float(np.array([bits], np.int64).view(np.float64)[0])


def _ends(column: pa.ChunkedArray, kind: Family) -> tuple[End | None, End | None]:
    if kind == "boolean":
        return None, None
    if kind in ("time", "date"):
        moments = microseconds(column)
        unit = DAY if kind == "date" else 1
        return int(moments.min()) // unit, int(moments.max()) // unit
    if kind == "float":
        numbers = as_numpy(as_array(column.drop_null())).astype(np.float64, copy=False)
        numbers = numbers[~np.isnan(numbers)]
        return (float(numbers.min()) + 0.0, float(numbers.max()) + 0.0) if len(numbers) else (None, None)
    ends = pc.min_max(as_bytes(column) if kind == "text" else column)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return (_latin(low[:BYTES]), _latin(high[:BYTES])) if kind == "text" else (low, high)


def _latin(text: bytes) -> str:
    return text.decode("latin-1")


def _keys(column: pa.Array, kind: Family) -> Array:
    if kind in ("time", "date"):
        return np.floor_divide(microseconds(pa.chunked_array([column])), DAY if kind == "date" else 1)
    if kind == "decimal":
        return float_keys(decimal_sizes(column))
    numbers = as_numpy(column)
    if kind == "integer":
        return np.minimum(numbers, 2**63 - 1).astype(np.int64) if numbers.dtype == np.uint64 else numbers
    numbers = numbers.astype(np.float64, copy=False)
    return float_keys(numbers[np.isfinite(numbers)])


def _counts(column: pa.Array, kind: Family) -> Mapping[str, int] | None:
    if kind == "text":
        column = as_array(as_bytes(pa.chunked_array([column])))
        if len(column) and pc.max(pc.binary_length(column)).as_py() > BYTES:
            column = pc.binary_slice(column, 0, BYTES)
    counted = pc.value_counts(column)
    if len(counted) > FEW:
        return None
    if kind == "text":
        return dict(zip(map(_latin, counted.field(0).to_pylist()), counted.field(1).to_pylist(), strict=True))
    names = (str(name).lower() if kind == "boolean" else str(name) for name in counted.field(0).to_pylist())
    return dict(zip(names, counted.field(1).to_pylist(), strict=True))


def _together(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> Mapping[str, int] | None:
    if one is None or other is None:
        return None
    counts = dict(one)
    for name, rows in other.items():
        counts[name] = counts.get(name, 0) + rows
    return counts if len(counts) <= FEW else None


def _plain(end: End | None) -> Any:
    if isinstance(end, float):
        return end.hex()
    return str(end) if isinstance(end, Decimal) else end


def _end(value: Any, kind: Family) -> End | None:
    if value is None:
        return None
    if kind in ("integer", "time", "date") and type(value) is int:
        return value
    if isinstance(value, str) and len(value) <= _LONGEST:
        try:
            match kind:
                case "float":
                    return float.fromhex(value)
                case "decimal":
                    return Decimal(value)
                case "text":
                    return value
        except (OverflowError, InvalidOperation) as error:
            raise ValueError("an end that is no number") from error
    raise ValueError("an end of another type")


def _are_counts(counts: Any) -> bool:
    return (
        isinstance(counts, dict)
        and len(counts) <= FEW
        and all(type(rows) is int and rows > 0 for rows in counts.values())
    )
