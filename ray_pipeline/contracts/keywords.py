"""JSON Schema keywords of our own, for what ODCS can say and JSON Schema cannot.

A compiled ODCS contract uses them beside the standard ones; ``engine.py`` registers them with jsonschema-rs, for
ODCS only, so a bare JSON Schema that happens to use one of these names keeps the standard's meaning (none).
People see the name in ``RULES``: a date below its minimum breaks ``minimum``. No message holds the value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from .instants import Moment, day, time_of_day, timestamp

LOCAL_TIMESTAMP: Final = "x-local-timestamp"
"""``{"zone": IANA name}``: a date-time, or one without an offset that is read in the zone and exists there."""
MINIMUM: Final = "x-minimum"
"""``{"kind": "date"|"timestamp"|"time", "limit": text, "zone": IANA name or null}``; so are the next three."""
MAXIMUM: Final = "x-maximum"
EXCLUSIVE_MINIMUM: Final = "x-exclusiveMinimum"
EXCLUSIVE_MAXIMUM: Final = "x-exclusiveMaximum"
NORMALIZED: Final = "x-normalized"
"""A tolerance: the L2 norm of an array of numbers is 1, give or take this."""

RULES: Final[Mapping[str, str]] = {
    LOCAL_TIMESTAMP: "format",
    MINIMUM: "minimum",
    MAXIMUM: "maximum",
    EXCLUSIVE_MINIMUM: "exclusiveMinimum",
    EXCLUSIVE_MAXIMUM: "exclusiveMaximum",
    NORMALIZED: "normalized",
}
"""Our keyword → the rule that a violation names."""


def moment(kind: str, text: str, zone: str | None) -> Moment | None:
    """Read a text as what the contract calls it: a date, a timestamp or a time."""
    if kind == "date":
        return day(text)
    return timestamp(text, zone) if kind == "timestamp" else time_of_day(text)


class _LocalTimestamp:
    def __init__(self, _schema: dict[str, Any], value: dict[str, Any], _path: list[str | int]) -> None:
        self._zone: str = value["zone"]

    def validate(self, instance: object) -> None:
        if isinstance(instance, str) and timestamp(instance, self._zone) is None:
            raise ValueError(f"not a date-time, nor a local one that exists in {self._zone}")


class _Bound:
    """One limit of a date, a timestamp or a time; a text that is none of these is ``format``'s business."""

    words: str
    holds: Callable[[Moment, Moment], bool]

    def __init__(self, _schema: dict[str, Any], value: dict[str, Any], _path: list[str | int]) -> None:
        self._kind: str = value["kind"]
        self._zone: str | None = value.get("zone")
        self._text: str = value["limit"]
        limit = moment(self._kind, self._text, self._zone)
        if limit is None:
            raise ValueError(f"{self._text!r} is no {self._kind}")
        self._limit = limit

    def validate(self, instance: object) -> None:
        found = moment(self._kind, instance, self._zone) if isinstance(instance, str) else None
        if found is not None and not type(self).holds(found, self._limit):
            raise ValueError(f"{self.words} {self._text}")


class _Minimum(_Bound):
    words = "before the minimum of"
    holds = staticmethod(lambda found, limit: found >= limit)


class _Maximum(_Bound):
    words = "after the maximum of"
    holds = staticmethod(lambda found, limit: found <= limit)


class _ExclusiveMinimum(_Bound):
    words = "not after"
    holds = staticmethod(lambda found, limit: found > limit)


class _ExclusiveMaximum(_Bound):
    words = "not before"
    holds = staticmethod(lambda found, limit: found < limit)


class _Normalized:
    def __init__(self, _schema: dict[str, Any], value: float, _path: list[str | int]) -> None:
        self._tolerance = value

    def validate(self, instance: object) -> None:
        if not isinstance(instance, list):
            return
        if not all(isinstance(x, int | float) and not isinstance(x, bool) for x in instance):
            return  # ``items`` reports it
        if abs(math.hypot(*(float(x) for x in instance)) - 1.0) > self._tolerance:
            raise ValueError(f"the vector's length is not 1 (within {self._tolerance})")


KEYWORDS: Final[dict[str, type[Any]]] = {
    LOCAL_TIMESTAMP: _LocalTimestamp,
    MINIMUM: _Minimum,
    MAXIMUM: _Maximum,
    EXCLUSIVE_MINIMUM: _ExclusiveMinimum,
    EXCLUSIVE_MAXIMUM: _ExclusiveMaximum,
    NORMALIZED: _Normalized,
}
"""What ``jsonschema_rs.validator_for(…, keywords=KEYWORDS)`` wants."""
