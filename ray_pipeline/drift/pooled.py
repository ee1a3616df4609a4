"""The bins of two samples that nobody counted before: from both together, so that no label of a row decides an edge.

That keeps the permutation exact, and gives more bins than a baseline has, which must be counted for every file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from .counts import assign
from .edges import FLAGS, CategoryColumn, Column, numeric_column
from .kinds import CATEGORY, NUMBER, Coded, IncomparableError, coded, plain
from .values import Floats, Ints, as_floats

NUMBER_BINS = 128
MOST_CATEGORIES, FEW_ROWS = 256, 5
"""So many categories have a bin of their own, and each of them at least so many rows, of both samples together."""
EFFECT_BINS = 32
"""A number's effect is measured in no more bins than a baseline has."""
_NEW_EACH_TIME = 0.5


@dataclass(frozen=True, eq=False, slots=True)
class Pooled:
    """A column of both samples, in the same bins."""

    column: Column
    reference: Ints
    """The bin of each row."""
    current: Ints
    infinite: int = 0
    """Rows with an infinity, which is in an open end."""
    unseen: int = 0
    """Current rows of a category that the reference does not have."""

    def counts(self) -> tuple[Ints, Ints]:
        """Return the rows of each side by bin."""
        width = self.column.bins
        return np.bincount(self.reference, minlength=width), np.bincount(self.current, minlength=width)


def pool(name: str, kind: str, reference: pa.ChunkedArray, current: pa.ChunkedArray) -> Pooled:
    """Put both samples in bins of their own making; ``kind``: number, category or flag."""
    if kind == CATEGORY:
        return _categories(name, coded(reference), coded(current))
    before, after = plain(reference), plain(current)
    if kind == NUMBER:
        return _numbers(name, as_floats(before), as_floats(after))
    column = CategoryColumn(name, FLAGS, flag=True)
    return Pooled(column, assign(column, before), assign(column, after))


def coarse(reference: Ints, window: Ints, bins: int = EFFECT_BINS) -> tuple[Ints, Ints]:
    """Return counts in fewer bins: neighbours together, about as many pooled rows in each.

    >>> [one.tolist() for one in coarse(np.array([0, 2, 2, 2, 2]), np.array([7, 1, 1, 1, 1]), 2)]
    [[0, 4, 4], [7, 2, 2]]
    """
    pooled = (reference + window)[1:]
    total = int(pooled.sum())
    if len(pooled) <= bins or not total:
        return reference, window
    before = np.cumsum(pooled) - pooled
    place = np.r_[0, 1 + np.minimum(bins - 1, (2 * before + pooled) * bins // (2 * total))]
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    return np.add.reduceat(reference, starts), np.add.reduceat(window, starts)


def _numbers(name: str, reference: Floats, current: Floats) -> Pooled:
    both = np.concatenate([reference, current])
    column = numeric_column(name, both, bins=NUMBER_BINS)
    return Pooled(column, assign(column, reference), assign(column, current), int(np.isinf(both).sum()))


def _categories(name: str, reference: Coded, current: Coded) -> Pooled:
    texts = tuple(sorted({*reference.texts, *current.texts}))
    place = {text: index for index, text in enumerate(texts)}
    before, after = (
        np.array([*(place[text] for text in one.texts), -1], np.int64)[one.codes] for one in (reference, current)
    )
    first, rows = (
        np.bincount(one[one >= 0], minlength=len(texts)) for one in (before, np.concatenate([before, after]))
    )
    if len(texts) > MOST_CATEGORIES and len(texts) >= _NEW_EACH_TIME * rows.sum():
        raise IncomparableError(f"has {len(texts):,} values in {rows.sum():,} rows: an identifier, or free text")
    known = np.flatnonzero(rows >= FEW_ROWS)
    if len(known) + (len(known) < len(texts)) < 2:
        known = np.arange(len(texts))  # all of them are rare, and one bin would say nothing
    known = np.sort(known[np.argsort(-rows[known], kind="stable")][:MOST_CATEGORIES])
    bins = np.full(len(texts) + 1, len(known) + 1, np.int64)
    bins[known] = np.arange(1, len(known) + 1)
    bins[-1] = 0  # where there is no value
    column = CategoryColumn(name, tuple(texts[index] for index in known))
    return Pooled(column, bins[before], bins[after], unseen=int((rows - first)[first == 0].sum()))
