"""What a model sees: each feature as one number, made of what a feature store answers.

A training set is encoded by whole columns, a request value by value; both ways give the same numbers, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

ASKED_AT = "asked_at"
MIN_ROWS, MIN_SHARE, MAX_CATEGORIES = 20, 0.001, 200
"""A category is a value of so many rows and so large a share of them; there are at most so many. What is rarer shares
one number: a tree that splits on three rows has learned their names."""
_MINUTE = 60e6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ColumnKind(StrEnum):
    """How a value becomes a number; null is NaN in each of them, and so is a number that is not finite."""

    NUMBER = "number"
    """As it is, in double precision."""
    FLAG = "flag"
    """True is 1, false is 0."""
    CATEGORY = "category"
    """The number of its place in :attr:`ModelColumn.categories`; what is not in it is the one after the last.
    Gradient boosting learns that one from the rare values of the fit split, and takes it for missing where there
    were none."""
    MOMENT = "moment"
    """Minutes from it to the moment asked: a model must not learn dates."""


@dataclass(frozen=True, slots=True)
class ModelColumn:
    """One column of the model's matrix."""

    name: str
    """Of the feature, as in ``origin_last_2h__departures``; or of a key or value of the request, as in ``carrier``."""
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    """Frozen at training, in alphabetical order; a rare one is not in it."""


def columns_from(table: pa.Table, names: Sequence[str], fit_rows: NDArray[np.bool_]) -> tuple[ModelColumn, ...]:
    """Return the columns of that name; categories are those of the rows where ``fit_rows`` is true.

    Raises ``ValueError`` for a type that a model cannot see.
    """
    rows = pa.array(np.flatnonzero(fit_rows))
    found = []
    for name in names:
        column = table.column(name)
        kind = _kind(name, column.type)
        categories = _categories(_plain(column).take(rows)) if kind is ColumnKind.CATEGORY else ()
        found.append(ModelColumn(name, kind, categories))
    return tuple(found)


def encode_table(columns: Sequence[ModelColumn], table: pa.Table) -> NDArray[np.float64]:
    """Return a training set's rows as the model's matrix; for moments the table has ``asked_at``."""
    found = np.empty((table.num_rows, len(columns)), dtype=np.float64)
    for place, column in enumerate(columns):
        found[:, place] = _TABLE[column.kind](column, _plain(table.column(column.name)), table)
    found[~np.isfinite(found)] = np.nan  # one NaN for all: they have signs and payloads
    return found


def encode_row(columns: Sequence[ModelColumn], values: Mapping[str, Any], asked_us: int) -> NDArray[np.float64]:
    """Return one request's values as the model's only row; what is not among ``values`` is null.

    Moments are aware ``datetime`` or microseconds. Whoever asks often passes the same tuple of columns.
    """
    global _last
    known, encoder = _last
    if known is not columns:
        encoder = RowEncoder(columns)
        _last = (columns, encoder)  # one assignment: another thread reads the old pair or the new one
    return encoder(values, asked_us)


class RowEncoder:
    """Encodes requests one by one, with the categories' places at hand."""

    def __init__(self, columns: Sequence[ModelColumn]) -> None:
        self._steps = tuple((one.name, one.kind, _places(one)) for one in columns)

    def __call__(self, values: Mapping[str, Any], asked_us: int) -> NDArray[np.float64]:
        row = []
        get = values.get
        for name, kind, places in self._steps:
            value = get(name)
            if value is None:
                row.append(nan)
            elif kind is _CATEGORY:
                row.append(places.get(value, places[None]))
            elif kind is _MOMENT:
                row.append((asked_us - (value if type(value) is int else _micros(value))) / _MINUTE)
            else:
                row.append(_number(value))
        return np.array([row], dtype=np.float64)


_CATEGORY, _MOMENT = ColumnKind.CATEGORY, ColumnKind.MOMENT


def _places(column: ModelColumn) -> dict[str | None, float]:
    """Category → its number, and None → that of every other one."""
    places: dict[str | None, float] = {name: float(place) for place, name in enumerate(column.categories)}
    return places | {None: float(len(column.categories))}


def _number(value: Any) -> float:
    try:
        found = float(value)
    except OverflowError:  # a whole number that no double holds
        return nan
    return found if isfinite(found) else nan


def _micros(moment: datetime) -> int:
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_last: tuple[Sequence[ModelColumn], RowEncoder] = ((), RowEncoder(()))


def _kind(name: str, kind: pa.DataType) -> ColumnKind:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return ColumnKind.FLAG
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return ColumnKind.NUMBER
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return ColumnKind.CATEGORY
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return ColumnKind.MOMENT
    raise ValueError(f"{name} is {kind}, and a model sees numbers, flags, text and moments with a time zone")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text as string and moments as microseconds, in whatever form they were stored."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_string(kind):
        return column.cast(pa.string())
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", "UTC"), safe=False)
    return column.cast(kind)


def _categories(column: pa.ChunkedArray) -> tuple[str, ...]:
    counted = pc.value_counts(column.drop_null())
    pairs = zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True)
    least = max(MIN_ROWS, MIN_SHARE * len(column))
    often = sorted((-count, value) for value, count in pairs if count >= least)
    return tuple(sorted(value for _, value in often[:MAX_CATEGORIES]))


def _numbers(_column: ModelColumn, values: pa.ChunkedArray, _table: pa.Table) -> NDArray[np.float64]:
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.string())  # by way of its digits: Arrow's own way may be off in the last bit
    return _floats(values.cast(pa.float64(), safe=False))


def _codes(column: ModelColumn, values: pa.ChunkedArray, _table: pa.Table) -> NDArray[np.float64]:
    if not column.categories:
        places = pc.if_else(values.is_valid(), pa.scalar(0), pa.scalar(None, pa.int64()))
    else:
        found = pc.index_in(values, value_set=pa.array(column.categories, pa.string()), skip_nulls=True)
        other = pc.if_else(
            values.is_valid(), pa.scalar(len(column.categories), pa.int32()), pa.scalar(None, pa.int32())
        )
        places = pc.coalesce(found, other)
    return _floats(places.cast(pa.float64()))


def _minutes(_column: ModelColumn, values: pa.ChunkedArray, table: pa.Table) -> NDArray[np.float64]:
    asked = _plain(table.column(ASKED_AT)).cast(pa.int64())
    return _floats(pc.subtract(asked, values.cast(pa.int64())).cast(pa.float64(), safe=False)) / _MINUTE


def _floats(values: pa.ChunkedArray) -> NDArray[np.float64]:
    found: NDArray[np.float64] = pc.fill_null(values, nan).to_numpy()
    return found


_TABLE: Mapping[ColumnKind, Callable[[ModelColumn, pa.ChunkedArray, pa.Table], NDArray[np.float64]]] = {
    ColumnKind.NUMBER: _numbers,
    ColumnKind.FLAG: _numbers,
    ColumnKind.CATEGORY: _codes,
    ColumnKind.MOMENT: _minutes,
}
