"""How many rows there are."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import measure_id
from ray_pipeline.sla.measure import State, Where


@dataclass(frozen=True, slots=True)
class CountedRows:
    """A number of rows."""

    rows: int = 0

    def merge(self, other: CountedRows) -> CountedRows:
        return CountedRows(self.rows + other.rows)

    def value(self) -> int:
        return self.rows

    def state(self) -> State:
        return State({"rows": self.rows})


@dataclass(frozen=True, slots=True)
class RowCount:
    """Counts rows; reads no column."""

    @property
    def id(self) -> str:
        return measure_id("row_count")

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def zero(self) -> CountedRows:
        return CountedRows()

    def of(self, batch: pa.Table, where: Where) -> CountedRows:  # noqa: ARG002
        return CountedRows(batch.num_rows)

    def load(self, state: State) -> CountedRows:
        return CountedRows(stored.whole(state, "rows"))
