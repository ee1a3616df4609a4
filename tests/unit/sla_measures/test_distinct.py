"""How many different values: exact while there are few, near enough after that."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from ray_pipeline.sla.measure import Where
from ray_pipeline.sla.measures.distinct import EXACT, Distinct, DistinctCount


def of(values: object, kind: pa.DataType | None = None) -> Distinct:
    return DistinctCount(("x",)).of(pa.table({"x": pa.array(values, kind)}), Where("f", 0))


@pytest.mark.parametrize(
    "values", [[], [None, None], ["a", None, "b", "a"], [1.0, -0.0, 0.0, None], [True, False, True]]
)
def test_few_values_are_counted_exactly_and_null_is_none(values) -> None:
    found = of(values, pa.string() if not values else None)
    assert found.value().value == len({value for value in values if value is not None})
    assert found.value().error_bound is None
    assert (found.rows, found.nulls) == (len(values), values.count(None))


@pytest.mark.parametrize("count", [EXACT, EXACT + 1, 5_000, 30_000, 200_000])
def test_many_values_are_counted_within_the_bound(count) -> None:
    misses = []
    for start in range(0, 32 * 10**7, 10**7):
        estimate = of(np.arange(start, start + count)).value()
        misses.append(estimate.value / count - 1)
        assert (estimate.error_bound is None) == (count <= EXACT)
    assert max(np.abs(misses)) <= (0.032 if count > EXACT else 0), "four standard errors"
    assert np.sqrt(np.mean(np.square(misses))) <= 0.011


def test_a_value_is_the_same_in_every_type_that_can_hold_it() -> None:
    merged = of([1, 2], pa.int32()).merge(of([1, 2], pa.int64())).merge(of([2.0, 1.0])).merge(of([Decimal("1.00")]))
    assert merged.value().value == 2
    texts = of(["x"]).merge(of(["x"], pa.large_string())).merge(of(["x"], pa.dictionary(pa.int8(), pa.string())))
    assert texts.value().value == 1


def test_a_column_of_lists_says_that_it_cannot_be_counted() -> None:
    with pytest.raises((ValueError, pa.ArrowNotImplementedError)):
        of([[1]])
