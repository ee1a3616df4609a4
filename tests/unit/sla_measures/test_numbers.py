"""Numbers in summary, against what Python's own slow and exact ways say."""

from __future__ import annotations

import math
import statistics
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.sla.exact_sums import square_root, sum_decimals, sum_floats, sum_whole
from ray_pipeline.sla.log_buckets import LogBuckets, edges, middle
from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.measures.column_values import Numbers, NumberSummary

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DIGITS = {pa.decimal32(7, 2): 7, pa.decimal64(16, 2): 16, pa.decimal128(38, 2): 38, pa.decimal256(76, 2): 76}


def summary(values: object, kind: pa.DataType | None = None) -> Numbers:
    return NumberSummary(("x",)).of(pa.table({"x": pa.array(values, kind)}), Where("f", 0))


@settings(deadline=None)
@given(st.lists(FINITE | st.sampled_from([0.0, -0.0, 5e-324, 1.7e308, -1.7e308, 0.1, 1.0])))
def test_sums_of_floats_are_exact(numbers) -> None:
    exact = [Fraction(number) for number in numbers]
    assert sum_floats(np.array(numbers)) == (sum(exact), sum(number * number for number in exact))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_sums_of_integers_are_exact(kind, data) -> None:
    limits = np.iinfo(kind)
    numbers = data.draw(st.lists(st.integers(int(limits.min), int(limits.max)) | st.just(int(limits.min))))
    assert sum_whole(np.array(numbers, kind)) == (sum(numbers), sum(n * n for n in numbers))


@pytest.mark.parametrize("kind", list(DIGITS), ids=str)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_sums_of_decimals_are_exact(kind, data) -> None:
    most = 10 ** DIGITS[kind] - 1
    digits = data.draw(st.lists(st.integers(-most, most) | st.integers(-9, 9) | st.just(-(2**32)), min_size=1))
    digits = [number for number in digits if abs(number) <= most] or [0]
    with np.errstate(all="raise"):
        array = pa.array(
            [Decimal(number).scaleb(-2) if abs(number) < 10**28 else _exact(number) for number in digits], kind
        )
    assert sum_decimals(array) == (sum(digits), sum(n * n for n in digits))
    assert sum_decimals(array[1:]) == (sum(digits[1:]), sum(n * n for n in digits[1:]))


def _exact(number: int) -> Decimal:
    sign, digits, _ = Decimal(number).as_tuple()
    return Decimal((sign, digits, -2))


@settings(deadline=None)
@given(st.integers(0, 10**400), st.integers(1, 10**400))
def test_a_square_root_is_rounded_once(top, bottom) -> None:
    number = Fraction(top, bottom)
    if not 1e-300 < number < 1e300:
        return
    root = square_root(number)
    below, above = math.nextafter(root, 0), math.nextafter(root, math.inf)
    assert ((Fraction(below) + Fraction(root)) / 2) ** 2 <= number <= ((Fraction(root) + Fraction(above)) / 2) ** 2


@settings(deadline=None)
@given(st.lists(FINITE.filter(lambda number: abs(number) < 1e100), min_size=2, max_size=30))
def test_floats_are_summarised_as_statistics_does(numbers) -> None:
    found = summary(numbers)
    assert found.sum() == math.fsum(numbers)
    assert found.mean() == statistics.mean(numbers)
    assert found.stddev() == statistics.stdev(numbers)
    assert (found.minimum(), found.maximum()) == (min(numbers), max(numbers))


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=30))
def test_integers_are_summarised_as_statistics_does(numbers) -> None:
    found = summary(numbers, pa.int64())
    assert found.total == sum(numbers)
    assert found.mean() == float(Fraction(sum(numbers), len(numbers)))
    assert found.stddev() == statistics.stdev(map(Fraction, numbers))


def test_no_order_of_adding_loses_anything() -> None:
    numbers = [1e308, 1.0, -1e308, 1e-308] * 1000
    assert summary(numbers).total == 1000 + 1000 * Fraction(1e-308)
    assert summary([1e308] * 3).sum() == math.inf
    assert summary([1e308] * 3).mean() == 1e308


def test_what_is_null_or_not_finite_is_counted_and_in_nothing_else() -> None:
    found = summary([None, 1.0, math.nan, math.inf, -math.inf, 3.0])
    assert (found.rows, found.nulls, found.not_finite, found.count) == (6, 1, 3, 2)
    assert (found.mean(), found.minimum(), found.maximum()) == (2, 1, 3)
    nothing = summary([None, math.nan], pa.float64())
    assert (nothing.mean(), nothing.stddev(), nothing.quantile(0.5), nothing.minimum()) == (None,) * 4


def test_a_column_that_turned_from_integers_to_floats_goes_on() -> None:
    merged = summary([1, 2]).merge(summary([2.5])).merge(summary([Decimal("0.5")]))
    assert merged.total == 6
    assert merged == summary([0.5, 2.5, 1.0, 2.0])


def test_a_column_of_text_says_that_it_has_no_numbers() -> None:
    with pytest.raises(ValueError, match="has no numbers"):
        summary(["1"])


@pytest.mark.parametrize("shape", ["normal", "exponential", "integers", "decimals"])
def test_quantiles_are_within_their_bound(shape) -> None:
    source = np.random.default_rng(7)
    numbers = {
        "normal": source.normal(0, 1e6, 20_000),
        "exponential": source.exponential(1e-9, 20_000),
        "integers": source.integers(-1000, 10**12, 20_000),
        "decimals": np.round(source.normal(0, 1000, 20_000), 2),
    }[shape]
    kind = pa.decimal128(20, 2) if shape == "decimals" else None
    values = [Decimal(f"{number:.2f}") for number in numbers] if shape == "decimals" else numbers
    found = summary(values, kind)
    for p in (0.001, 0.1, 0.25, 0.5, 0.9, 0.95, 0.999):
        exact = float(np.quantile(numbers, p, method="inverted_cdf"))
        estimate = found.quantile(p)
        assert estimate is not None
        assert estimate.error_bound is not None
        assert abs(estimate.value - exact) <= 0.008 * abs(exact)
    for p, end in ((0, numbers.min()), (1, numbers.max())):
        estimate = found.quantile(p)
        assert estimate is not None
        assert (estimate.value, estimate.error_bound) == (end, None)


@settings(deadline=None)
@given(FINITE)
def test_a_number_is_in_its_bucket_and_near_its_middle(number) -> None:
    (key,) = LogBuckets.of(np.array([number])).keys.tolist()
    low, high = edges(key)
    if abs(number) < 2.3e-308:
        assert key == 0 or low <= number <= high
        return
    assert low <= number <= high
    assert abs(middle(key) - number) <= 0.008 * abs(number)


@settings(deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=1), st.integers(-1100, 1100))
def test_how_many_are_at_most_a_limit_is_between_what_it_says(numbers, limit) -> None:
    low, high = LogBuckets.of(np.array(numbers, float)).at_most(float(limit))
    assert low <= sum(number <= limit for number in numbers) <= high


def test_buckets_are_in_the_order_of_numbers() -> None:
    numbers = np.sort(
        np.concatenate([np.random.default_rng(0).normal(size=1000) * 10.0**e for e in range(-300, 300, 50)])
    )
    keys = [int(LogBuckets.of(numbers[i : i + 1]).keys[0]) for i in range(0, len(numbers), 7)]
    assert keys == sorted(keys)
