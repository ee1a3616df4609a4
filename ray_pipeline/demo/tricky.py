"""Unusual ways to write a valid record. Each must land, as the very row that the plain record would be."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import orjson

from .events import ARRIVALS, DEPARTURES, WEATHER
from .splice import KeyPath, member, with_member, with_raw
from .ways import Way

_MOMENTS: dict[str, KeyPath] = {
    DEPARTURES: ("scheduled_departure_at",),
    ARRIVALS: ("scheduled_arrival_at",),
    WEATHER: ("observed_at",),
}
_INTEGERS: dict[str, KeyPath] = {
    DEPARTURES: ("distance_miles",),
    ARRIVALS: ("flight_number",),
    WEATHER: ("wind", "direction_degrees"),
}


def tricky_of(topic: str) -> tuple[Way, ...]:
    """Return the unusual ways for records of this topic, always in the same order."""
    integer, moment = _INTEGERS[topic], _MOMENTS[topic]
    return (
        Way("integer-with-a-point", None, lambda value: _integer_as(value, integer, b"%d.0")),
        Way("integer-with-an-exponent", None, lambda value: _integer_as(value, integer, b"%de+0")),
        Way("escaped-text", None, _escaped),
        Way("keys-in-another-order", None, _reordered),
        Way("spread-over-lines", None, lambda value: b"\r\n\t" + orjson.dumps(orjson.loads(value), option=_INDENT)),
        Way("local-time-with-offset", None, lambda value: with_member(value, moment, _local(member(value, moment)))),
        Way("microseconds", None, lambda value: with_member(value, moment, _precise(member(value, moment)))),
    )


_EASTERN = timezone(timedelta(hours=-5))
_INDENT = orjson.OPT_INDENT_2
_AIRPORT = re.compile(rb'("origin":")([A-Z]{3})"')


def _integer_as(value: bytes, path: KeyPath, form: bytes) -> bytes:
    """Write an integer in another form; a hole in the data stays one."""
    number = member(value, path)
    return value if number is None else with_raw(value, path, form % number)


def _escaped(value: bytes) -> bytes:
    def escape(match: re.Match[bytes]) -> bytes:
        return match[1] + b"".join(b"\\u%04x" % letter for letter in match[2]) + b'"'

    return _AIRPORT.sub(escape, value, count=1)


def _reordered(value: bytes) -> bytes:
    return orjson.dumps(dict(reversed(orjson.loads(value).items())))


def _local(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(_EASTERN).isoformat()


def _precise(moment: str) -> str:
    return moment.removesuffix("Z") + ".000000Z"
