"""The bins of a column: fixed at training, so that any two windows of it can be compared by their counts alone.

Every value is in exactly one bin. Bin 0 is for what is missing.

- A number's bins are cut by its edges e0 < e1 < … < ek: below e0, [e0, e1), …, ek and above. The two ends are open, so
  that what training never saw has a place too.
- A category's bins are the categories of its table, in alphabetical order, and a last one for all others: those that
  were rare at training and those that it never saw.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow.compute as pc

from .values import Floats, as_floats, as_texts

BINS = 32
"""So many bins has a number at most, the missing and the two open ends not counted."""
RARE_ROWS, RARE_SHARE, MOST_CATEGORIES = 20, 0.001, 200
"""A category of its own has at least so many rows, and at least this share of all; and there are no more than that."""
FLAGS = ("false", "true")
MISSING, OTHER = "missing", "other"


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """A number, cut at fixed edges."""

    name: str
    edges: tuple[float, ...]
    """Finite, each above the one before; none where training saw no value at all."""
    few: bool = False
    """Each bin is one value of training: the edges are those values, and the last is just above the greatest."""

    @property
    def kind(self) -> str:
        """``number``."""
        return "number"

    @property
    def bins(self) -> int:
        """How many bins there are, that of the missing included."""
        return len(self.edges) + 2

    def labels(self) -> tuple[str, ...]:
        """Return what each bin holds, for people.

        >>> NumericColumn("delay", (0.0, 15.0)).labels()
        ('missing', 'below 0', '[0, 15)', '15 and above')
        """
        if not self.edges:
            return (MISSING, "any value")
        first, last = self.edges[0], self.edges[-1]
        if self.few:
            values = self.edges[: _values(self.edges)]
            ends = (f"above {values[-1]:.12g}",) if len(values) < len(self.edges) else ()
            return (MISSING, f"below {first:.12g}", *(f"{value:.12g}" for value in values), *ends)
        middle = (f"[{low:.6g}, {high:.6g})" for low, high in pairwise(self.edges))
        return (MISSING, f"below {first:.6g}", *middle, f"{last:.6g} and above")

    def __post_init__(self) -> None:
        edges = self.edges
        if not all(math.isfinite(edge) for edge in edges):
            raise ValueError(f"an edge of {self.name} is not finite")
        if any(low >= high for low, high in pairwise(edges)):
            raise ValueError(f"the edges of {self.name} do not rise")


@dataclass(frozen=True, slots=True)
class CategoryColumn:
    """A category or a flag, with the table of those that are counted one by one."""

    name: str
    categories: tuple[str, ...]
    """In alphabetical order (by code points)."""
    flag: bool = False
    """The categories are false and true."""

    @property
    def kind(self) -> str:
        """``category`` or ``flag``."""
        return "flag" if self.flag else "category"

    @property
    def bins(self) -> int:
        """How many bins there are, those of the missing and of all others included."""
        return len(self.categories) + 2

    def labels(self) -> tuple[str, ...]:
        """Return what each bin holds, for people; ``missing`` and ``other`` are the first and the last of them."""
        return (MISSING, *self.categories, OTHER)

    def __post_init__(self) -> None:
        if list(self.categories) != sorted(set(self.categories)):
            raise ValueError(f"the categories of {self.name} are not in order, each once")
        if self.flag and self.categories != FLAGS:
            raise ValueError(f"the categories of flag {self.name} are not false and true")


Column = NumericColumn | CategoryColumn


def column_of(name: str, kind: str, values: Any, *, bins: int = BINS) -> Column:
    """Return the bins of a column, from the values that the model was fitted to; ``kind``: number, category or flag."""
    if kind == "number":
        return numeric_column(name, as_floats(values), bins=bins)
    if kind == "flag":
        return CategoryColumn(name, FLAGS, flag=True)
    if kind == "category":
        return category_column(name, values)
    raise ValueError(f"column {name} is a {kind}, and number, category and flag can be counted")


def numeric_column(name: str, values: Floats, *, bins: int = BINS) -> NumericColumn:
    """Return the bins of numbers, about as many rows in each; with few values, one bin for each of them.

    A value that fills a bin alone gets one alone. Neither the order of the rows nor a sample decides: the same values
    have the same edges. What is not finite is in the open ends, or missing, and moves no edge.

    >>> numeric_column("stops", np.array([0.0, 2.0, 0.0, 1.0])).labels()
    ('missing', 'below 0', '0', '1', '2', 'above 2')
    >>> len(numeric_column("delay", np.arange(1000.0)).edges)
    31
    """
    if bins < 2:
        raise ValueError(f"a number needs 2 bins at least, not {bins}")
    distinct, rows = np.unique(values[np.isfinite(values)] + 0.0, return_counts=True)
    if len(distinct) == 0:
        return NumericColumn(name, ())
    if len(distinct) <= bins:
        above = math.nextafter(float(distinct[-1]), math.inf)
        edges = [*distinct.tolist(), *([above] if math.isfinite(above) else [])]
        return NumericColumn(name, tuple(edges), few=True)
    below = np.cumsum(rows)  # rows up to each value, so that a quantile is a value that is there
    ranks = np.arange(1, bins) * int(below[-1])  # in whole numbers: no rounding decides between two values
    places = np.searchsorted(below * bins, ranks, side="left")
    found, times = np.unique(places, return_counts=True)
    alone = found[times > 1] + 1
    chosen = np.union1d(found, alone[alone < len(distinct)])
    return NumericColumn(name, tuple(distinct[chosen].tolist()))


def category_column(name: str, values: Any) -> CategoryColumn:
    """Return the table of categories: those that are frequent enough, the most frequent where they are too many."""
    texts = as_texts(values)
    least = max(RARE_ROWS, RARE_SHARE * len(texts))
    tally: Sequence[dict[str, Any]] = pc.value_counts(texts).to_pylist()
    known = [(-one["counts"], one["values"]) for one in tally if one["values"] is not None and one["counts"] >= least]
    return CategoryColumn(name, tuple(sorted(value for _, value in sorted(known)[:MOST_CATEGORIES])))


def _values(edges: tuple[float, ...]) -> int:
    """Return how many edges of a column of few values are values, and not the one just above the greatest."""
    return len(edges) - (len(edges) > 1 and edges[-1] == math.nextafter(edges[-2], math.inf))
