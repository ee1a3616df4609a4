"""Which bin each value is in, and how many of a block are in each; blocks of many files add up in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .edges import Column, NumericColumn
from .values import Ints, as_arrow, as_days, as_floats, as_texts


@dataclass(frozen=True, eq=False, slots=True)
class BlockCounts:
    """Rows by block and bin."""

    blocks: tuple[str, ...]
    """ISO days, UTC, in order, each once."""
    counts: Ints
    """A row for each block, a column for each bin."""

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[0] != len(self.blocks):
            raise ValueError(f"{len(self.blocks)} blocks need as many rows of counts, not {self.counts.shape}")

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.counts.sum())

    @property
    def total(self) -> Ints:
        """Rows by bin, of all blocks together."""
        total: Ints = self.counts.sum(axis=0, dtype=np.int64)
        return total

    def aligned(self, blocks: Sequence[str]) -> Ints:
        """Return the counts with a row for each of ``blocks``: zeros where nothing was counted."""
        place = {block: index for index, block in enumerate(blocks)}
        if missing := [block for block in self.blocks if block not in place]:
            raise ValueError(f"block {missing[0]} was counted and is not asked for")
        found = np.zeros((len(blocks), self.counts.shape[1]), np.int64)
        found[[place[block] for block in self.blocks]] = self.counts
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BlockCounts):
            return NotImplemented
        return self.blocks == other.blocks and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]


def assign(column: Column, values: Any) -> Ints:
    """Return the bin of each value; null and NaN are missing, and an infinity is in an open end.

    >>> assign(NumericColumn("delay", (0.0, 15.0)), [-3, 0, 14.9, 15, None]).tolist()
    [1, 2, 2, 3, 0]
    >>> from ray_pipeline.drift.edges import CategoryColumn
    >>> assign(CategoryColumn("carrier", ("AA", "UA")), ["UA", "ZZ", None]).tolist()
    [2, 3, 0]
    """
    if isinstance(column, NumericColumn):
        floats = as_floats(values)
        bins: Ints = np.searchsorted(np.asarray(column.edges), floats, side="right").astype(np.int64) + 1
        bins[np.isnan(floats)] = 0
        return bins
    texts = as_texts(_as_flags(values) if column.flag else values)
    place = pc.index_in(texts, value_set=pa.array(column.categories, pa.string()), skip_nulls=True)
    found: Ints = place.fill_null(len(column.categories)).to_numpy(zero_copy_only=False).astype(np.int64) + 1
    found[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    return found


def counts(column: Column, values: Any, days: Any) -> BlockCounts:
    """Count the rows of each block by bin; ``days`` says, row by row, which day (UTC) it belongs to."""
    found, bins = as_days(days), assign(column, values)
    if len(found) != len(bins):
        raise ValueError(f"{column.name} has {len(bins)} values for {len(found)} days")
    return count_bins(bins, found, column.bins)


def count_bins(bins: Ints, days: Any, width: int) -> BlockCounts:
    """Count rows whose bins are known; ``days`` as :func:`as_days` gives them."""
    blocks, place = np.unique(days, return_inverse=True)
    flat = np.bincount(place.astype(np.int64) * width + bins, minlength=len(blocks) * width)
    return BlockCounts(tuple(blocks.astype(str).tolist()), flat.astype(np.int64).reshape(len(blocks), width))


def merge(parts: Iterable[BlockCounts]) -> BlockCounts:
    """Add up counts of one column from many files or windows: in any order the same, to the last row.

    >>> day = BlockCounts(("2013-02-05",), np.array([[0, 2]]))
    >>> merge([day, day]).counts.tolist()
    [[0, 4]]
    """
    found = list(parts)
    widths = {one.counts.shape[1] for one in found}
    if len(widths) != 1:
        raise ValueError(f"counts of {sorted(widths)} bins do not add up: they are not of one column")
    blocks = tuple(sorted({block for one in found for block in one.blocks}))
    total = np.zeros((len(blocks), widths.pop()), np.int64)
    for one in found:
        total += one.aligned(blocks)
    return BlockCounts(blocks, total)


def _as_flags(values: Any) -> Any:
    """Return flags as they are, or as booleans where they are ones and zeros already."""
    found = as_arrow(values)
    if not (pa.types.is_integer(found.type) or pa.types.is_floating(found.type)):
        return found
    floats = as_floats(found)
    texts = np.where(floats == 1, "true", np.where(floats == 0, "false", "other"))
    return pa.array(texts, pa.string(), mask=np.isnan(floats))
