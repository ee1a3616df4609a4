"""A view as its author writes it, and as everything else uses it: compiled against the contract of its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from ray_pipeline.features.aggregates import Aggregate
from ray_pipeline.features.shape import Feed, ViewShape

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class ViewDefinition:
    """A view as written. With a window every feature is an :class:`Aggregate`; without one, an expression."""

    name: str
    dataset: str
    """Whose events it is computed from, by the name in the pipeline's configuration."""
    keys: Mapping[str, pl.Expr | str]
    """Join key → where it is in the event."""
    features: Mapping[str, Aggregate | pl.Expr | str]
    window: timedelta | None = None
    where: pl.Expr | None = None
    """Only events for which this is true count."""
    ttl: timedelta | None = None
    feed: Feed = Feed.STREAM
    file: str = ""
    line: int = 0
    """Where it is written, for messages."""
    description: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class CompiledView:
    """A view that can be computed. It survives pickling, so that actors need not load the definition file."""

    shape: ViewShape
    keys: tuple[pl.Expr, ...]
    """In the order of ``shape.keys``."""
    values: tuple[pl.Expr | None, ...]
    """In the order of ``shape.features``; None: the event itself is counted."""
    where: pl.Expr | None
    event_time: str
    """The column of the event time."""
    columns: tuple[str, ...]
    """The columns of the event that the expressions read, and no others."""
    schema: pa.Schema = field(repr=False)
    """Of those columns, as they land."""

    @property
    def name(self) -> str:
        """The view's name."""
        return self.shape.name


@dataclass(frozen=True, slots=True, eq=False)
class RequestDefinition:
    """Features of the request itself: what whoever asks knows, such as the hour of a scheduled departure."""

    name: str
    inputs: Mapping[str, str]
    """Name of a request value → its type: int64, float64, string, bool or timestamp."""
    features: Mapping[str, pl.Expr]
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LabelDefinition:
    """Questions with their answers: when each was asked, for which entities, and what came true."""

    name: str
    requests: str
    """The dataset whose rows are the questions."""
    keys: Mapping[str, pl.Expr | str]
    """Join key or request value → where it is in a question's row."""
    asked_at: pl.Expr
    """The moment asked: only what was published by then is known."""
    outcomes: str
    """The dataset whose rows hold the answers."""
    on: str
    """The column that a question and its answer share."""
    label: pl.Expr
    """Over an answer's row; null: none, unless a reason below says why."""
    without: Mapping[str, pl.Expr] = field(default_factory=dict)
    """Reason → condition over the joined row: such questions have no label, and are left out and counted."""
    file: str = ""
    line: int = 0
