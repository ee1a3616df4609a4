"""The baseline of a model version: how each column and the score were distributed, day by day, at training.

The bins are made from the rows that the model was fitted to, and the counts from all its rows, a block for each day:
days are what an alarm is calibrated on, for the rows of one day are not independent. The score counts only rows that
the model was not fitted to; on those that it was, it looks surer of itself than it will ever be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from .counts import BlockCounts, assign, count_bins
from .edges import BINS, Column, NumericColumn, column_of, numeric_column
from .values import Ints, as_arrow, as_days, as_floats, minutes_before

SCORE = "score"


@dataclass(frozen=True, eq=False, slots=True)
class Baseline:
    """Bins that stay, and the counts of training in them."""

    columns: tuple[Column, ...]
    blocks: tuple[str, ...]
    """ISO days (UTC) of the rows, in order."""
    counts: tuple[Ints, ...]
    """For each column: a row for each block, a column for each bin."""
    score: NumericColumn | None
    """None: the baseline has no score."""
    score_blocks: tuple[str, ...]
    score_counts: Ints | None
    fit_rows: int
    """The rows that the bins were made from."""
    fit_splits: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    """The splits whose rows are counted."""
    score_splits: tuple[str, ...] = ()
    """The splits whose scores are counted: the model was not fitted to them."""

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.counts[0].sum()) if self.counts else 0

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return a column's bins; ``KeyError`` where there is no such column."""
        return self.columns[self._place(name)]

    def of(self, name: str) -> BlockCounts:
        """Return a column's counts; ``KeyError`` where there is no such column."""
        return BlockCounts(self.blocks, self.counts[self._place(name)])

    def of_score(self) -> BlockCounts | None:
        """Return the score's counts."""
        return None if self.score_counts is None else BlockCounts(self.score_blocks, self.score_counts)

    def missing_share(self, name: str) -> float | None:
        """Return which share of a column was missing; None where nothing was counted."""
        total = self.of(name).total
        rows = int(total.sum())
        return int(total[0]) / rows if rows else None

    def to_files(self) -> dict[str, bytes]:
        """Return the baseline as its two files: always the same bytes for the same baseline."""
        from .files import to_files

        return to_files(self)

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], *, place: str = "") -> Baseline:
        """Read what :meth:`to_files` wrote; ``FileCorruptError`` where it is not that. ``place`` is for the message."""
        from .files import from_files

        return from_files(files, place=place)

    def _place(self, name: str) -> int:
        for index, column in enumerate(self.columns):
            if column.name == name:
                return index
        raise KeyError(f"the baseline has no column {name}")

    def __eq__(self, other: object) -> bool:
        return self.to_files() == other.to_files() if isinstance(other, Baseline) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def make_baseline(
    columns: Mapping[str, tuple[str, Any]],
    days: Any,
    *,
    fit_mask: Any,
    scores: Any = None,
    score_days: Any = None,
    bins: int = BINS,
    fit_splits: Sequence[str] = (),
    splits: Sequence[str] = (),
    score_splits: Sequence[str] = (),
) -> Baseline:
    """Return the baseline of a training set's columns.

    ``columns``: name → (number, category or flag; values before encoding, in any kind of array); ``days``: of each row;
    ``fit_mask``: which rows the model was fitted to. ``scores`` and ``score_days`` are of rows that it was not fitted
    to, in arrays of their own.
    """
    blocks = as_days(days)
    fit = np.asarray(as_arrow(fit_mask).to_numpy(zero_copy_only=False), bool)
    if len(fit) != len(blocks):
        raise ValueError(f"there are {len(blocks)} days and {len(fit)} marks of the rows that were fitted to")
    chosen = pa.array(fit)
    made: list[Column] = []
    counted: list[BlockCounts] = []
    for name, (kind, given) in columns.items():
        values = as_arrow(given)
        if len(values) != len(blocks):
            raise ValueError(f"column {name} has {len(values)} values for {len(blocks)} rows")
        column = column_of(name, kind, values.filter(chosen), bins=bins)
        made.append(column)
        counted.append(count_bins(assign(column, values), blocks, column.bins))
    score, score_counts = _score(scores, score_days, bins)
    return Baseline(
        columns=tuple(made),
        blocks=tuple(np.unique(blocks).astype(str).tolist()),
        counts=tuple(one.counts for one in counted),
        score=score,
        score_blocks=score_counts.blocks if score_counts else (),
        score_counts=score_counts.counts if score_counts else None,
        fit_rows=int(fit.sum()),
        fit_splits=tuple(fit_splits),
        splits=tuple(splits),
        score_splits=tuple(score_splits),
    )


def table_baseline(
    table: Any,
    kinds: Mapping[str, str],
    *,
    fit: str,
    score_splits: Sequence[str] = (),
    scores: Any = None,
    split: str = "split",
    asked_at: str = "asked_at",
    bins: int = BINS,
) -> Baseline:
    """Return the baseline of a training set.

    ``kinds``: column → number, category, flag, or moment: minutes before the moment asked. A number that is not finite
    is missing, as it is to the model and in the events of its answers. ``scores`` has a probability for each row of the
    table, of which those of ``score_splits`` are counted.
    """
    found = table if isinstance(table, pa.Table) else pa.table(table)
    asked, named = found.column(asked_at), as_arrow(found.column(split))
    columns = {name: _as_seen(str(kind), found.column(name), asked) for name, kind in kinds.items()}
    names, days = np.asarray(named.to_pylist(), object), as_days(asked)
    held_out = np.isin(names, list(score_splits))
    return make_baseline(
        columns,
        days,
        fit_mask=names == fit,
        scores=None if scores is None else as_floats(scores)[held_out],
        score_days=None if scores is None else days[held_out],
        bins=bins,
        fit_splits=(fit,),
        splits=tuple(sorted(set(names), key=lambda name: (days[names == name].min(), name))),
        score_splits=tuple(score_splits),
    )


def _as_seen(kind: str, column: pa.ChunkedArray, asked: pa.ChunkedArray) -> tuple[str, Any]:
    if kind == "moment":
        return "number", minutes_before(column, asked)
    if kind != "number":
        return kind, column
    floats = as_floats(column)
    return kind, np.where(np.isfinite(floats), floats, np.nan)


def _score(scores: Any, days: Any, bins: int) -> tuple[NumericColumn | None, BlockCounts | None]:
    if scores is None:
        return None, None
    if days is None:
        raise ValueError("scores need the days of their rows (score_days)")
    floats, blocks = as_floats(scores), as_days(days)
    if len(floats) != len(blocks):
        raise ValueError(f"there are {len(floats)} scores for {len(blocks)} days")
    column = numeric_column(SCORE, floats, bins=bins)
    return column, count_bins(assign(column, floats), blocks, column.bins)
