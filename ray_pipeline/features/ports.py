"""What features need from an online store. ``connectors/online/`` has two: SQLite and Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StateRow:
    """The absolute state of one entity in one view, from the events of one partition alone."""

    view: str
    definition: str
    entity: str
    """:func:`ray_pipeline.features.entity.entity_key`."""
    source: str
    """Which partition of which topic, ``departures/<topic id>/3``: an earlier topic of the name is another source."""
    offset: int
    """Every event of the source before this offset is in it; a state is replaced by one of a higher offset only."""
    state: bytes
    """:func:`ray_pipeline.features.state.encode_state`."""


@dataclass(frozen=True, slots=True)
class ValueRow:
    """The values of one entity in a materialised view."""

    entity: str
    event_us: int
    created_us: int
    """0 where the writer says none."""
    values: bytes
    """The store neither reads nor changes them."""


@dataclass(frozen=True, slots=True)
class WriteCounts:
    """What became of the rows of one write."""

    written: int = 0
    older: int = 0
    """Not written, because what is there is as new or newer."""

    def __add__(self, other: WriteCounts) -> WriteCounts:
        return WriteCounts(self.written + other.written, self.older + other.older)


@dataclass(frozen=True, slots=True)
class SourceMark:
    """How far one source's states of one view are in the store."""

    view: str
    definition: str
    """A view that was added, or written anew, is not in the store before its states are."""
    source: str
    offset: int
    published_us: int
    """Publication time of the newest event behind it: the clock of a replay."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Entities of one view."""

    view: str
    definition: str | None
    """Of their states; None: their materialised rows are asked for."""
    entities: Sequence[str]


@dataclass(frozen=True, slots=True)
class Together:
    """What a store holds of several views."""

    marks: Sequence[SourceMark]
    """Of every view; empty where they were not asked for."""
    states: Sequence[Sequence[Sequence[StateRow]]]
    """For each that was asked with a definition, in their order, the states of each entity."""
    rows: Sequence[Sequence[ValueRow | None]]
    """For each that was asked without, the row of each entity."""


class OnlineStore(Protocol):
    """Newest wins, decided in the store itself: any order, repetition or race of the same writes ends in one state.

    Every call may raise :class:`ray_pipeline.errors.OnlineStoreUnavailableError` (retryable) or
    :class:`ray_pipeline.errors.OnlineStoreDeniedError`.
    """

    @property
    def shown(self) -> str:
        """The store for people, without secrets."""
        ...

    def write_states(self, rows: Sequence[StateRow], marks: Sequence[SourceMark]) -> WriteCounts:
        """Write a batch in one statement, and its marks after it; a mark never goes back."""
        ...

    def read_states(self, view: str, definition: str, entities: Sequence[str]) -> list[list[StateRow]]:
        """Return the states of each entity, one for each source, in one round trip."""
        ...

    def write_rows(self, view: str, rows: Sequence[ValueRow]) -> WriteCounts:
        """Write a batch in one statement. A row wins by (event, created); where both are equal, by its bytes."""
        ...

    def read_rows(self, view: str, entities: Sequence[str]) -> list[ValueRow | None]:
        """Return the row of each entity, None where there is none, in one round trip."""
        ...

    def read_together(self, asked: Sequence[Asked], *, marks: bool) -> Together:
        """Return what the other three would, of several views in one round trip; marks are read before the rest."""
        ...

    def marks(self, view: str | None = None) -> list[SourceMark]:
        """Return how far every source is in the view; the view is None: in each of them."""
        ...

    def count(self, view: str) -> int:
        """Return how many entities the view has."""
        ...

    def entities(self, view: str, limit: int) -> list[str]:
        """Return some of the view's entities, in an order that is the same at each call."""
        ...

    def drop(self, view: str) -> None:
        """Forget a view's states, rows and marks."""
        ...

    def close(self) -> None:
        """Let connections go."""
        ...
