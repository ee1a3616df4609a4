"""A column of numbers in summary: how many, their sum, mean, spread, ends and quantiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import as_array, as_numpy, measure_id, values
from ray_pipeline.sla.exact_sums import decimal_sizes, square_root, sum_decimals, sum_floats, sum_whole
from ray_pipeline.sla.log_buckets import ERROR_BOUND, Estimate, LogBuckets
from ray_pipeline.sla.measure import Array, State, Where


@dataclass(frozen=True, slots=True)
class Numbers:
    """Everything but the quantiles is exact until it is asked for, and then rounded once."""

    rows: int = 0
    nulls: int = 0
    not_finite: int = 0
    """NaN and infinities: counted, and in nothing else."""
    total: Fraction = Fraction(0)
    squares: Fraction = Fraction(0)
    """The sum of the squares."""
    lowest: Fraction | None = None
    highest: Fraction | None = None
    buckets: LogBuckets = field(default_factory=LogBuckets)

    @property
    def count(self) -> int:
        """How many numbers everything is about."""
        return self.rows - self.nulls - self.not_finite

    def merge(self, other: Numbers) -> Numbers:
        lows = [low for low in (self.lowest, other.lowest) if low is not None]
        highs = [high for high in (self.highest, other.highest) if high is not None]
        return Numbers(
            self.rows + other.rows,
            self.nulls + other.nulls,
            self.not_finite + other.not_finite,
            self.total + other.total,
            self.squares + other.squares,
            min(lows, default=None),
            max(highs, default=None),
            self.buckets.merge(other.buckets),
        )

    def sum(self) -> float:
        return as_float(self.total)

    def mean(self) -> float | None:
        return as_float(self.total / self.count) if self.count else None

    def stddev(self) -> float | None:
        """Return the standard deviation of a sample (over ``count - 1``); None of fewer than two numbers."""
        if self.count < 2:
            return None
        variance = (self.squares - self.total * self.total / self.count) / (self.count - 1)
        return square_root(variance)

    def minimum(self) -> float | None:
        return None if self.lowest is None else as_float(self.lowest)

    def maximum(self) -> float | None:
        return None if self.highest is None else as_float(self.highest)

    def quantile(self, p: float) -> Estimate | None:
        """Return the number that the share ``p`` (0 to 1) of the numbers do not exceed; the ends are exact."""
        value, low, high = self.buckets.quantile(p), self.minimum(), self.maximum()
        if value is None or low is None or high is None:
            return None
        if p >= 1 or p <= 0:
            return Estimate(high if p >= 1 else low)
        return Estimate(min(max(value, low), high), ERROR_BOUND)

    def state(self) -> State:
        counts = {"rows": self.rows, "nulls": self.nulls, "not_finite": self.not_finite}
        sums = {"total": _text(self.total), "squares": _text(self.squares)}
        ends = {"lowest": _text(self.lowest), "highest": _text(self.highest)}
        return State({**counts, **sums, **ends}, self.buckets.state().arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and stored.same_state(self.state(), other.state())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class NumberSummary:
    """Summarises a column of integers, decimals or floats."""

    column: Column

    @property
    def id(self) -> str:
        return measure_id("number_summary", column=self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> Numbers:
        return Numbers()

    def of(self, batch: pa.Table, where: Where) -> Numbers:  # noqa: ARG002
        column = values(batch, self.column)
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise ValueError(f"a column of {kind} has no numbers")
        nulls = column.null_count
        present = as_array(column.drop_null() if nulls else column)
        if pa.types.is_decimal(kind):
            return _of_decimals(present, batch.num_rows, nulls)
        numbers = as_numpy(present)
        if pa.types.is_integer(kind):
            return _of_integers(numbers, batch.num_rows, nulls)
        return _of_floats(numbers.astype(np.float64, copy=False), batch.num_rows, nulls)

    def load(self, state: State) -> Numbers:
        rows, nulls, not_finite = (stored.whole(state, name) for name in ("rows", "nulls", "not_finite"))
        total, squares, lowest, highest = (_fraction(state, n) for n in ("total", "squares", "lowest", "highest"))
        count = rows - nulls - not_finite
        if count < 0 or (lowest is None) != (count == 0) or (highest is None) != (count == 0):
            raise ValueError("rows and numbers do not agree")
        if total is None or squares is None or squares * count < total * total:
            raise ValueError("sums that no numbers have")
        if lowest is not None and highest is not None and not lowest * count <= total <= highest * count:
            raise ValueError("a mean that is not between the ends")
        return Numbers(rows, nulls, not_finite, total, squares, lowest, highest, LogBuckets.load(state, count))


def as_float(number: Fraction) -> float:
    """Return the nearest float; infinite where there is none so large."""
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _of_integers(numbers: Array, rows: int, nulls: int) -> Numbers:
    if not len(numbers):
        return Numbers(rows, nulls)
    total, squares = sum_whole(numbers)
    ends = Fraction(int(numbers.min())), Fraction(int(numbers.max()))
    return Numbers(rows, nulls, 0, Fraction(total), Fraction(squares), *ends, LogBuckets.of(numbers.astype(np.float64)))


def _of_floats(numbers: Array, rows: int, nulls: int) -> Numbers:
    finite = np.isfinite(numbers)
    odd = len(numbers) - int(np.count_nonzero(finite))
    if odd:
        numbers = numbers[finite]
    if not len(numbers):
        return Numbers(rows, nulls, odd)
    ends = Fraction(float(numbers.min())), Fraction(float(numbers.max()))
    return Numbers(rows, nulls, odd, *sum_floats(numbers), *ends, LogBuckets.of(numbers))


def _of_decimals(column: pa.Array, rows: int, nulls: int) -> Numbers:
    if not len(column):
        return Numbers(rows, nulls)
    one = Fraction(10) ** -column.type.scale
    total, squares = sum_decimals(column)
    ends = pc.min_max(column)
    low, high = Fraction(ends["min"].as_py()), Fraction(ends["max"].as_py())
    buckets = LogBuckets.of(decimal_sizes(column))
    return Numbers(rows, nulls, 0, total * one, squares * one * one, low, high, buckets)


def _text(number: Fraction | None) -> str | None:
    return None if number is None else f"{number.numerator:x}/{number.denominator:x}"


def _fraction(state: State, name: str) -> Fraction | None:
    if state.values.get(name, "") is None:
        return None
    top, _, bottom = stored.text(state, name).partition("/")
    if not (bottom and len(top) < 4096 and len(bottom) < 4096):
        raise ValueError(f"{name} is not a fraction")
    numerator, denominator = int(top, 16), int(bottom, 16)
    if denominator < 1:
        raise ValueError(f"{name} is not a fraction")
    number = Fraction(numerator, denominator)
    if _text(number) != f"{top}/{bottom}":
        raise ValueError(f"{name} is not in lowest terms")
    return number
