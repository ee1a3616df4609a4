"""Sums and quotients are the exact ones, rounded once, on every road through the code."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.features.exact import decimals_as_floats, quotients, whole

TINY = 5e-324
FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e306, max_value=1e306)
    | st.sampled_from([0.0, 0.1, 1e16, 1.0, TINY, -TINY, 2.2250738585072014e-308, 1e306, 2.0**-1000])
    | st.integers(-100, 100).map(float)
)
INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-9, 9) | st.sampled_from([2**53 + 1, 2**62, -(2**63)])
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**20), max_value=10**20) | (
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-99, max_value=99)
)


def series(values: list[Any]) -> pl.Series:
    dtype = {int: pl.Int64(), float: pl.Float64(), bool: pl.Boolean(), Decimal: pl.Decimal(38, 2)}[type(values[0])]
    return pl.Series(values, dtype=dtype)


@settings(deadline=None, max_examples=300)
@given(st.one_of(*(st.lists(one, min_size=1, max_size=12) for one in (FLOATS, INTS, DECIMALS, st.booleans()))))
def test_a_sum_and_a_mean_are_the_fractions_rounded_once(values: list[Any]) -> None:
    column = whole(series(values))
    begin, end = np.zeros(len(values), np.int64), np.ones(len(values), np.int64)
    sums = column.sums(1, begin, end, len(values))
    exact = sum(map(Fraction, values), Fraction(0))
    assert int(sums[0]) * Fraction(2) ** column.power / column.divisor == exact
    assert quotients(sums, column).tolist() == [float(exact)]
    assert quotients(sums, column, np.array([len(values)])).tolist() == [float(exact / len(values))]


@pytest.mark.parametrize(
    ("values", "limbs"),
    [([1.0, 7.0], 1), ([0.1, 39.02], 1), ([1e16, 0.1], 4), ([1e300, TINY], 69)],
    ids=["whole", "near", "apart", "far apart"],
)
def test_floats_are_one_number_of_64_bits_where_they_fit(values: list[float], limbs: int) -> None:
    assert len(whole(pl.Series(values)).limbs) <= limbs
    if limbs == 1:
        assert len(whole(pl.Series(values)).limbs) == 1


def test_a_sum_beyond_any_float_is_an_error_and_its_mean_is_not() -> None:
    column = whole(pl.Series([1.7e308, 1.7e308]))
    begin, end = np.zeros(2, np.int64), np.ones(2, np.int64)
    sums = column.sums(1, begin, end, 2)
    with pytest.raises(OverflowError):
        quotients(sums, column)
    assert quotients(sums, column, np.array([2])).tolist() == [1.7e308]


def test_a_mean_of_nothing_is_a_number_that_nobody_looks_at() -> None:
    column = whole(pl.Series([0.5, 0.1]))
    assert quotients(np.zeros(1, np.int64), column, np.zeros(1, np.int64)).tolist() == [0.0]


def test_decimals_become_the_nearest_floats_and_nulls_stay() -> None:
    values = [Decimal("0.1"), None, Decimal("-90071992547409.93"), Decimal("99999999999999999999999.99")]
    found = decimals_as_floats(pl.Series("price", values, dtype=pl.Decimal(38, 2)))
    assert found.name == "price"
    assert found.to_list() == [None if value is None else float(Fraction(value)) for value in values]
    assert decimals_as_floats(pl.Series([], dtype=pl.Decimal(38, 2))).to_list() == []
