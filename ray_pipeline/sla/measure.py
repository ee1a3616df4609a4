"""The interface of a state: computed on some rows, merged in any order, always with the same result.

A *measure* says what is looked at (it is part of a check's compiled form, hashable, and its ``id`` names the state
wherever it is stored). A *partial* is what it saw of some rows. Partials of the same measure form a commutative
monoid: ``of(a + b) == of(a).merge(of(b))``, in any order and grouping, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True, order=True)
class RowRef:
    """Which row, for people: a record of a topic, or a row of a file that we did not write."""

    source: str
    """The topic; or the file's name."""
    partition: int
    """-1 for a row of a file."""
    offset: int
    """The record's offset; or the row's number in its file, from 0."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a batch of rows comes from."""

    source: str
    """The topic, or the name of a file that our ingest did not write."""
    first_row: int
    """The number of the batch's first row within its file (or within its part of one day), from 0."""
    committed_at: int | None = None
    """Landing time, microseconds since 1970; None for files that nobody committed."""


@dataclass(frozen=True, slots=True)
class State:
    """A partial as it is stored: small values as JSON has them, and arrays of numbers."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)


class Partial(Protocol):
    """What a measure saw of some rows."""

    def merge(self, other: Self) -> Self:
        """Return what was seen of both; neither is changed."""
        ...

    def state(self) -> State:
        """Return it as it is stored; equal partials have equal states, byte for byte."""
        ...


class Measure(Protocol):
    """What is looked at."""

    @property
    def id(self) -> str:
        """Names the state where it is stored: the kind and all parameters, never a threshold."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The top-level columns that must be read, of the contract's and of ours (``_offset``)."""
        ...

    def zero(self) -> Any:
        """Return the partial of no rows."""
        ...

    def of(self, batch: pa.Table, where: Where) -> Any:
        """Return the partial of these rows."""
        ...

    def load(self, state: State) -> Any:
        """Return the partial that was stored; raise ``ValueError`` where it is none of this measure's."""
        ...
