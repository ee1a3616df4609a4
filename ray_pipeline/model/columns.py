"""What a model sees: each feature as one number, made of what a feature store answers.

A training set is encoded by whole columns, a request value by value; both ways give the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ColumnKind(StrEnum):
    """How a value becomes a number; null is NaN in each of them."""

    NUMBER = "number"
    """As it is, in double precision."""
    FLAG = "flag"
    """True is 1, false is 0."""
    CATEGORY = "category"
    """The number of its place in :attr:`ModelColumn.categories`; what is not in it is the one after the last."""
    MOMENT = "moment"
    """Minutes from it to the moment asked: a model must not learn dates."""


@dataclass(frozen=True, slots=True)
class ModelColumn:
    """One column of the model's matrix."""

    name: str
    """Of the feature, as in ``origin_last_2h__departures``; or of a key or value of the request, as in ``carrier``."""
    kind: ColumnKind
    categories: tuple[str, ...] = ()
    """Frozen at training, in alphabetical order; a rare one is not in it."""
