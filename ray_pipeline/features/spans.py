"""Many spans over the places of one line: what is the greatest, the sum, the number of different ones at each place.

A span covers the places from ``begin`` up to, and without, ``end``. The places of many entities stand in one line, so
that one call answers for all of them: no span leaves its entity's places.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

NOTHING = -1
"""The rank where no span is."""


def greatest(places: int, begin: Array, end: Array, ranks: Array) -> Array:
    """Return the greatest rank at each place; ranks are 0 or more, :data:`NOTHING` where no span covers the place.

    >>> greatest(5, np.array([0, 1]), np.array([3, 2]), np.array([4, 7])).tolist()
    [4, 7, 4, -1, -1]
    """
    # A span is two spans, overlapping or not, of one power of two; spans of a power are pushed down to the next one.
    found = np.full(places, NOTHING, np.int64)
    lengths = end - begin
    if not (lengths > 0).any():
        return found
    powers = np.frexp(lengths.astype(np.float64))[1] - 1
    top = int(powers.max())
    for power in range(top, -1, -1):
        if power < top:
            step = 1 << power
            found[step:] = np.maximum(found[step:], found[:-step])
        here = (powers == power) & (lengths > 0)
        np.maximum.at(found, begin[here], ranks[here])
        np.maximum.at(found, end[here] - (1 << power), ranks[here])
    return found


def least(places: int, begin: Array, end: Array, ranks: Array) -> Array:
    """Return the least rank at each place; ranks are 0 or more, :data:`NOTHING` where no span covers the place."""
    top = int(ranks.max(initial=0))
    found = greatest(places, begin, end, top - ranks)
    return np.where(found == NOTHING, NOTHING, top - found)


def total(places: int, begin: Array, end: Array, amounts: Array | int = 1) -> Array:
    """Return the sum of the amounts at each place.

    Exact where every place's own sum is within 64 bits, however large the sums on the way there: they wrap around.

    >>> total(4, np.array([0, 1]), np.array([3, 2]), np.array([5, -2])).tolist()
    [5, 3, 5, 0]
    """
    steps = np.zeros(places + 1, np.int64)
    np.add.at(steps, begin, amounts)
    np.subtract.at(steps, end, amounts)
    return np.cumsum(steps[:-1])


def different(places: int, begin: Array, end: Array, groups: Array) -> Array:
    """Return how many groups have a span at each place.

    >>> different(4, np.array([0, 1, 1]), np.array([2, 4, 2]), np.array([0, 0, 1])).tolist()
    [1, 2, 1, 1]
    """
    covers = end > begin
    begin, end, groups = begin[covers], end[covers], groups[covers]
    order = np.lexsort((begin, groups))
    begin, end, groups = begin[order], end[order], groups[order]
    line = groups * (places + 1)
    reach = np.maximum.accumulate(line + end)
    # A run of overlapping spans of one group counts once: from its first beginning to its furthest end.
    opens = np.ones(len(begin), bool)
    opens[1:] = (groups[1:] != groups[:-1]) | (line[1:] + begin[1:] > reach[:-1])
    closes = np.append(opens[1:], True)[: len(begin)]
    return total(places, begin[opens], (reach - line)[closes])


def places_of(*keys: Array) -> Array:
    """Return the different keys in their order; ``np.unique`` hashes them first, which takes several times as long."""
    ordered = np.sort(np.concatenate(keys))
    first = np.ones(len(ordered), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]
