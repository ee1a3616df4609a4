"""Distances of count vectors: what they are on raw values, and what they are where a side is empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from ray_pipeline.drift.counts import assign
from ray_pipeline.drift.distance import chi2, jensen_shannon, ks, mean_shift, statistics
from ray_pipeline.drift.edges import CategoryColumn, NumericColumn, numeric_column


def test_ks_on_one_bin_a_value_is_that_of_the_values() -> None:
    random = np.random.default_rng(1)
    before, after = random.integers(0, 20, 300).astype(float), random.integers(2, 22, 100).astype(float)
    column = numeric_column("x", np.concatenate([before, after]))
    found = ks(*(np.bincount(assign(column, one), minlength=column.bins) for one in (before, after)))
    assert found == pytest.approx(ks_2samp(before, after).statistic)


def test_chi2_is_that_of_a_table_of_both_samples() -> None:
    before, after = np.array([0, 30, 10, 5, 0]), np.array([9, 12, 14, 1, 0])
    table = np.stack([before[1:4], after[1:4]])
    assert chi2(before, after) == pytest.approx(chi2_contingency(table, correction=False).statistic)


def test_many_pairs_give_what_each_gives() -> None:
    random = np.random.default_rng(2)
    before, after = random.integers(0, 9, (5, 4)), random.integers(1, 9, (5, 4))
    for kind, one in (("ks", ks), ("chi2", chi2)):
        each = [one(first, second) for first, second in zip(before, after, strict=True)]
        assert statistics(kind, before, after).tolist() == pytest.approx(each)  # type: ignore[arg-type]


def test_the_missing_change_no_distance() -> None:
    before, after = np.array([0, 30, 10]), np.array([0, 12, 14])
    moved = after + np.array([1_000, 0, 0])
    for one in (ks, chi2, jensen_shannon):
        assert one(before, after) == one(before, moved)


def test_a_side_without_values_is_at_no_distance() -> None:
    nothing = np.array([7, 0, 0])
    for one in (ks, chi2, jensen_shannon):
        assert math.isnan(one(np.array([0, 3, 4]), nothing))
        assert math.isnan(one(nothing, np.array([0, 3, 4])))
    column = NumericColumn("x", (0.0,))
    assert mean_shift(column, np.array([0, 1, 1]), np.array([5, 0, 0])) is None


def test_jensen_shannon_is_a_distance_between_0_and_1() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        first, second = random.integers(0, 5, 6), random.integers(0, 5, 6)
        first[1] += 1
        second[2] += 1
        assert 0 <= jensen_shannon(first, second) == jensen_shannon(second, first) <= 1
        assert jensen_shannon(first, 3 * first) == 0


def test_the_shift_of_a_mean_is_in_standard_deviations_of_the_reference() -> None:
    random = np.random.default_rng(4)
    before, after = random.normal(10, 4, 20_000), random.normal(12, 4, 20_000)
    column = numeric_column("x", before, bins=128)
    found = mean_shift(column, *(np.bincount(assign(column, one), minlength=column.bins) for one in (before, after)))
    assert found == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("column", [CategoryColumn("c", ("a", "b")), NumericColumn("empty", ())])
def test_what_has_no_middle_has_no_shift(column: CategoryColumn | NumericColumn) -> None:
    found = np.ones(column.bins, np.int64)
    assert mean_shift(column, found, found) is None


def test_a_reference_without_spread_has_no_shift() -> None:
    column = NumericColumn("x", (1.0, 2.0), few=True)
    assert mean_shift(column, np.array([0, 0, 9, 0]), np.array([0, 0, 0, 9])) is None


def test_no_shift_is_said_of_numbers_near_the_greatest_there_are() -> None:
    column = NumericColumn("huge", tuple(np.linspace(1e307, 1.79e308, 12)), few=False)
    before, after = np.array([0, *[10] * 13]), np.array([0, *[1] * 12, 90])
    assert mean_shift(column, before, after) is None
