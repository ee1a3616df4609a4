"""A window's counts beside those of the baseline, checked, with days that only one of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ray_pipeline.errors import BaselineError

from .baseline import SCORE, Baseline
from .counts import BlockCounts
from .edges import Column
from .values import Ints
from .verdict import Window


@dataclass(frozen=True, eq=False, slots=True)
class Compared:
    """One column of a window and of its baseline."""

    name: str
    kind: str
    """``number``, ``category``, ``flag``, or ``score``."""
    column: Column
    before: Ints
    """A row for each of the side's days before, a column for each bin."""
    window: Ints
    """The same of the window's days."""


@dataclass(frozen=True, eq=False, slots=True)
class Side:
    """Columns that were counted on the same days: those of the rows, or the score alone, which has fewer."""

    days_before: tuple[str, ...]
    days: tuple[str, ...]
    """Those of the window that have rows."""
    columns: tuple[Compared, ...]
    shared: int
    """How many days of the baseline are the window's too, and were left out."""

    @property
    def rows(self) -> int:
        """How many rows the window has."""
        return max((int(one.window.sum()) for one in self.columns), default=0)

    @property
    def rows_before(self) -> int:
        """How many rows the baseline has, without the window's days."""
        return max((int(one.before.sum()) for one in self.columns), default=0)


def sides_of(subject: str, baseline: Baseline, counts: Mapping[str, BlockCounts], window: Window) -> tuple[Side, ...]:
    """Return what is compared; a column of the baseline that was not counted is in no side.

    ``BaselineError`` where a column was counted in other bins than the baseline's.
    """
    asked = [(column, column.kind, baseline.of(column.name)) for column in baseline.columns]
    sides = [_side(subject, [one for one in asked if one[0].name in counts], counts, window)]
    score = baseline.of_score()
    if baseline.score is not None and score is not None and SCORE in counts and SCORE not in baseline.names:
        sides.append(_side(subject, [(baseline.score, SCORE, score)], counts, window))
    return tuple(side for side in sides if side.columns)


def _side(
    subject: str,
    asked: list[tuple[Column, str, BlockCounts]],
    counts: Mapping[str, BlockCounts],
    window: Window,
) -> Side:
    found = {column.name: _within(counts[column.name], window) for column, _, _ in asked}
    days = tuple(sorted({day for one in found.values() for day in one.blocks}))
    blocks = asked[0][2].blocks if asked else ()
    kept = [place for place, day in enumerate(blocks) if not window.first <= day < window.until]
    columns = []
    for column, kind, before in asked:
        name = column.name
        if counts[name].counts.shape[1] != column.bins:
            raise BaselineError(
                subject,
                f"column {name} was counted in {counts[name].counts.shape[1]} bins, and the baseline has "
                f"{column.bins}; count its rows in the baseline's bins",
            )
        columns.append(Compared(name, kind, column, before.counts[kept], found[name].aligned(days)))
    return Side(tuple(blocks[place] for place in kept), days, tuple(columns), len(blocks) - len(kept))


def _within(found: BlockCounts, window: Window) -> BlockCounts:
    """Return the days of a window that have rows."""
    rows = found.counts.sum(axis=1)
    kept = [
        place for place, day in enumerate(found.blocks) if window.first <= day < window.until and int(rows[place]) > 0
    ]
    return BlockCounts(tuple(found.blocks[place] for place in kept), found.counts[np.array(kept, np.int64)])
