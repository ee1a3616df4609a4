"""How long after its event time a row had landed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import measure_id, microseconds, values
from ray_pipeline.sla.log_buckets import ERROR_BOUND, Estimate, LogBuckets
from ray_pipeline.sla.measure import State, Where


@dataclass(frozen=True, slots=True)
class Latencies:
    """Landing time minus event time, in microseconds."""

    rows: int = 0
    unknown: int = 0
    """Of the rows: without event time, or of a file that nobody committed."""
    negative: int = 0
    """Of the rows: their event is later than their landing, so a clock is wrong. They count in the quantiles."""
    minimum: int | None = None
    maximum: int | None = None
    """Exact, both."""
    buckets: LogBuckets = field(default_factory=LogBuckets)

    @property
    def known(self) -> int:
        return self.rows - self.unknown

    def merge(self, other: Latencies) -> Latencies:
        lows = [low for low in (self.minimum, other.minimum) if low is not None]
        highs = [high for high in (self.maximum, other.maximum) if high is not None]
        return Latencies(
            self.rows + other.rows,
            self.unknown + other.unknown,
            self.negative + other.negative,
            min(lows, default=None),
            max(highs, default=None),
            self.buckets.merge(other.buckets),
        )

    def quantile(self, p: float) -> Estimate | None:
        """Return the latency (µs) that the share ``p`` (0 to 1) of the rows keeps; None of no rows.

        The highest (``p`` = 1) and the lowest are exact.
        """
        value = self.buckets.quantile(p)
        if value is None or self.minimum is None or self.maximum is None:
            return None
        if p >= 1 or p <= 0:
            return Estimate(float(self.maximum if p >= 1 else self.minimum))
        return Estimate(min(max(value, float(self.minimum)), float(self.maximum)), ERROR_BOUND)

    def at_most(self, limit: int) -> tuple[int, int]:
        """Return how many rows certainly, and how many at most, took no longer than ``limit`` (µs)."""
        if self.maximum is None or limit >= self.maximum:
            return (self.known, self.known)
        return self.buckets.at_most(float(limit))

    def state(self) -> State:
        counts = {"rows": self.rows, "unknown": self.unknown, "negative": self.negative}
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return State({**counts, **bounds}, self.buckets.state().arrays)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Latencies) and stored.same_state(self.state(), other.state())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Latency:
    """Measures from the event time in ``column`` to the landing time of its file."""

    column: Column

    @property
    def id(self) -> str:
        return measure_id("latency", column=self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> Latencies:
        return Latencies()

    def of(self, batch: pa.Table, where: Where) -> Latencies:
        if where.committed_at is None:
            return Latencies(batch.num_rows, batch.num_rows)
        took = where.committed_at - microseconds(values(batch, self.column))
        if not len(took):
            return Latencies(batch.num_rows, batch.num_rows)
        low, high = int(took.min()), int(took.max())
        return Latencies(
            batch.num_rows,
            batch.num_rows - len(took),
            int(np.count_nonzero(took < 0)) if low < 0 else 0,
            low,
            high,
            LogBuckets.of(took.astype(np.float64)),
        )

    def load(self, state: State) -> Latencies:
        rows, unknown, negative = (stored.whole(state, name) for name in ("rows", "unknown", "negative"))
        low, high = stored.whole_or_none(state, "minimum"), stored.whole_or_none(state, "maximum")
        known = rows - unknown
        if known < 0 or negative > known or (low is None) != (known == 0) or (high is None) != (known == 0):
            raise ValueError("rows and latencies do not agree")
        if low is not None and high is not None and low > high:
            raise ValueError("the lowest is above the highest")
        return Latencies(rows, unknown, negative, low, high, LogBuckets.load(state, known))
