"""A column's look as people see it: texts, and at most 24 bars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np

from .adaptive_buckets import AdaptiveBuckets
from .column_look import End, Family, Look, family, float_of
from .result import ColumnProfile

BARS = 24
TOP = 10
CHARACTERS = 64
"""Shown of a text."""
Bar = tuple[float, float, int]
_SECONDS = {"time": 1e-6, "date": 86_400.0}


def render(name: str, looks: Mapping[str, Look], classified: bool) -> ColumnProfile:
    """Return the profile of a column; ``looks`` by type name. Values are shown of the type that most rows have."""
    if not looks:
        return ColumnProfile(name, "", 0, 0, classified=classified)
    kind, look = max(looks.items(), key=lambda item: (item[1].rows, item[0]))
    rows, nulls = sum(one.rows for one in looks.values()), sum(one.nulls for one in looks.values())
    types = ", ".join(sorted(looks))
    if classified:
        return ColumnProfile(name, types, rows, nulls, classified=True)
    shown = str if family(kind) != "text" else _shown
    counts = sorted(((look.counts or {}).items()), key=lambda item: (-item[1], item[0]))[:TOP]
    return ColumnProfile(
        name,
        types,
        rows,
        nulls,
        _text(look.low, kind),
        _text(look.high, kind),
        bars(look.buckets, family(kind)),
        tuple((shown(value), count) for value, count in counts),
        look.sampled,
    )


def bars(buckets: AdaptiveBuckets, kind: Family) -> tuple[Bar, ...]:
    """Return bars of one width from the lowest to the highest value, each ``[from, to)``; empty ones too.

    A bucket that lies in two bars is shared between them by its width.
    """
    if not len(buckets.keys):
        return ()
    lows, highs = buckets.edges()
    if kind in ("float", "decimal"):
        start, end = float_of(lows[0]), float_of(highs[-1] - 1)
        if start == end:
            return ((start, end, int(buckets.counts.sum())),)
        share = np.arange(BARS + 1) / BARS
        borders = np.maximum.accumulate(start * (1 - share) + end * share)  # no difference: it could be infinite
        knots = [float_of(place) for both in zip(lows, highs, strict=True) for place in both]
    else:
        step = -(-(highs[-1] - lows[0]) // BARS)
        places = [lows[0] + i * step for i in range(-(-(highs[-1] - lows[0]) // step) + 1)]
        borders = np.array(places, np.float64) * _SECONDS.get(kind, 1.0)
        knots = [place * _SECONDS.get(kind, 1.0) for both in zip(lows, highs, strict=True) for place in both]
    total = np.cumsum(buckets.counts)
    below = np.interp(borders, knots, np.stack([total - buckets.counts, total], 1).reshape(-1))
    below[0], below[-1] = 0, total[-1]
    rows = np.diff(np.round(below).astype(np.int64)).tolist()
    return tuple(zip(borders[:-1].tolist(), borders[1:].tolist(), rows, strict=True))


def _text(end: End | None, kind: str) -> str | None:
    if end is None:
        return None
    if isinstance(end, int) and family(kind) == "time":
        return _moment(end, "Z" if "tz=" in kind else "")
    if isinstance(end, int) and family(kind) == "date":
        try:
            return (date(1970, 1, 1) + timedelta(days=end)).isoformat()
        except OverflowError:
            return f"day {end}"
    if isinstance(end, str):
        return _shown(end)
    return f"{end:g}" if isinstance(end, float) else str(end)


def _shown(text: str) -> str:
    """Return the first characters of bytes that are written as Latin-1; the last may have been cut through."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace").rstrip("\ufffd")[:CHARACTERS]


def _moment(microseconds: int, zone: str) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} µs after 1970"
    return moment.replace(tzinfo=None).isoformat() + zone
