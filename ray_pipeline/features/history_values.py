"""The aggregates of a window at many places at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features import spans
from ray_pipeline.features.aggregates import Kind
from ray_pipeline.features.exact import Totals, Whole, decimals_as_floats, quotients, whole
from ray_pipeline.features.shape import FeatureShape, ValueType, ViewShape
from ray_pipeline.features.spans import Array


@dataclass(frozen=True, slots=True)
class _Column:
    """Values of events that are not null, in the order of their events, and where each one counts."""

    view: str
    feature: FeatureShape
    values: pl.Series
    places: int
    begin: Array
    end: Array
    counts: Array
    """How many values count at each place."""


def window_values(shape: ViewShape, events: pl.DataFrame, places: int, begin: Array, end: Array) -> list[pl.Series]:
    """Return each feature's value at each place; the events come in their order, from the oldest to the newest."""
    everything = spans.total(places, begin, end)
    found = []
    for i, feature in enumerate(shape.features):
        if not feature.value_type:
            found.append(pl.Series(feature.name, everything))
            continue
        values, b, e, counts = events[f"v{i}"], begin, end, everything
        if values.null_count():
            filled = values.is_not_null().to_numpy()
            values, b, e = values.drop_nulls(), begin[filled], end[filled]
            counts = spans.total(places, b, e)
        assert feature.kind is not None
        column = _Column(shape.name, feature, values, places, b, e, counts)
        found.append(_AGGREGATES[feature.kind](column).alias(feature.name))
    return found


def as_feature(feature: FeatureShape, values: pl.Series) -> pl.Series:
    """Return values of events as the feature has them: moments as such, decimals as the nearest floats."""
    if feature.type is ValueType.TIMESTAMP:
        return values.cast(pl.Datetime("us", "UTC"))
    return decimals_as_floats(values) if isinstance(values.dtype, pl.Decimal) else values


def _count(column: _Column) -> pl.Series:
    return pl.Series(column.counts)


def _sum(column: _Column) -> pl.Series:
    unit, sums = _sums(column)
    if column.feature.type is ValueType.FLOAT64:
        return _known(column, _rounded(column, sums, unit))
    if isinstance(sums, list) and any(not -(1 << 63) <= one < 1 << 63 for one in sums):
        raise FeatureComputeError(column.view, column.feature.name, "a sum of integers is beyond 64 bits")
    return _known(column, np.array(sums, np.int64))


def _mean(column: _Column) -> pl.Series:
    unit, sums = _sums(column)
    return _known(column, _rounded(column, sums, unit, column.counts))


def _sums(column: _Column) -> tuple[Whole, Totals]:
    unit = whole(column.values)
    return unit, unit.sums(column.places, column.begin, column.end, int(column.counts.max(initial=0)))


def _rounded(column: _Column, sums: Totals, unit: Whole, counts: Array | None = None) -> Array:
    try:
        return quotients(sums, unit, counts)
    except OverflowError:
        raise FeatureComputeError(column.view, column.feature.name, "a sum is beyond the largest float") from None


def _known(column: _Column, found: Array) -> pl.Series:
    """Return the answers, null where there was nothing to answer from."""
    return pl.Series(found).set(pl.Series(column.counts == 0), None)


def _least(column: _Column) -> pl.Series:
    ranks = _ranks(column.values)
    return _by_rank(column, spans.least(column.places, column.begin, column.end, ranks), ranks)


def _greatest(column: _Column) -> pl.Series:
    ranks = _ranks(column.values)
    return _by_rank(column, spans.greatest(column.places, column.begin, column.end, ranks), ranks)


def _last(column: _Column) -> pl.Series:
    ranks = np.arange(len(column.values))
    return _by_rank(column, spans.greatest(column.places, column.begin, column.end, ranks), ranks)


def _distinct(column: _Column) -> pl.Series:
    found = spans.different(column.places, column.begin, column.end, _ranks(column.values))
    assert column.feature.cap is not None
    return pl.Series(np.minimum(found, column.feature.cap))


def _ranks(values: pl.Series) -> Array:
    """Return a number for each value, in their order; equal values have one."""
    return cast(Array, values.rank("dense").cast(pl.Int64).to_numpy()) - 1


def _by_rank(column: _Column, found: Array, ranks: Array) -> pl.Series:
    """Return the value of each rank found, null where there is none."""
    position = np.zeros(len(ranks) + 1, np.int64)
    position[ranks] = np.arange(len(ranks))
    taken = pl.Series(position[found]).set(pl.Series(found == spans.NOTHING), None)
    return as_feature(column.feature, column.values).gather(taken)


_AGGREGATES: dict[Kind, Callable[[_Column], pl.Series]] = {
    Kind.COUNT: _count,
    Kind.SUM: _sum,
    Kind.MEAN: _mean,
    Kind.MIN: _least,
    Kind.MAX: _greatest,
    Kind.SHARE: _mean,
    Kind.LAST: _last,
    Kind.COUNT_DISTINCT: _distinct,
}
