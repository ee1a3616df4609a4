"""Dates, timestamps and times as exact, ordered values: nothing is rounded, whatever the number of digits.

The grammar is RFC 3339's (a ``full-date``, a ``date-time``; a time of day without a zone), plus date-times without
an offset where the contract names the zone to read them in. What does not fit is None here and another rule's
business.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

Moment = tuple[int, str]
"""Whole seconds, and the digits of the fraction without trailing zeros: compares exactly as the moments do.

>>> timestamp("2013-01-01T00:00:00.5Z") < timestamp("2013-01-01T01:00:00.51+01:00")
True
"""

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?")
_OFFSET = re.compile(r"[Zz]|([+-])([0-9]{2}):([0-9]{2})")
_LEAP_SECOND = 60
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097


def day(text: str) -> Moment | None:
    """Read a full-date.

    >>> day("2013-01-02") > day("2013-01-01"), day("2013-02-30")
    (True, None)
    """
    match = _DATE.fullmatch(text)
    ordinal = _ordinal(match) if match else None
    return None if ordinal is None else (ordinal, "")


def time_of_day(text: str) -> Moment | None:
    """Read HH:mm:ss with an optional fraction; 24:00:00 and leap seconds are no times of day.

    >>> time_of_day("23:59:59.250"), time_of_day("24:00:00")
    ((86399, '25'), None)
    """
    match = _TIME.fullmatch(text)
    clock = _clock(match, leap=False) if match else None
    return None if match is None or clock is None else (clock, _fraction(match))


def timestamp(text: str, zone: str | None = None) -> Moment | None:
    """Read a date-time; one without an offset only where ``zone`` says in which zone it is meant.

    A local time that the zone skipped (clocks forward) is None; one that it had twice (clocks back) is the first.

    >>> timestamp("2013-07-01T00:00:00", "America/New_York") == timestamp("2013-07-01T04:00:00Z")
    True
    >>> timestamp("2013-03-10T02:30:00", "America/New_York")
    """
    date_match, time_match = _DATE.match(text), _TIME.match(text, 11)
    if date_match is None or time_match is None or text[10] not in "Tt":
        return None
    ordinal, clock = _ordinal(date_match), _clock(time_match, leap=True)
    if ordinal is None or clock is None:
        return None
    rest = text[time_match.end() :]
    offset = _local_offset(text[:19], zone) if not rest else _written_offset(rest)
    return None if offset is None else (ordinal * 86_400 + clock - offset, _fraction(time_match))


def is_zone(name: str) -> bool:
    """Whether the time zone database knows this name."""
    try:
        _zone(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _ordinal(match: re.Match[str]) -> int | None:
    year, month, day_of_month = (int(part) for part in match.groups())
    try:
        if year == 0:  # RFC 3339 has a year 0000, Python has not: it looks like the year 400
            return date(_CYCLE_YEARS, month, day_of_month).toordinal() - _CYCLE_DAYS
        return date(year, month, day_of_month).toordinal()
    except ValueError:
        return None


def _clock(match: re.Match[str], *, leap: bool) -> int | None:
    hour, minute, second = (int(part) for part in match.group(1, 2, 3))
    if hour > 23 or minute > 59 or second > (_LEAP_SECOND if leap else 59):
        return None
    return hour * 3600 + minute * 60 + second


def _fraction(match: re.Match[str]) -> str:
    return (match.group(4) or "").rstrip("0")


def _written_offset(text: str) -> int | None:
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    if match.group(1) is None:
        return 0
    hours, minutes = int(match.group(2)), int(match.group(3))
    if hours > 23 or minutes > 59:
        return None
    seconds = hours * 3600 + minutes * 60
    return -seconds if match.group(1) == "-" else seconds


def _local_offset(text: str, zone: str | None) -> int | None:
    if zone is None:
        return None
    try:
        local = datetime.fromisoformat(text.upper())
        where = _zone(zone)
        aware = local.replace(tzinfo=where)
        offset = aware.utcoffset()
        exists = aware.astimezone(UTC).astimezone(where).replace(tzinfo=None) == local
    except (ValueError, OverflowError):  # a leap second, year 0, or past the end of the calendar
        return None
    return None if offset is None or not exists else offset // timedelta(seconds=1)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
