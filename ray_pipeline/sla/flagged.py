"""Rows that break a rule: how many, some of them for people, and where they all are in their file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pyarrow as pa

from .measure import Array, RowRef, State, Where

EXAMPLES = 5
_HAVE_OFFSETS = {"_partition", "_offset"}
_NOWHERE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class FlaggedRows:
    """What a rule on rows saw. Positions count within one file (and day): across files only the counts mean anything.

    Raises nothing; ``merge`` is exact in any order, because positions and examples are kept sorted.
    """

    rows: int = 0
    flagged: int = 0
    examples: tuple[RowRef, ...] = ()
    positions: Array = field(default_factory=lambda: _NOWHERE)
    """Row numbers, ascending, int64; all of them."""
    problem: str | None = None
    """Why the rule could not be judged on some row, in one sentence; then the counts mean nothing."""

    def merge(self, other: Self) -> FlaggedRows:
        one, two = self.positions, other.positions
        if len(one) and len(two) and one[0] > two[0]:
            one, two = two, one
        apart = not (len(one) and len(two)) or one[-1] < two[0]  # as the batches of one file are
        positions = np.concatenate([one, two]) if apart else np.union1d(one, two)
        return FlaggedRows(
            self.rows + other.rows,
            self.flagged + other.flagged,
            tuple(sorted(self.examples + other.examples)[:EXAMPLES]),
            positions,
            min((one for one in (self.problem, other.problem) if one is not None), default=None),
        )

    def counts(self) -> FlaggedRows:
        """Return the same without positions: what may be merged across files."""
        return FlaggedRows(self.rows, self.flagged, self.examples, problem=self.problem)

    def state(self) -> State:
        examples = [[ref.source, ref.partition, ref.offset] for ref in self.examples]
        values: dict[str, Any] = {"rows": self.rows, "flagged": self.flagged, "examples": examples}
        if self.problem is not None:
            values["problem"] = self.problem
        return State(values, {"positions": self.positions.astype("<i8")})

    @classmethod
    def load(cls, state: State) -> FlaggedRows:
        """Return what was stored."""
        examples = tuple(RowRef(str(s), int(p), int(o)) for s, p, o in state.values["examples"])
        problem = state.values.get("problem")
        if problem is not None and not isinstance(problem, str):
            raise ValueError("a problem that is no sentence")
        rows, flagged = int(state.values["rows"]), int(state.values["flagged"])
        return cls(rows, flagged, examples, state.arrays["positions"], problem)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FlaggedRows):
            return NotImplemented
        mine = (self.rows, self.flagged, self.examples, self.problem)
        theirs = (other.rows, other.flagged, other.examples, other.problem)
        return mine == theirs and np.array_equal(self.positions, other.positions)

    __hash__ = None  # type: ignore[assignment]


def flag(batch: pa.Table, mask: Array, where: Where) -> FlaggedRows:
    """Return the rows of a batch for which ``mask`` (bool, one per row) is true."""
    positions = np.flatnonzero(mask).astype(np.int64)
    examples = row_refs(batch, _lowest(batch, positions), where)
    return FlaggedRows(batch.num_rows, len(positions), examples, positions + where.first_row)


def row_refs(batch: pa.Table, rows: Array, where: Where) -> tuple[RowRef, ...]:
    """Name rows of a batch, lowest first: by partition and offset where the batch has them, else by number."""
    if set(batch.column_names) >= _HAVE_OFFSETS:
        taken = batch.select(["_partition", "_offset"]).take(pa.array(rows))
        pairs = zip(taken.column(0).to_pylist(), taken.column(1).to_pylist(), strict=True)
        return tuple(sorted(RowRef(where.source, partition, offset) for partition, offset in pairs))
    return tuple(RowRef(where.source, -1, where.first_row + int(row)) for row in rows)


def _lowest(batch: pa.Table, rows: Array) -> Array:
    """Return the rows whose names are the lowest; a file's rows need not be in the order of their offsets."""
    if len(rows) <= EXAMPLES or not set(batch.column_names) >= _HAVE_OFFSETS:
        return rows[:EXAMPLES]
    partitions, offsets = (batch.column(name).to_numpy()[rows] for name in ("_partition", "_offset"))
    if (partitions == partitions[0]).all() and (offsets[1:] > offsets[:-1]).all():
        return rows[:EXAMPLES]
    return rows[np.lexsort((offsets, partitions))[:EXAMPLES]]
