"""Dates and times from text to Arrow: a whole column at a time, and exactly.

What is plain is cast at once. Only a column with something unusual in it (lower-case ``t`` or ``z``, digits below a
microsecond, a leap second, a year that Arrow cannot hold, a local time) is looked at in more detail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.contracts.arrow import LANDED_TIMESTAMP
from ray_pipeline.contracts.instants import day, timestamp

from . import codes

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAYS: Final = (date.min.toordinal() - _EPOCH_DAY, date.max.toordinal() - _EPOCH_DAY)
_MOMENTS: Final = (_DAYS[0] * 86_400_000_000, (_DAYS[1] + 1) * 86_400_000_000 - 1)
_NAIVE: Final = pa.timestamp("us")
_RULES_END: Final = pa.scalar(datetime(2037, 1, 1), _NAIVE)
"""Arrow reads a zone's table of changes, which ends here, and not the rule that goes on for ever."""
_ZERO_TAIL: Final = r"(\.[0-9]{6})0+([^0-9]|$)"
_LONG_TAIL: Final = r"(\.[0-9]{6})[0-9]+"
_LEAP_SECOND: Final = r"T[0-9]{2}:[0-9]{2}:60"
_WRITTEN_ZONE: Final = r"(Z|[+-][0-9]{2}:[0-9]{2})$"

Positions = npt.NDArray[np.int64]
_NONE: Final[Positions] = np.empty(0, np.int64)


class RefusedTimeError(ValueError):
    """A text that no moment of Arrow's says exactly; ``args`` are a code of ours and a message."""


@dataclass(frozen=True, slots=True)
class Cast:
    """A column after its cast."""

    array: pa.Array
    refused: Positions
    """Elements that the column cannot hold; null in ``array``."""
    truncated: Positions
    """Elements that lost digits below a microsecond."""


def cast_dates(texts: pa.Array) -> Cast:
    """Cast full-dates to ``date32``."""
    try:
        days = texts.cast(pa.date32())
    except pa.ArrowInvalid:
        return _one_by_one(texts, pa.date32(), days_of)
    return _within(days, pa.int32(), _DAYS, _NONE, _NONE)


def cast_timestamps(texts: pa.Array, local_zone: str | None, *, truncate: bool) -> Cast:
    """Cast date-times to microseconds in UTC; those without an offset are read in ``local_zone``."""
    try:
        moments = _moments(texts, local_zone)
    except pa.ArrowInvalid:
        return _unusual(texts, local_zone, truncate=truncate)
    return _within(moments, pa.int64(), _MOMENTS, _NONE, _NONE)


def days_of(text: str) -> int:
    """Return a full-date as days since 1970.

    >>> days_of("1970-01-02")
    1
    """
    found = day(text)
    if found is None:
        raise RefusedTimeError(codes.MISMATCH, "not a date")
    days = found[0] - _EPOCH_DAY
    if not _DAYS[0] <= days <= _DAYS[1]:
        raise RefusedTimeError(codes.OUT_OF_RANGE, "a date before year 1")
    return days


def microseconds_of(text: str, local_zone: str | None, *, truncate: bool) -> int:
    """Return a date-time as microseconds since 1970 UTC.

    >>> microseconds_of("1970-01-01T00:00:00.0000010Z", None, truncate=False)
    1
    """
    found = timestamp(text, local_zone)
    if found is None:
        raise RefusedTimeError(codes.MISMATCH, "not a date-time")
    seconds, digits = found
    if text[17:19] == "60":
        raise RefusedTimeError(codes.OUT_OF_RANGE, "a leap second")
    if len(digits) > 6 and not truncate:
        raise RefusedTimeError(codes.SUB_MICROSECOND, "digits below a microsecond, which its column would drop")
    moment = (seconds - _EPOCH_DAY * 86_400) * 1_000_000 + int(digits[:6].ljust(6, "0"))
    if not _MOMENTS[0] <= moment <= _MOMENTS[1]:
        raise RefusedTimeError(codes.OUT_OF_RANGE, "a time before year 1 or after year 9999 in UTC")
    return moment


def _moments(texts: pa.Array, local_zone: str | None) -> pa.Array:
    if local_zone is None:
        return texts.cast(LANDED_TIMESTAMP)
    return _placed(texts.cast(_NAIVE), local_zone)


def _placed(naive: pa.Array, zone: str) -> pa.Array:
    """Place local times; of an hour that a zone has twice, the first is meant."""
    if zone == "UTC":
        return naive.cast(LANDED_TIMESTAMP)
    late = pc.fill_null(pc.greater_equal(naive, _RULES_END), False)
    if pc.any(late).as_py():
        raise pa.ArrowInvalid("past the zone's table")
    return pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="raise").cast(LANDED_TIMESTAMP)


def _unusual(texts: pa.Array, local_zone: str | None, *, truncate: bool) -> Cast:
    """Bring what can be said otherwise into the plain form, and take out what cannot."""
    tidy = pc.replace_substring_regex(pc.ascii_upper(texts), _ZERO_TAIL, r"\1\2")
    long = _flags(pc.match_substring_regex(tidy, _LONG_TAIL))
    refused = _flags(pc.match_substring_regex(tidy, _LEAP_SECOND))
    if truncate:
        tidy = pc.replace_substring_regex(tidy, _LONG_TAIL, r"\1")
    else:
        refused |= long
    plain = pc.if_else(pa.array(refused), None, tidy)
    try:
        moments = _moments(plain, None) if local_zone is None else _mixed(plain, local_zone)
    except pa.ArrowInvalid:
        return _one_by_one(
            texts, LANDED_TIMESTAMP, lambda text: microseconds_of(text, local_zone, truncate=truncate), long & ~refused
        )
    return _within(moments, pa.int64(), _MOMENTS, np.flatnonzero(refused), np.flatnonzero(long & ~refused))


def _mixed(texts: pa.Array, zone: str) -> pa.Array:
    written = pc.match_substring_regex(texts, _WRITTEN_ZONE)
    placed = _moments(pc.if_else(written, None, texts), zone)
    return pc.coalesce(_moments(pc.if_else(written, texts, None), None), placed)


def _one_by_one(
    texts: pa.Array, type_: pa.DataType, convert: object, long: npt.NDArray[np.bool_] | None = None
) -> Cast:
    assert callable(convert)
    values: list[int | None] = []
    refused: list[int] = []
    for index, text in enumerate(texts.to_pylist()):
        try:
            values.append(None if text is None else convert(text))
        except RefusedTimeError:
            values.append(None)
            refused.append(index)
    storage = pa.int32() if type_ == pa.date32() else pa.int64()
    truncated = _NONE if long is None else np.setdiff1d(np.flatnonzero(long), refused)
    return Cast(pa.array(values, storage).cast(type_), np.array(refused, np.int64), truncated)


def _within(
    array: pa.Array, storage: pa.DataType, bounds: tuple[int, int], refused: Positions, truncated: Positions
) -> Cast:
    """Refuse what lies outside the calendar that everybody can read back: Arrow's own is wider."""
    numbers = array.cast(storage)
    ends = pc.min_max(numbers).as_py()
    if ends["min"] is None or (bounds[0] <= ends["min"] and ends["max"] <= bounds[1]):
        return Cast(array, refused, truncated)
    outside = _flags(pc.or_(pc.less(numbers, bounds[0]), pc.greater(numbers, bounds[1])))
    return Cast(
        pc.if_else(pa.array(outside), None, array),
        np.union1d(refused, np.flatnonzero(outside)),
        np.setdiff1d(truncated, np.flatnonzero(outside)),
    )


def _flags(array: pa.Array) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
    return flags
