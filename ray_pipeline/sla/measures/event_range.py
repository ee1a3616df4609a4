"""The first and the last moment in a column."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import measure_id, microseconds, values
from ray_pipeline.sla.measure import State, Where


@dataclass(frozen=True, slots=True)
class Range:
    """From when to when, both included, in microseconds since 1970 UTC; None twice where no row has a moment."""

    rows: int = 0
    """Those that have a moment."""
    first: int | None = None
    last: int | None = None

    def merge(self, other: Range) -> Range:
        if self.first is None or self.last is None:
            return other
        if other.first is None or other.last is None:
            return self
        return Range(self.rows + other.rows, min(self.first, other.first), max(self.last, other.last))

    def value(self) -> tuple[int, int] | None:
        return None if self.first is None or self.last is None else (self.first, self.last)

    def state(self) -> State:
        return State({"rows": self.rows, "first": self.first, "last": self.last})


@dataclass(frozen=True, slots=True)
class EventRange:
    """Finds the range of a column of times or dates."""

    column: Column

    @property
    def id(self) -> str:
        return measure_id("event_range", column=self.column)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> Range:
        return Range()

    def of(self, batch: pa.Table, where: Where) -> Range:  # noqa: ARG002
        moments = microseconds(values(batch, self.column))
        if not len(moments):
            return Range()
        return Range(len(moments), int(moments.min()), int(moments.max()))

    def load(self, state: State) -> Range:
        rows = stored.whole(state, "rows")
        first, last = stored.whole_or_none(state, "first"), stored.whole_or_none(state, "last")
        if (first is None) != (rows == 0) or (last is None) != (rows == 0):
            raise ValueError("moments without rows, or rows without moments")
        if first is not None and last is not None and first > last:
            raise ValueError("the first moment is after the last")
        return Range(rows, first, last)
