"""A column's look as people see it: texts, and at most 24 bars."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from .adaptive_buckets import AdaptiveBuckets
from .column_look import End, Family, Look, family, float_of
from .result import ColumnProfile

BARS = 24
TOP = 10
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
    counts = sorted((look.counts or {}).items(), key=lambda item: (-item[1], item[0]))
    return ColumnProfile(
        name,
        types,
        rows,
        nulls,
        _text(look.low, kind),
        _text(look.high, kind),
        bars(look.buckets, family(kind)),
        tuple(counts[:TOP]),
        look.sampled,
    )


def bars(buckets: AdaptiveBuckets, kind: Family) -> tuple[Bar, ...]:
    """Return bars of one width from the lowest to the highest value, each ``[from, to)``; empty ones too."""
    if not len(buckets.keys):
        return ()
    lows, highs = buckets.edges()
    counts = buckets.counts.tolist()
    if kind in ("float", "decimal"):
        return _float_bars([float_of(low) for low in lows], [float_of(high) for high in highs], counts)
    width = -(-(highs[-1] - lows[0] + 1) // BARS)
    rows = [0] * -(-(highs[-1] - lows[0] + 1) // width)
    for low, high, count in zip(lows, highs, counts, strict=True):
        rows[((low + high) // 2 - lows[0]) // width] += count
    unit = _SECONDS.get(kind, 1.0)
    start = lows[0]
    return tuple(((start + i * width) * unit, (start + (i + 1) * width) * unit, n) for i, n in enumerate(rows))


def _float_bars(lows: list[float], highs: list[float], counts: list[int]) -> tuple[Bar, ...]:
    width = highs[-1] / BARS - lows[0] / BARS
    if width <= 0:
        return ((lows[0], highs[-1], sum(counts)),)
    rows = [0] * BARS
    for low, high, count in zip(lows, highs, counts, strict=True):
        rows[min(int((low / 2 + high / 2 - lows[0]) / width), BARS - 1)] += count
    return tuple((lows[0] + i * width, lows[0] + (i + 1) * width, n) for i, n in enumerate(rows))


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
    return f"{end:g}" if isinstance(end, float) else str(end)


def _moment(microseconds: int, zone: str) -> str:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return f"{microseconds} µs after 1970"
    return moment.replace(tzinfo=None).isoformat() + zone
