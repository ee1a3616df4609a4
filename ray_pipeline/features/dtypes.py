"""From polars' types to those that a feature, a key or an aggregated value may have."""

from __future__ import annotations

import polars as pl

from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.shape import ValueType

INT, FLOAT, BOOL, STRING, TIMESTAMP = "int", "float", "bool", "string", "timestamp"
DECIMAL = "decimal:"

_ZONE = 'a time without zone; say which one it is in: .dt.replace_time_zone("UTC")'
_REASONS: dict[type[pl.DataType], str] = {
    pl.Date: 'a date; make it a moment, .cast(pl.Datetime("us")).dt.replace_time_zone("UTC"), or text, .dt.to_string()',
    pl.Time: "a time of day; take a part of it, such as .dt.hour()",
    pl.Duration: "a duration; take a number of it, such as .dt.total_minutes()",
    pl.UInt64: "uint64, which not every store has; cast it to pl.Int64",
    pl.Int128: "int128, which not every store has; cast it to pl.Int64",
    pl.Struct: "a record; name one of its fields",
    pl.List: "a list; take one value of it, such as .list.len()",
    pl.Array: "a list; take one value of it, such as .arr.first()",
    pl.Binary: "bytes; features are numbers, text, bools or moments",
    pl.Null: "always null; cast it to the type it should have",
}
_INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32)


def value_type(dtype: pl.DataType) -> str | None:
    """Return ``int``, ``decimal:SCALE``, ``float``, ``bool``, ``string`` or ``timestamp``; None: no store has it.

    >>> value_type(pl.Int32()), value_type(pl.Decimal(10, 2)), value_type(pl.Datetime("us", "UTC"))
    ('int', 'decimal:2', 'timestamp')
    """
    if isinstance(dtype, _INTEGERS):
        return INT
    if isinstance(dtype, pl.Decimal):
        return f"{DECIMAL}{dtype.scale}"
    if isinstance(dtype, pl.Float32 | pl.Float64):
        return FLOAT
    if isinstance(dtype, pl.Boolean):
        return BOOL
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return STRING
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return TIMESTAMP
    return None


def why_not(dtype: pl.DataType) -> str:
    """Say what a type is that no store has, and what to do about it."""
    if isinstance(dtype, pl.Datetime):
        return _ZONE
    return _REASONS.get(type(dtype), f"{dtype}, which no store has")


def stored_type(value: str) -> ValueType:
    """Return what a value of that type is stored as; a decimal becomes a float."""
    if value.startswith(DECIMAL):
        return ValueType.FLOAT64
    return {
        INT: ValueType.INT64,
        FLOAT: ValueType.FLOAT64,
        BOOL: ValueType.BOOL,
        STRING: ValueType.STRING,
        TIMESTAMP: ValueType.TIMESTAMP,
    }[value]


def aggregated_type(kind: Kind, value: str) -> ValueType | str:
    """Return what an aggregate of such values is, or say which values it takes.

    >>> aggregated_type(Kind.MEAN, "int"), aggregated_type(Kind.SHARE, "int")
    (<ValueType.FLOAT64: 'float64'>, 'share needs a condition (bool), this is int; write one, such as field(…) > 15')
    """
    number = value in (INT, FLOAT) or value.startswith(DECIMAL)
    if kind in (Kind.COUNT, Kind.COUNT_DISTINCT):
        return ValueType.INT64
    if kind is Kind.SHARE:
        if value == BOOL:
            return ValueType.FLOAT64
        return f"share needs a condition (bool), this is {value}; write one, such as field(…) > 15"
    if kind in (Kind.SUM, Kind.MEAN) and not number:
        return f"{kind} needs numbers, this is {value}" + ("; share() counts a condition" if value == BOOL else "")
    if kind in (Kind.MIN, Kind.MAX) and not number and value != TIMESTAMP:
        return f"{kind} needs numbers or moments, this is {value}"
    return ValueType.FLOAT64 if kind is Kind.MEAN else stored_type(value)
