"""Spans of time as contracts write them: a number and a unit, in the words that ODCS knows."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Final

_SECONDS: Final[dict[str, float]] = {
    "ms": 0.001, "millisecond": 0.001,
    "s": 1, "sec": 1, "second": 1,
    "m": 60, "min": 60, "minute": 60,
    "h": 3600, "hr": 3600, "hour": 3600,
    "d": 86_400, "day": 86_400,
    "w": 604_800, "wk": 604_800, "week": 604_800,
    "mo": 2_629_800, "month": 2_629_800,
    "y": 31_557_600, "yr": 31_557_600, "year": 31_557_600,
}  # fmt: skip
"""A year is 365.25 days, a month a twelfth of it; ``m`` is a minute."""
UNITS: Final = "ms, s, min, h, d, w, mo or y"
_DURATION: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]+)\s*")
_MOST: Final = 1000 * _SECONDS["y"]


def unit_seconds(unit: str) -> float | None:
    """How many seconds a unit has; None where it is no unit of time. ``M`` could be months or minutes: it is none.

    >>> [unit_seconds(unit) for unit in ("d", "days", "MIN", "yr", "M", "rows")]
    [86400, 86400, 60, 31557600, None, None]
    """
    if unit == "M":
        return None
    word = unit.strip().casefold()
    found = _SECONDS.get(word)
    if found is None and word.endswith("s") and len(word) > 2:
        found = _SECONDS.get(word[:-1])
    return found


def parse_duration(text: object) -> timedelta | None:
    """What ``2 h`` or ``90min`` says; None where it is not a span of at most a thousand years.

    >>> parse_duration("2 h"), parse_duration("1.5d"), parse_duration("soon")
    (datetime.timedelta(seconds=7200), datetime.timedelta(days=1, seconds=43200), None)
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    seconds = unit_seconds(match[2]) if match else None
    if match is None or seconds is None:
        return None
    span = float(match[1]) * seconds
    return timedelta(seconds=span) if math.isfinite(span) and span <= _MOST else None


def in_words(seconds: float) -> str:
    """A span for people, in the largest unit that says it shortly.

    >>> in_words(900), in_words(93_600), in_words(7_200), in_words(3 * 31_557_600), in_words(0.25), in_words(-5)
    ('15 min', '1.08 d', '2 h', '3 y', '0.25 s', '-5 s')
    """
    for unit in ("y", "d", "h", "min", "s"):
        size = _SECONDS[unit]
        if abs(seconds) >= size or unit == "s":
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError  # pragma: no cover - the last unit takes everything
