"""One run of the demo, decided beforehand: what is published in which order, and what must become of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import polars as pl

from ray_pipeline.errors import UsageError

from .events import ARRIVALS, DEPARTURES, TOPICS, WEATHER, Event, Stream, in_order, streams
from .fates import Fate, Landed, foretell
from .flights import Days
from .kilometres import in_kilometres
from .spoil import Spoiler
from .ways import Way

PARTITIONS: Mapping[str, int] = {WEATHER: 2, DEPARTURES: 4, ARRIVALS: 4}
"""So many that three weeks stay well under the 5 MiB that the embedded broker keeps of a partition."""

KILOMETRES_ON = date(2013, 2, 20)


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of one topic's records; known from the seed, without judging one."""

    read: int
    landed: int
    dead_lettered: int
    by_rule: Mapping[str, int]
    """Dead letters by the rule that each was counted under, in alphabetical order."""


@dataclass(frozen=True)
class DemoPlan:
    """Some weeks of flights, a seeded share of them spoiled, and a day in the wrong unit.

    The default stretch is three weeks of February 2013 with the blizzard of the 8th and 9th, which cancelled more
    than half of two days' flights, and the hour in which an instrument at Newark saw a wind of 1,048 mph.
    """

    seed: int = 2013
    start: date = date(2013, 2, 4)
    days: int = 21
    share: float = 0.02
    """Of all records, how many are spoiled."""
    tricky_share: float = 0.01
    """Of all records, how many are written in an unusual way, though valid: they must land."""
    kilometres_on: date | None = KILOMETRES_ON
    """The day, by UTC, on which departures say their distances in kilometres: all land, and the gate holds the day.
    None, or a day out of the stretch: no such day."""

    def __post_init__(self) -> None:
        Days(self.start, self.days)
        if min(self.share, self.tricky_share) < 0 or self.share + self.tricky_share > 1:
            raise UsageError(
                f"shares of {self.share} spoiled and {self.tricky_share} unusual records are not in 0 to 1"
            )

    @classmethod
    def of_days(cls, days: int, *, seed: int, share: float) -> DemoPlan:
        """Return a shorter or longer stretch from the default start; in a short one the last day is in kilometres."""
        plan = cls(seed=seed, days=days, share=share, kilometres_on=None)
        last = plan.start + timedelta(days=days - 1)
        return dataclasses.replace(plan, kilometres_on=min(KILOMETRES_ON, last))

    @cached_property
    def spoiler(self) -> Spoiler:
        """What decides about each event."""
        return Spoiler(self.seed, self.share, self.tricky_share)

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """The events as columns, before any is spoiled; read once."""
        found = dict(streams(Days(self.start, self.days)))
        if self.kilometres_on is not None:
            found[DEPARTURES] = in_kilometres(found[DEPARTURES], self.kilometres_on)
        return found

    @cached_property
    def ends_at(self) -> datetime:
        """The end of the replay: the newest moment of publication, as a full hour. The gate's clock."""
        newest = max(at for stream in self.streams.values() for at in stream.rows["at"].tail(1))
        hour = timedelta(hours=1) // timedelta(milliseconds=1)
        return datetime.fromtimestamp(-(-newest // hour) * hour / 1000, UTC)

    def records(self) -> Iterator[Event]:
        """Yield what is published, in the order of publication across topics, a few thousand in memory at a time."""
        return map(self.spoiler, in_order(self.streams))

    def expected(self) -> dict[str, Expected]:
        """Count what must become of every topic's records."""
        return {topic: self._expected_of(self.streams[topic]) for topic in TOPICS}

    def fates(self) -> dict[str, Fate]:
        """Say what a gate at the end of the replay must do with the landed rows of every topic."""
        return foretell({topic: self._landed(topic) for topic in TOPICS}, self.ends_at)

    @cached_property
    def _ways(self) -> Mapping[str, list[Way | None]]:
        """What happens to each event, in the order of its stream."""
        return {
            topic: [self.spoiler.way(topic, key, at) for key, at in stream.identities()]
            for topic, stream in self.streams.items()
        }

    def _expected_of(self, stream: Stream) -> Expected:
        ways = self._ways[stream.topic]
        by_rule = Counter(way.rule for way in ways if way is not None and way.rule is not None)
        dead_lettered = by_rule.total()
        return Expected(
            read=len(stream),
            landed=len(stream) - dead_lettered,
            dead_lettered=dead_lettered,
            by_rule=dict(sorted(by_rule.items())),
        )

    def _landed(self, topic: str) -> Landed:
        lands = [way is None or way.rule is None for way in self._ways[topic]]
        rows = self.streams[topic].rows.filter(pl.Series(lands, dtype=pl.Boolean))
        return Landed(rows.with_columns(day=pl.from_epoch("at", time_unit="ms").dt.date()), PARTITIONS[topic])
