"""A request's values and a training set's row give the model the same numbers, bit by bit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf, nan
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.model.columns import ColumnKind, ModelColumn, RowEncoder, columns_from, encode_row, encode_table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999), timezones=st.just(UTC))
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "small": (pa.int8(), st.integers(-128, 127)),
    "whole": (pa.int64(), st.integers(-(1 << 63), (1 << 63) - 1)),
    "unsigned": (pa.uint64(), st.integers(0, (1 << 64) - 1)),
    "double": (pa.float64(), st.sampled_from([inf, -inf, nan]) | st.floats()),
    "single": (pa.float32(), st.sampled_from([inf, -inf, nan]) | st.floats(width=32)),
    "exact": (pa.decimal128(38, 9), st.decimals(-(10**20), 10**20, places=9)),
    "flag": (pa.bool_(), st.booleans()),
    "text": (pa.string(), st.sampled_from(["a", "b", "", "é", "z\x00"]) | st.text(max_size=3)),
    "moment": (pa.timestamp("us", "UTC"), MOMENTS),
}
ROWS = st.lists(st.fixed_dictionaries({name: st.none() | values for name, (_, values) in KINDS.items()}), max_size=5)


def _columns(categories: list[str]) -> tuple[ModelColumn, ...]:
    empty = pa.table({name: pa.array([], kind) for name, (kind, _) in KINDS.items()})
    found = columns_from(empty, list(KINDS), np.zeros(0, np.bool_))
    return tuple(
        ModelColumn(one.name, one.kind, tuple(categories)) if one.kind is ColumnKind.CATEGORY else one for one in found
    )


@settings(max_examples=200, deadline=None)
@given(rows=ROWS, asked=st.lists(MOMENTS, min_size=5, max_size=5), known=st.sets(st.sampled_from(["a", "b", "", "é"])))
def test_a_row_is_encoded_as_the_table_is(rows: list[dict[str, Any]], asked: list[datetime], known: set[str]) -> None:
    columns = _columns(sorted(known))
    moments = asked[: len(rows)]
    table = pa.table(
        {name: pa.array([row[name] for row in rows], kind) for name, (kind, _) in KINDS.items()}
        | {"asked_at": pa.array(moments, pa.timestamp("us", "UTC"))}
    )
    whole = encode_table(columns, table)
    assert whole.shape == (len(rows), len(columns))
    assert whole.flags.c_contiguous
    encoder = RowEncoder(columns)
    for row, moment, expected in zip(rows, moments, whole, strict=True):
        asked_us = (moment - EPOCH) // timedelta(microseconds=1)
        assert encode_row(columns, row, asked_us).tobytes() == expected.tobytes()
        assert encoder(row, asked_us).tobytes() == expected.tobytes()
        assert not np.isinf(expected).any()


@given(rows=st.lists(st.floats() | st.sampled_from([inf, -inf]), min_size=1, max_size=5))
def test_a_number_that_is_not_finite_is_missing(rows: list[float]) -> None:
    columns = (ModelColumn("a", ColumnKind.NUMBER),)
    table = pa.table({"a": pa.array(rows, pa.float64()), "asked_at": pa.array([EPOCH] * len(rows))})
    whole = encode_table(columns, table)
    for value, found in zip(rows, whole, strict=True):
        missing = encode_row(columns, {}, 0).tobytes()
        said = found.tobytes()
        assert (said == missing) is (not np.isfinite(value))
        assert said == encode_row(columns, {"a": value}, 0).tobytes() == RowEncoder(columns)({"a": value}, 0).tobytes()


def test_a_whole_number_that_no_double_holds_is_missing() -> None:
    columns = (ModelColumn("a", ColumnKind.NUMBER),)
    for value in (10**400, -(10**400)):
        assert np.isnan(encode_row(columns, {"a": value}, 0)).all()


@given(st.decimals(-(10**20), 10**20, places=9))
def test_a_decimal_is_the_nearest_double(value: Decimal) -> None:
    table = pa.table({"a": pa.array([value], pa.decimal128(38, 9))})
    assert encode_table((ModelColumn("a", ColumnKind.NUMBER),), table)[0, 0] == float(value)
