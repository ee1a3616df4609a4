"""How many rows have one of some values."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import as_type, is_one_of, measure_id, values
from ray_pipeline.sla.measure import State, Where

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many rows."""

    rows: int = 0
    matching: int = 0

    def merge(self, other: Share) -> Share:
        return Share(self.rows + other.rows, self.matching + other.matching)

    def value(self) -> float | None:
        """Return the percentage, exact up to its one rounding; None of no rows."""
        return 100 * self.matching / self.rows if self.rows else None

    def state(self) -> State:
        return State({"rows": self.rows, "matching": self.matching})


@dataclass(frozen=True, slots=True)
class ValueShare:
    """Counts the rows where ``column`` is one of ``values``; null counts where it is listed."""

    column: Column
    values: tuple[Scalar, ...]

    @property
    def id(self) -> str:
        return measure_id("value_share", column=self.column, values=sorted({repr(value) for value in self.values}))

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> Share:
        return Share()

    def of(self, batch: pa.Table, where: Where) -> Share:  # noqa: ARG002
        column = values(batch, self.column)
        listed = as_type((value for value in self.values if value is not None), column.type)
        matching = column.null_count if None in self.values else 0
        if len(listed):
            matching += pc.sum(is_one_of(column, listed)).as_py() or 0
        return Share(batch.num_rows, matching)

    def load(self, state: State) -> Share:
        share = Share(stored.whole(state, "rows"), stored.whole(state, "matching"))
        if share.matching > share.rows:
            raise ValueError("more matching rows than rows")
        return share
