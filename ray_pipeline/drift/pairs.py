"""One column of two tables, ready to be tested: its bins, its counts, and the questions that are asked of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_pipeline.errors import UsageError
from ray_pipeline.text import count

from .distance import jensen_shannon, kind_of, mean_shift, statistics
from .edges import Column
from .kinds import coded
from .permutation import Blocks, Null, Rows, Trial
from .pooled import coarse, pool
from .values import Ints

MISSING = "missing"
"""The name of the test of the share of rows without a value."""


@dataclass(frozen=True, eq=False, slots=True)
class Units:
    """Which block each row of both tables is in: whole blocks are permuted."""

    reference: Ints
    current: Ints
    blocks: tuple[int, int]
    """How many the tables have."""
    shared: int
    """How many are in both: there they count as two."""

    def null(self, width: int, reference: Ints, current: Ints) -> Blocks:
        """Return the counts of each block."""
        before, after = (
            np.bincount(place * width + bins, minlength=blocks * width).reshape(blocks, width)
            for place, bins, blocks in zip(
                (self.reference, self.current), (reference, current), self.blocks, strict=True
            )
        )
        return Blocks(before, after)


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """A column of both tables."""

    name: str
    kind: str
    column: Column
    reference: Ints
    """Rows by bin; bin 0 is for the missing."""
    current: Ints
    tests: tuple[Trial, ...]
    """The test of the values and that of the missing, where there is something to test."""
    notices: tuple[str, ...]

    @property
    def missing(self) -> tuple[float, float]:
        """Share of rows without a value, of each table."""
        return int(self.reference[0]) / int(self.reference.sum()), int(self.current[0]) / int(self.current.sum())

    @property
    def shift(self) -> float | None:
        """A number's mean minus the reference's, in the reference's standard deviations."""
        return mean_shift(self.column, self.reference, self.current)

    def effect(self, test: Trial) -> float:
        """Return the Jensen-Shannon distance of what a test compares."""
        reference, window = test.null.reference, test.null.window
        return jensen_shannon(*(coarse(reference, window) if test.kind == "ks" else (reference, window)))

    @staticmethod
    def statistic(test: Trial) -> float:
        """Return a test's statistic."""
        return float(statistics(test.kind, test.null.reference, test.null.window))


def make_pair(name: str, kind: str, reference: pa.ChunkedArray, current: pa.ChunkedArray, units: Units | None) -> Pair:
    """Put a column of both tables in bins; ``IncomparableError`` where that says nothing."""
    pooled = pool(name, kind, reference, current)
    before, after = pooled.counts()

    def null(width: int, first: Ints, second: Ints) -> Null:
        if units is not None:
            return units.null(width, first, second)
        return Rows(np.bincount(first, minlength=width), np.bincount(second, minlength=width))

    asked: list[tuple[str, Null]] = []
    if before[1:].any() and after[1:].any():
        asked.append((kind_of(pooled.column), null(pooled.column.bins, pooled.reference, pooled.current)))
    missing, there = int(before[0] + after[0]), int(before[1:].sum() + after[1:].sum())
    if missing and there:  # bins 1 and 2: with a value, and without
        asked.append((MISSING, null(3, 1 + (pooled.reference == 0), 1 + (pooled.current == 0))))
    live = max(1, sum(np.count_nonzero((one.reference + one.window)[1:]) > 1 for _, one in asked))
    tests = tuple(Trial(name, "ks" if what == "ks" else "chi2", one, what, 1 / live) for what, one in asked)
    notices = []
    if pooled.infinite:
        notices.append(f"{name}: {count(pooled.infinite, 'infinite value')} counted beyond the last edge")
    if pooled.unseen:
        notices.append(f"{name}: {count(pooled.unseen, 'current row')} of a value that the reference does not have")
    if not there:
        notices.append(f"{name}: neither table has a value")
    return Pair(name, kind, pooled.column, before, after, tests, tuple(notices))


def make_units(name: str, reference: pa.ChunkedArray, current: pa.ChunkedArray) -> Units:
    """Return the blocks that a column's values name; ``UsageError`` where a row has none."""
    places: list[Ints] = []
    named: list[set[str]] = []
    for side, values in (("reference", reference), ("current table", current)):
        try:
            found = coded(values)
        except (TypeError, pa.ArrowException):
            raise UsageError(f"column {name} is {values.type}, which cannot name blocks") from None
        if missing := int((found.codes < 0).sum()):
            raise UsageError(f"{count(missing, 'row')} of the {side} have no {name}, so no block")
        order = np.argsort(
            np.argsort(np.array(found.texts, object), kind="stable")
        )  # places do not tell who came first
        places.append(order[found.codes])
        named.append(set(found.texts))
    return Units(places[0], places[1], (len(named[0]), len(named[1])), len(named[0] & named[1]))
