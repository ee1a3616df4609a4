"""Bounds on a column as a whole: its mean, ends, spread, quantiles, the share of a value, how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.log_buckets import Estimate
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.measures.column_values import NumberSummary
from ray_pipeline.sla.measures.distinct import DistinctCount
from ray_pipeline.sla.measures.share import Scalar, ValueShare
from ray_pipeline.sla.result import CheckResult
from ray_pipeline.sla.targets import Moves, judge, number

from .promise import Promise, partial_of, so_far

Statistic = Literal["mean", "min", "max", "stddev", "quantile", "share", "distinctCount"]
_MOVES: Final = {"min": Moves.DOWN, "max": Moves.UP, "distinctCount": Moves.UP}
_NAMES: Final = {
    "mean": "mean",
    "min": "lowest value",
    "max": "highest value",
    "stddev": "standard deviation",
    "distinctCount": "number of different values",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution(Promise):
    """One statistic of the day's values that are there; while rows may come, only what cannot go back is final."""

    path: Column
    statistic: Statistic
    quantile: float = 0.5
    value: Scalar = None
    """Whose share it is."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        if self.statistic == "share":
            return (ValueShare(self.path, (self.value,)),)
        if self.statistic == "distinctCount":
            return (DistinctCount(self.path),)
        return (NumberSummary(self.path),)

    def judge(self, view: DayView) -> CheckResult:
        found = partial_of(view, self.measures[0])
        if found is None:
            return self.missing(view)
        estimate = self._value(found)
        if estimate is None:
            return self.unknown(view, f"No row has a value in {self.column}, or too few.")
        moves = _MOVES.get(self.statistic, Moves.BOTH)
        verdict = judge(self.targets, estimate.value, complete=view.complete, moves=moves)
        detail = f"The {self._words()} of {self.column} is {number(estimate.value)}{so_far(view)}."
        return self.result(view, verdict, value=estimate.value, detail=detail, error_bound=estimate.error_bound)

    def _value(self, found: Any) -> Estimate | None:
        match self.statistic:
            case "quantile":
                estimate: Estimate | None = found.quantile(self.quantile)
                return estimate
            case "mean":
                value = found.mean()
            case "stddev":
                value = found.stddev()
            case "min":
                value = found.minimum()
            case "max":
                value = found.maximum()
            case "share":
                value = found.value()
            case "distinctCount":
                different: Estimate = found.value()
                return different
        return None if value is None else Estimate(float(value))

    def _words(self) -> str:
        if self.statistic == "quantile":
            return f"{number(100 * self.quantile)} % quantile"
        return "share of one value" if self.statistic == "share" else _NAMES[self.statistic]
