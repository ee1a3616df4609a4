"""For each question the newest row that was known: sorted once, found by bisection, on whole numbers alone.

An entity and a moment become one number, so that one sort of integers orders every entity's history. A row that became
known later than what it tells (a correction) is searched by the moment it became known; what is known from there on is
the best of all rows so far, and that is a running maximum over their places in the first order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]

PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE = 0, 1, 2
NEVER = int(np.iinfo(np.int64).min)
"""As a moment: it is not said. A row without its event never counts; one without its creation loses every tie."""
_WIDTH = 1 << 63


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """The rows of all entities, in any order. Entities are numbers from 0, moments are microseconds."""

    entity: Ints
    event: Ints
    created: Ints | None
    """When each row became known; None: nobody says."""
    content: Callable[[Ints], Ints]
    """Ranks some rows by what they hold; asked for nothing but rows that their moments cannot tell apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """One answer for each question."""

    row: Ints
    """Number of the row; -1 where there is none, or it is too old."""
    event: Ints
    """Its moment, also where it is too old; NEVER where there is none."""
    status: npt.NDArray[np.int8]


def find(entity: Ints, at: Ints, rows: Histories, *, ttl_us: int | None, as_of_known: bool) -> Found:
    """Return for each question the row of its entity with the greatest (event, created, content) that counts.

    A row counts from its event on; with ``as_of_known`` not before it was created either. A question of entity -1
    finds nothing. A row is too old when more than ``ttl_us`` lie between its event and the question.
    """
    row = np.full(len(at), -1, np.int64)
    event = np.full(len(at), NEVER, np.int64)
    status = np.full(len(at), NOT_FOUND, np.int8)
    asked = np.flatnonzero(entity >= 0)
    counting = _counting(rows, int(at[asked].max()), as_of_known) if len(asked) else asked
    if not len(counting):
        return Found(row, event, status)
    hit = _search(entity[asked], at[asked], rows, counting, as_of_known)
    asked, hit = asked[hit >= 0], hit[hit >= 0]
    row[asked], event[asked], status[asked] = hit, rows.event[hit], PRESENT
    if ttl_us is not None:
        oldest = np.maximum(at[asked], NEVER + 1 + ttl_us) - ttl_us
        old = asked[event[asked] < oldest]
        row[old], status[old] = -1, OUTSIDE_MAX_AGE
    return Found(row, event, status)


def _counting(rows: Histories, newest: int, as_of_known: bool) -> Ints:
    """Return the numbers of the rows that any question could find."""
    counts = (rows.entity >= 0) & (rows.event != NEVER) & (rows.event <= newest)
    if as_of_known and rows.created is not None:
        counts &= (rows.created != NEVER) & (rows.created <= newest)
    return np.flatnonzero(counts)


def _search(entity: Ints, at: Ints, rows: Histories, counting: Ints, as_of_known: bool) -> Ints:
    """Return the number of the row that answers each question, -1 where none does."""
    of, event = rows.entity[counting], rows.event[counting]
    created = None if rows.created is None else rows.created[counting]
    line = _Line(int(of.max()), event, at, created if as_of_known else None)
    places = line.of(of, event)
    order = pl.Series(places).arg_sort().to_numpy().astype(np.int64)  # twice as quick as numpy's
    places = places[order]
    _settle_ties(order, places, created, counting, rows.content)
    best = None
    if as_of_known and created is not None and bool((created > event).any()):
        known = line.of(of, np.maximum(event, created))[order]
        best = np.argsort(known, kind="stable")  # nearly in order already, which this sort is quick at
        places = known[best]
        best = np.maximum.accumulate(
            best
        )  # entities lie one after the other in both orders: none reaches into the next
    asked = line.of(entity, at)
    turn = np.argsort(asked)  # bisection over neighbours stays in the cache
    at_place = np.empty(len(asked), np.int64)
    at_place[turn] = np.searchsorted(places, asked[turn], side="right") - 1
    first = line.first(entity)
    hit = np.where((at_place >= 0) & (places[at_place] >= first), at_place, -1)
    there = hit >= 0
    if best is not None:
        hit[there] = best[hit[there]]
    hit[there] = counting[order[hit[there]]]
    return hit


class _Line:
    """Puts (entity, moment) on one line of 64-bit numbers, in that order."""

    def __init__(self, entities: int, event: Ints, at: Ints, created: Ints | None) -> None:
        moments = [event] if created is None else [event, np.maximum(event, created)]
        self._low = min(int(one.min()) for one in (*moments, at))
        self._width = max(int(one.max()) for one in (*moments, at)) - self._low + 1
        self._steps: Ints | None = None
        if (entities + 2) * self._width >= _WIDTH:  # many entities over thousands of years: moments by their rank
            self._steps = np.unique(np.concatenate(moments))
            self._width = len(self._steps) + 1
        self._entities = entities

    def of(self, entity: Ints, moment: Ints) -> Ints:
        if self._steps is None:
            return self.first(entity) + (moment - self._low)
        return self.first(entity) + np.searchsorted(self._steps, moment, side="right")

    def first(self, entity: Ints) -> Ints:
        """Return the place where an entity begins; entities that have no rows share one behind all others."""
        return np.minimum(entity, self._entities + 1) * self._width


def _settle_ties(
    order: Ints, places: Ints, created: Ints | None, counting: Ints, content: Callable[[Ints], Ints]
) -> None:
    """Bring rows of one entity and one event into their order: by creation, then by content."""
    same = np.flatnonzero(places[1:] == places[:-1])
    if not len(same):
        return
    tied = np.union1d(same, same + 1)
    found = order[tied]
    keys = [places[tied]]
    if created is not None:
        keys.append(created[found])
    by = np.lexsort(keys[::-1])
    found, keys = found[by], [key[by] for key in keys]
    equal = np.logical_and.reduce([key[1:] == key[:-1] for key in keys])
    still = np.flatnonzero(equal)
    if len(still):
        again = np.union1d(still, still + 1)
        ranks = content(counting[found[again]])
        by = np.lexsort([ranks, *(key[again] for key in reversed(keys))])
        found[again] = found[again][by]
    order[tied] = found
