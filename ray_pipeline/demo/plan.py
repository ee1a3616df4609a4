"""One run of the demo, decided beforehand: what is published in which order, and what must become of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from ray_pipeline.errors import UsageError

from .events import ARRIVALS, DEPARTURES, TOPICS, WEATHER, Event, Stream, in_order, streams
from .flights import Days
from .spoil import Spoiler

PARTITIONS: Mapping[str, int] = {WEATHER: 2, DEPARTURES: 4, ARRIVALS: 4}
"""So many that three weeks stay well under the 5 MiB that the embedded broker keeps of a partition."""


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
    """Some weeks of flights, a seeded share of them spoiled.

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

    def __post_init__(self) -> None:
        Days(self.start, self.days)
        if min(self.share, self.tricky_share) < 0 or self.share + self.tricky_share > 1:
            raise UsageError(
                f"shares of {self.share} spoiled and {self.tricky_share} unusual records are not in 0 to 1"
            )

    @cached_property
    def spoiler(self) -> Spoiler:
        """What decides about each event."""
        return Spoiler(self.seed, self.share, self.tricky_share)

    @cached_property
    def streams(self) -> Mapping[str, Stream]:
        """The clean events as columns; read once."""
        return streams(Days(self.start, self.days))

    def records(self) -> Iterator[Event]:
        """Yield what is published, in the order of publication across topics, a few thousand in memory at a time."""
        return map(self.spoiler, in_order(self.streams))

    def expected(self) -> dict[str, Expected]:
        """Count what must become of every topic's records."""
        return {topic: self._expected_of(self.streams[topic]) for topic in TOPICS}

    def _expected_of(self, stream: Stream) -> Expected:
        ways = (self.spoiler.way(stream.topic, key, at) for key, at in stream.identities())
        by_rule = Counter(way.rule for way in ways if way is not None and way.rule is not None)
        dead_lettered = by_rule.total()
        return Expected(
            read=len(stream),
            landed=len(stream) - dead_lettered,
            dead_lettered=dead_lettered,
            by_rule=dict(sorted(by_rule.items())),
        )
