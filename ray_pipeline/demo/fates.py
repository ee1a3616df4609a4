"""What a gate at the end of the replay must do with every landed row, from the source tables and the seed alone.

No check runs here. What makes a day or a row special was put there by the demo or is in the source: a day in
kilometres, a wind of 1,048 mph, arrivals whose departure was dead-lettered, a last day that is not over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import polars as pl

from .events import ARRIVALS, DEPARTURES, WEATHER
from .kilometres import REAL_MEANS
from .partitions import partition_of

VOLUME = (500, 1_200)
"""The contract's bounds on the departures of a day."""
WIND_MPH = 200
"""Above it a speed is false, says the contract."""
LATENESS = timedelta(hours=1)
"""How long after its moment a departure may still come; the contract says nothing else than the default."""
PATIENCE = timedelta(hours=24)
"""After so long without an event the gate's clock closes a day."""

Days = Mapping[str, int]
"""Event day → rows."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What must become of the landed rows of one dataset."""

    published: int
    quarantined: int = 0
    held: Days = field(default_factory=dict)
    """Days that break an error check, until a person decides."""
    waiting: Days = field(default_factory=dict)
    """Days of which an error check is pending, until more data came."""

    @property
    def kept(self) -> int:
        """Rows that are not published and not quarantined."""
        return sum(self.held.values()) + sum(self.waiting.values())


@dataclass(frozen=True, slots=True)
class Landed:
    """The rows of a topic that land: ``key``, ``at`` in milliseconds, ``day``, and what the source says."""

    rows: pl.DataFrame
    partitions: int

    @property
    def watermark(self) -> datetime:
        """Up to where every partition has come: the lowest of their newest moments."""
        newest: dict[int, int] = {}
        for key, at in self.rows.select("key", "at").sort("at", descending=True).iter_rows():
            newest.setdefault(partition_of(key.encode(), self.partitions), at)
            if len(newest) == self.partitions:
                break
        return datetime.fromtimestamp(min(newest.values(), default=0) / 1000, UTC)


def foretell(landed: Mapping[str, Landed], at: datetime) -> dict[str, Fate]:
    """Return the fate of each dataset's rows under a gate whose clock says ``at``."""
    departures, arrivals, weather = landed[DEPARTURES], landed[ARRIVALS], landed[WEATHER]
    return {
        WEATHER: _weather(weather.rows),
        DEPARTURES: _departures(departures, at),
        ARRIVALS: _arrivals(arrivals.rows, departures),
    }


def _weather(rows: pl.DataFrame) -> Fate:
    false = rows.filter(pl.col("wind_speed") > WIND_MPH).height
    return Fate(rows.height - false, false)


def _departures(departures: Landed, at: datetime) -> Fate:
    """A day needs its volume and its mean distance; until it is over, too few may still become enough."""
    over = max(departures.watermark, at - PATIENCE) - LATENESS
    days = departures.rows.group_by("day").agg(rows=pl.len(), mean=pl.col("distance").mean()).sort("day")
    held: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for day, rows, mean in days.iter_rows():
        if VOLUME[0] <= rows <= VOLUME[1] and REAL_MEANS[0] <= mean <= REAL_MEANS[1]:
            continue
        final = _end(day) <= over or rows > VOLUME[1]
        (held if final else waiting)[day.isoformat()] = rows
    return Fate(departures.rows.height - sum(held.values()) - sum(waiting.values()), 0, held, waiting)


def _arrivals(rows: pl.DataFrame, departures: Landed) -> Fate:
    """An arrival needs its departure; one that is younger than what departures have come to waits, with its day."""
    until = departures.watermark - LATENESS
    orphans = rows.join(departures.rows.select("key"), on="key", how="anti")
    young = orphans.filter(pl.col("at") > int(until.timestamp() * 1000))["day"].unique()
    days = rows.filter(pl.col("day").is_in(young.implode())).group_by("day").len().sort("day")
    waiting = {day.isoformat(): count for day, count in days.iter_rows()}
    quarantined = orphans.filter(~pl.col("day").is_in(young.implode())).height
    return Fate(rows.height - quarantined - sum(waiting.values()), quarantined, {}, waiting)


def _end(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
