"""The aggregates that a window may have. Each is named, because only what merges can be computed in parts.

A sum, a mean or a share is exact: its parts are integers (of a float: its exact value), and it is rounded once.
Null values are passed over. Of no values at all a count is 0, and everything else is null, as in SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    Over = pl.Expr | str
    """An expression over one event's columns, or the path of a column: ``"carrier.code"``."""

DEFAULT_CAP = 100
LARGEST_CAP = 1000


class Kind(StrEnum):
    """What an aggregate does, by the name that people write."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SHARE = "share"
    LAST = "last"
    COUNT_DISTINCT = "count_distinct"


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """One named aggregate over a value of each event. Not comparable: an expression answers ``==`` with another."""

    kind: Kind
    over: Over | None = None
    """None: of a count, the events themselves."""
    cap: int | None = None
    """Of a distinct count: how far it counts."""


def count(over: Over | None = None) -> Aggregate:
    """Count the events, or those in which ``over`` is not null."""
    return Aggregate(Kind.COUNT, over)


def sum_(over: Over) -> Aggregate:
    """Add up integers, decimals or floats, exactly."""
    return Aggregate(Kind.SUM, over)


def mean(over: Over) -> Aggregate:
    """Take the exact mean, rounded once to a float."""
    return Aggregate(Kind.MEAN, over)


def min_(over: Over) -> Aggregate:
    """Take the least number or moment."""
    return Aggregate(Kind.MIN, over)


def max_(over: Over) -> Aggregate:
    """Take the greatest number or moment."""
    return Aggregate(Kind.MAX, over)


def share(over: Over) -> Aggregate:
    """Take the share of events for which a condition holds, among those for which it is not null."""
    return Aggregate(Kind.SHARE, over)


def last(over: Over) -> Aggregate:
    """Take the newest value: by event time, then publication, then partition and offset."""
    return Aggregate(Kind.LAST, over)


def count_distinct(over: Over, cap: int = DEFAULT_CAP) -> Aggregate:
    """Count different values; from ``cap`` on the answer is ``cap``, so that the state stays small."""
    return Aggregate(Kind.COUNT_DISTINCT, over, cap)
