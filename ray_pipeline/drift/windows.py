"""Which windows of days there are, and when one is over: from what landed, not from any clock alone.

A window is closed once; what lands for it afterwards is late and counted as that. Event time is only as far as the
slowest partition, and a partition that stood still for long enough is waited for no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from typing import Protocol

from .verdict import Window

DAY_US = 86_400_000_000


class Place(Protocol):
    """How far one partition is."""

    @property
    def event_time_max_us(self) -> int | None:
        """The latest event time that landed; None: no row of it did."""
        ...

    @property
    def committed_at_us(self) -> int | None:
        """When the last commit was made."""
        ...


def watermark(places: Iterable[Place], now_us: int, idle_after_us: int) -> int | None:
    """Return how far event time is everywhere; None where nothing landed at all.

    It is the least of the partitions' latest events. One without a commit for ``idle_after_us`` before now is left
    out, whether its owner left in order or not, and so is one of which nothing ever landed: there are topics with more
    partitions than keys. Where all are idle none is waited for, and the latest event of all counts. The mark is never
    past now: a partition with an event that says it is of the future is taken to be at now, as a live one is.
    """
    known = [(one.event_time_max_us, one.committed_at_us) for one in places]
    landed = [(event, at) for event, at in known if event is not None]
    if not landed:
        return None
    awake = [event for event, at in landed if at is not None and now_us - at < idle_after_us]
    return min(min(awake) if awake else max(event for event, _ in landed), now_us)


def windows_due(
    first_day: str, days: int, watermark_us: int | None, lateness_us: int, done: Collection[Window] = ()
) -> list[Window]:
    """Return the windows that are over and were not closed yet, in order.

    They have ``days`` days each and begin with ``first_day``, or where the last one of ``done`` ends. One is over when
    event time is past its end by ``lateness_us``.
    """
    start = max([date.fromisoformat(first_day), *(date.fromisoformat(one.until) for one in done)])
    found: list[Window] = []
    while watermark_us is not None:
        window = window_from(start.isoformat(), days)
        if _midnight_us(window.until) + lateness_us > watermark_us:
            break
        found.append(window)
        start = date.fromisoformat(window.until)
    return found


def window_from(first_day: str, days: int) -> Window:
    """Return the window of so many days from a day on.

    >>> str(window_from("2013-02-25", 7))
    '2013-02-25 to 2013-03-04'
    """
    first = date.fromisoformat(first_day)
    return Window(first_day, (first + min(timedelta(days=days), date.max - first)).isoformat())


def first_day_with_rows(rows: Mapping[str, int], first_day: str) -> str | None:
    """Return the first day from ``first_day`` on of which rows landed; None where none has any."""
    return min((day for day, many in rows.items() if many and day >= first_day), default=None)


def day_of(moment_us: int) -> str:
    """Return the UTC day of a moment.

    >>> day_of(0), day_of(-1)
    ('1970-01-01', '1969-12-31')
    """
    return (date(1970, 1, 1) + timedelta(days=moment_us // DAY_US)).isoformat()


def day_after(day: str) -> str:
    """Return the next day."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def _midnight_us(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * DAY_US
