"""Which rows have no value in a column, or one that stands for none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla import stored
from ray_pipeline.sla.columns import as_array, as_numpy, as_type, is_one_of, measure_id, null_mask, values
from ray_pipeline.sla.flagged import FlaggedRows, flag
from ray_pipeline.sla.measure import State, Where

Scalar = str | int | float | bool | None
DEFAULT_MISSING: tuple[Scalar, ...] = (None, "", "N/A")
"""What ODCS's ``missingValues`` counts as missing where a contract does not say (``arguments.missingValues``)."""


@dataclass(frozen=True, slots=True)
class MissingRows:
    """Flags the rows where ``column`` is one of ``values``; null always is one of them, listed or not."""

    column: Column
    values: tuple[Scalar, ...] = DEFAULT_MISSING
    keep_positions: bool = True

    @property
    def id(self) -> str:
        listed = sorted({repr(value) for value in self.values if value is not None})
        return measure_id("missing_rows", column=self.column, values=listed, positions=self.keep_positions)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column[0],)

    def zero(self) -> FlaggedRows:
        return FlaggedRows()

    def of(self, batch: pa.Table, where: Where) -> FlaggedRows:
        column = values(batch, self.column)
        listed = as_type((value for value in self.values if value is not None), column.type)
        mask = null_mask(column) if column.null_count else np.zeros(batch.num_rows, bool)
        if len(listed):
            mask |= as_numpy(as_array(is_one_of(column, listed).fill_null(False)))
        if not mask.any():
            return FlaggedRows(batch.num_rows)
        found = flag(batch, mask, where)
        return found if self.keep_positions else found.counts()

    def load(self, state: State) -> FlaggedRows:
        return stored.flagged_rows(state)
