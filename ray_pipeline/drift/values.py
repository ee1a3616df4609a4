"""Columns of any make (Arrow, polars, numpy, lists) as the few arrays that counting needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]

_DAY_US = 86_400_000_000
_TEXTS = (pa.string_view(), pa.large_string())


def as_floats(values: Any) -> Floats:
    """Return numbers or booleans in double precision; null is NaN, and so is minus zero zero.

    >>> as_floats([3, None, -0.0]).tolist()
    [3.0, nan, 0.0]
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values.astype(np.float64) + 0.0
    found = as_arrow(values)
    if pa.types.is_null(found.type):
        return np.full(len(found), np.nan)
    if pa.types.is_boolean(found.type):
        found = pc.cast(found, pa.int8())
    if not (pa.types.is_integer(found.type) or pa.types.is_floating(found.type) or pa.types.is_decimal(found.type)):
        raise TypeError(f"numbers are needed here, and these are {found.type}")
    found = pc.cast(found, pa.float64(), safe=False)
    floats: Floats = found.to_numpy(zero_copy_only=False)
    return floats + 0.0  # where there is a null, Arrow makes NaN of it; minus zero and zero are one value


def as_texts(values: Any) -> pa.Array:
    """Return categories as Arrow strings; booleans are ``true`` and ``false``, numbers are their digits.

    >>> as_texts(["AA", None, "UA"]).to_pylist(), as_texts([True, None]).to_pylist()
    (['AA', None, 'UA'], ['true', None])
    """
    found = as_arrow(values)
    if pa.types.is_dictionary(found.type):
        found = pc.cast(found, found.type.value_type)
    if pa.types.is_nested(found.type):
        raise TypeError(f"categories are needed here, and these are {found.type}")
    return found if found.type == pa.string() else pc.cast(found, pa.string())


def as_days(values: Any) -> Days:
    """Return the UTC day of each date, timestamp, ISO day, or moment in integer microseconds.

    >>> as_days(["2013-02-05", "1969-12-31"]).astype(str).tolist(), as_days([-1]).astype(str).tolist()
    (['2013-02-05', '1969-12-31'], ['1969-12-31'])
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        days = values.astype("datetime64[D]")
    else:
        found = as_arrow(values)
        if pa.types.is_dictionary(found.type):
            found = pc.cast(found, found.type.value_type)
        if found.null_count:
            raise ValueError(f"{found.null_count} of {len(found)} rows have no day")
        if pa.types.is_integer(found.type):
            days = np.floor_divide(found.to_numpy(zero_copy_only=False), _DAY_US).astype("datetime64[D]")
        elif pa.types.is_timestamp(found.type):
            micros = pc.cast(pc.cast(found, pa.timestamp("us", tz=found.type.tz), safe=False), pa.int64())
            days = np.floor_divide(micros.to_numpy(zero_copy_only=False), _DAY_US).astype("datetime64[D]")
        else:
            days = pc.cast(found, pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]")
    if np.isnat(days).any():
        raise ValueError(f"{int(np.isnat(days).sum())} of {len(days)} rows have no day")
    return days


def minutes_before(values: Any, asked_at: Any) -> Floats:
    """Return how many minutes each timestamp is before the moment asked; null is NaN.

    As a model sees moments, so that a baseline counts ages and not dates.
    """
    then, asked = (pc.cast(as_arrow(one), pa.timestamp("us", tz="UTC")) for one in (values, asked_at))
    us: Floats = pc.cast(then, pa.int64()).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    now: Floats = pc.cast(asked, pa.int64()).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return (now - us) / 60e6


def as_arrow(values: Any) -> pa.Array:
    """Return a column as one Arrow array, whatever holds it."""
    if isinstance(values, pa.ChunkedArray):
        return as_arrow(values.combine_chunks() if values.num_chunks != 1 else values.chunk(0))
    if isinstance(values, pa.Array):  # what polars makes of texts has few of Arrow's functions
        return pc.cast(values, pa.string()) if values.type in _TEXTS else values
    if isinstance(values, np.ndarray):
        return pa.array(values.tolist() if values.dtype == object else values)
    if hasattr(values, "__arrow_c_stream__"):
        return as_arrow(pa.chunked_array(values))
    return pa.array(values if isinstance(values, list | tuple) else list(_iterable(values)))


def _iterable(values: Any) -> Iterable[Any]:
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise TypeError(f"a column is needed here, and this is a {type(values).__name__}")
    return values
