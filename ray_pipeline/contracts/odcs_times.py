"""ODCS date, timestamp and time: their formats, zones and limits."""

from __future__ import annotations

import re
from typing import Any

from . import keywords
from .instants import Moment, is_zone
from .odcs_options import Compiled, Options
from .shape import Date, Text, Timestamp

_BOUNDS = {
    "minimum": keywords.MINIMUM,
    "maximum": keywords.MAXIMUM,
    "exclusiveMinimum": keywords.EXCLUSIVE_MINIMUM,
    "exclusiveMaximum": keywords.EXCLUSIVE_MAXIMUM,
}
_EXAMPLES = {"date": "2013-01-31", "timestamp": "2013-01-31T23:59:59Z", "time": "23:59:59"}
_CLOCK = r"HH:mm:ss(?P<fraction>(?:\.|\[\.)S{1,9}\]?)?"
_DAY_FORMAT = re.compile(r"(?:yyyy|uuuu)-MM-dd|date")
_TIME_FORMAT = re.compile(_CLOCK)
_TIMESTAMP_FORMAT = re.compile(rf"(?:yyyy|uuuu)-MM-dd(?:'T'|T){_CLOCK}(?P<zone>'Z'|\[?(?:X{{1,3}}|Z|ZZZZZ)\]?)?")
_OFFSET = "(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"


def date(options: Options) -> Compiled:
    """RFC 3339 full-date → ``date32``."""
    form = options.take("format", str)
    if form is not None and not _DAY_FORMAT.fullmatch(form):
        options.refuse("format", f"{form!r} is not read: a date is ISO 8601, yyyy-MM-dd; else use logicalType: string")
    return Compiled({"type": "string", "format": "date"} | _bounds(options, "date", None), Date())


def time(options: Options) -> Compiled:
    """HH:mm:ss with an optional fraction → text."""
    form = options.take("format", str)
    match = _TIME_FORMAT.fullmatch(form) if form else None
    if form is not None and match is None:
        options.refuse("format", f"{form!r} is not read: a time is HH:mm:ss, with .SSS for a fraction; else use string")
    if options.take("timezone", bool):
        options.refuse("timezone", "a time here has no zone; use logicalType: timestamp, or timezone: false")
    if options.take("defaultTimezone", str) is not None:
        options.refuse("defaultTimezone", "has no effect on a time, which has no zone; take it out")
    pattern = f"^{_TIME}{_fraction(match)}$"
    return Compiled({"type": "string", "pattern": pattern} | _bounds(options, "time", None), Text())


def timestamp(options: Options) -> Compiled:
    """RFC 3339 date-time → ``timestamp[us, UTC]``; a local time only where the contract says how to read it."""
    has_zone = options.take("timezone", bool)
    zone = _zone(options, local=has_zone is False)
    schema: dict[str, Any] = {"type": "string"}
    schema |= {"format": "date-time"} if zone is None else {keywords.LOCAL_TIMESTAMP: {"zone": zone}}
    pattern = _timestamp_pattern(options, local=zone is not None)
    if pattern:
        schema["pattern"] = pattern
    return Compiled(schema | _bounds(options, "timestamp", zone), Timestamp(zone))


def _zone(options: Options, *, local: bool) -> str | None:
    name = options.take("defaultTimezone", str)
    if name is not None and not local:
        options.refuse("defaultTimezone", "has an effect only beside timezone: false; add that, or take this out")
        return None
    if name is not None and not is_zone(name):
        options.refuse("defaultTimezone", f"{name!r} is no IANA time zone; write one like Europe/Berlin or UTC")
        return "UTC"
    return (name or "UTC") if local else None


def _timestamp_pattern(options: Options, *, local: bool) -> str | None:
    form = options.take("format", str)
    if form is None or form == "date-time":
        return None
    match = _TIMESTAMP_FORMAT.fullmatch(form)
    if match is None:
        wanted = "yyyy-MM-dd'T'HH:mm:ssXXX, with .SSS for a fraction"
        options.refuse("format", f"{form!r} is not read: a timestamp is ISO 8601, {wanted}; else use string")
        return None
    zone = match.group("zone")
    optional = zone is not None and zone.startswith("[")
    if zone is None and not local:
        options.refuse("format", "has no zone; add XXX, or timezone: false with a defaultTimezone")
    if zone is not None and not optional and local:
        options.refuse("format", "demands a zone, timezone: false says there is none; take one of them out")
    offset = {None: "", "'Z'": "[Zz]"}.get(zone, f"{_OFFSET}?" if optional else _OFFSET)
    return f"^.{{10}}[Tt][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}{_fraction(match)}{offset}$"


def _fraction(match: re.Match[str] | None) -> str:
    """As many digits as the format has; without a format any number."""
    if match is None:
        return r"(?:\.[0-9]+)?"
    said = match.group("fraction")
    if said is None:
        return ""
    digits = rf"\.[0-9]{{{said.count('S')}}}"
    return f"(?:{digits})?" if said.startswith("[") else digits


def _bounds(options: Options, kind: str, zone: str | None) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    moments: dict[str, Moment] = {}
    for name, keyword in _BOUNDS.items():
        limit = options.take(name, str)
        if limit is None:
            continue
        moment = keywords.moment(kind, limit, zone)
        if moment is None:
            options.refuse(name, f"{limit!r} is no {kind}; write it like {_EXAMPLES[kind]}")
            continue
        moments[name] = moment
        schema[keyword] = {"kind": kind, "limit": limit, "zone": zone}
    _check_order(options, moments)
    return schema


def _check_order(options: Options, moments: dict[str, Moment]) -> None:
    for low in ("minimum", "exclusiveMinimum"):
        for high in ("maximum", "exclusiveMaximum"):
            if low not in moments or high not in moments:
                continue
            both_inclusive = (low, high) == ("minimum", "maximum")
            if moments[low] > moments[high] or (moments[low] == moments[high] and not both_inclusive):
                options.refuse(low, f"no value is past it and within {high}; correct one of them")
