"""Numbers, days and lists as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECONDS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def number(value: float) -> str:
    """Return a number with at most four digits that matter, whole numbers in full.

    >>> number(17034.0), number(0.031459), number(99.97), number(1e-9), number(float("inf"))
    ('17,034', '0.03146', '99.97', '1e-09', '∞')
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return f"{value:.3g}".replace("-", "−", 1) if size >= 1e15 else f"{value:.3g}"
    places = max(0, 3 - math.floor(math.log10(size)))
    text = f"{value:,.{places}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


def quantity(value: float | None, unit: str) -> str:
    """Return a value with its unit, seconds as the longest unit that they fill.

    >>> quantity(312.0, "rows"), quantity(1.0, "rows"), quantity(4.5, "percent"), quantity(5400.0, "s")
    ('312 rows', '1 row', '4.5 %', '1.5 h')
    """
    if value is None:
        return "–"
    if unit == "s":
        return _duration(value)
    if unit == "percent":
        return f"{number(value)} %"
    if unit in ("rows", "days") and value == 1:
        return f"1 {unit[:-1]}"
    return f"{number(value)} {unit}".rstrip()


def share_words(part: int, whole: int) -> str:
    """Return a share in percent that never says none or all of what is some or most.

    >>> share_words(1, 3), share_words(1, 100_000), share_words(99_999, 100_000), share_words(2, 2)
    ('33.3 %', '< 0.1 %', '> 99.9 %', '100 %')
    """
    share = part / whole * 100 if whole else 0.0
    if 0 < share < 0.1:
        return "< 0.1 %"
    return "> 99.9 %" if 99.9 < share < 100 else f"{number(round(share, 1))} %"


def day_words(day: str, *, year: bool = False) -> str:
    """Return an ISO day as people say it; anything else as it is.

    >>> day_words("2013-02-08"), day_words("2013-02-08", year=True)
    ('8 Feb', '8 Feb 2013')
    """
    found = parse_day(day)
    if found is None:
        return day
    return f"{found.day} {_MONTHS[found.month - 1]}" + (f" {found.year}" if year else "")


def parse_day(day: str) -> date | None:
    """Return an ISO day as a date; None where it is none."""
    try:
        return date.fromisoformat(day) if len(day) == 10 else None
    except ValueError:
        return None


def instant_words(instant: str) -> str:
    """Return an RFC 3339 instant as people read it, UTC; anything else as it is.

    >>> instant_words("2013-02-22T06:00:00Z")
    '22 Feb 2013, 06:00 UTC'
    """
    try:
        found = datetime.fromisoformat(instant)
    except ValueError:
        return instant
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    try:
        found = found.astimezone(UTC)
    except OverflowError:
        return instant
    return f"{found.day} {_MONTHS[found.month - 1]} {found.year}, {found:%H:%M} UTC"


def seconds_between(start: str, end: str) -> float | None:
    """Return how long it took from one RFC 3339 instant to another; None where that cannot be said."""
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return None


def ranges_of(days: Sequence[str]) -> str:
    """Return sorted ISO days in few words.

    >>> ranges_of(["2013-02-01", "2013-02-02", "2013-02-03", "2013-02-08"])
    '1 Feb – 3 Feb, 8 Feb'
    """
    runs: list[list[str]] = []
    for day in days:
        before, this = parse_day(runs[-1][-1]) if runs else None, parse_day(day)
        if before is not None and this is not None and (this - before).days == 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    words = [day_words(run[0]) if len(run) == 1 else f"{day_words(run[0])} – {day_words(run[-1])}" for run in runs]
    return ", ".join(words if len(words) <= 6 else [*words[:5], f"{len(words) - 5} more spans"])


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return number(seconds)
    for size, unit in _SECONDS:
        if abs(seconds) >= size:
            return f"{number(round(seconds / size, 1))} {unit}"
    return f"{number(round(seconds, 3))} s"
