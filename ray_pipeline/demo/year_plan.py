"""The year that ``demo --year`` replays: its events cut at the end of each week and of each month, in their order."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from ray_pipeline.errors import UsageError

from .events import Event, Stream, in_order, streams
from .flights import FIRST_DAY, LAST_DAY, Days

TRAINED, LEAST, MOST = 3, 4, 12
"""Months that the first model is trained on, and that a year has at least and at most."""
_START = datetime(2013, 1, 1, tzinfo=UTC)
_WEEK, _HOUR = timedelta(days=7), timedelta(hours=1)
_RANGE = re.compile(r"1-([1-9][0-9]?)")


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is published in one go, and the moment that the replay has come to then."""

    events: tuple[Event, ...]
    until: datetime
    ends_week: bool
    ends_month: bool
    """Months end at midnight UTC, where event days do."""


@dataclass(frozen=True)
class YearPlan:
    """The first months of 2013, as events and as questions."""

    months: int = MOST
    ask_every: int = 3
    """Of so many flights one is asked about, by a hash of its id. All events flow."""

    def __post_init__(self) -> None:
        if not LEAST <= self.months <= MOST:
            raise UsageError(
                f"the year has 1 to {MOST} months, and a loop needs {LEAST}: the first model is trained on {TRAINED}, "
                f"and the next one is its first at work; got {self.months}"
            )
        if self.ask_every < 1:
            raise UsageError(f"of {self.ask_every} flights none can be asked about: 1 asks about all")

    @classmethod
    def of(cls, months: str) -> YearPlan:
        """Return the plan of months as a person writes them.

        >>> YearPlan.of("1-5").months
        5
        """
        found = _RANGE.fullmatch(months.strip())
        if found is None:
            raise UsageError(f"months are written 1-5, up to 1-{MOST}, and begin with January; got {months!r}")
        return cls(int(found[1]))

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """The events as columns; read once."""
        last = LAST_DAY if self.months == MOST else date(2013, self.months + 1, 1) - timedelta(days=1)
        return streams(Days(FIRST_DAY, (last - FIRST_DAY).days + 1))

    @cached_property
    def published(self) -> dict[str, int]:
        """Events by topic."""
        return {topic: len(stream) for topic, stream in self.streams.items()}

    @property
    def over(self) -> datetime:
        """The end of the last month; what was in the air then lands after it."""
        return _month_after(datetime(2013, self.months, 1, tzinfo=UTC))

    @cached_property
    def ends_at(self) -> datetime:
        """The newest moment of publication, as a full hour that is not before the last month's end."""
        newest = max(at for stream in self.streams.values() for at in stream.rows["at"].tail(1))
        hours = -(-newest // (_HOUR // timedelta(milliseconds=1)))
        return max(self.over, datetime.fromtimestamp(hours * 3600, UTC))

    def stretches(self) -> Iterator[Stretch]:
        """Yield all events; the last stretch is what is published after the last month's end."""
        events = in_order(self.streams)
        waiting = next(events, None)
        for until in self._ends():
            limit, taken = until.timestamp() * 1000, []
            while waiting is not None and waiting.timestamp_ms < limit:
                taken.append(waiting)
                waiting = next(events, None)
            yield Stretch(tuple(taken), until, _is_week(until), until.day == 1)
        rest = () if waiting is None else (waiting, *events)
        yield Stretch(rest, self.ends_at, ends_week=True, ends_month=False)

    def _ends(self) -> Iterator[datetime]:
        """Yield the end of each week and each month, up to the last month's."""
        until = _START
        while until < self.over:
            until = _next(until)
            yield until

    def is_asked(self, flight_id: str) -> bool:
        """Return whether this flight is among those that are asked about."""
        return zlib.crc32(flight_id.encode()) % self.ask_every == 0


def _is_week(moment: datetime) -> bool:
    return (moment - _START) % _WEEK == timedelta()


def _next(moment: datetime) -> datetime:
    """Return the end of the week or of the month, whichever comes first."""
    week = _START + ((moment - _START) // _WEEK + 1) * _WEEK
    return min(week, _month_after(moment))


def _month_after(moment: datetime) -> datetime:
    return datetime(moment.year + (moment.month == MOST), moment.month % MOST + 1, 1, tzinfo=UTC)
