"""Which rows have no value in a column."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import measure_id, null_mask, values
from ray_pipeline.sla.flagged import FlaggedRows, flag
from ray_pipeline.sla.measure import State, Where


@dataclass(frozen=True, slots=True)
class NullRows:
    """Flags the rows where ``column``, or anything that it stands in, is null."""

    column: Column
    keep_positions: bool = True
    """False where nobody quarantines them: a column that is mostly null would store a number for most rows."""

    @property
    def id(self) -> str:
        return measure_id("null_rows", column=self.column, positions=self.keep_positions)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> FlaggedRows:
        return FlaggedRows()

    def of(self, batch: pa.Table, where: Where) -> FlaggedRows:
        column = values(batch, self.column)
        if column.null_count == 0:
            return FlaggedRows(batch.num_rows)
        found = flag(batch, null_mask(column), where)
        return found if self.keep_positions else found.counts()

    def load(self, state: State) -> FlaggedRows:
        return stored.flagged_rows(state)
