"""What a view answers for one entity at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What stands behind a value, by Feast's names where it has one."""

    PRESENT = "PRESENT"
    NOT_FOUND = "NOT_FOUND"
    """Nothing is known of the entity by that moment."""
    OUTSIDE_MAX_AGE = "OUTSIDE_MAX_AGE"
    """Something is, and it is older than the view's ttl."""
    INVALID = "INVALID"
    """It cannot be said: the moment asked is before what the state still holds."""


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets of one partition that a value rests on; the first and the last one count in."""

    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer; ``values`` follow the view's features and are null unless the status is PRESENT."""

    status: Status
    values: tuple[Any, ...]
    event_us: int | None = None
    """The last moment at which the value changed: the ``event_timestamp`` of the offline row that says the same."""
    created_us: int | None = None
    """Publication of the newest event that it rests on."""
    offsets: tuple[OffsetRange, ...] = ()
    """One range for each partition."""
