"""When a flight truly left and landed: UTC moments from local clock readings and delays.

The table gives readings like 517 without a day or a zone, at the origin for the departure, at the destination for the
arrival. The scheduled reading with its date fixes the moment; the actual one is the schedule plus the delay, which is
exact through midnight and through a change of the clocks. The readings of the actual times then serve as a check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from .flights import ORIGIN_ZONE

_UTC = pl.Datetime("us", "UTC")


def with_true_times(flights: pl.DataFrame, zones: Mapping[str, str]) -> pl.DataFrame:
    """Add the columns ``scheduled_departure``, ``departed``, ``scheduled_arrival`` and ``arrived``, all UTC.

    ``departed`` is null where the flight was cancelled; ``arrived`` also where a diverted one never came.
    """
    flights = flights.with_columns(zone=pl.col("dest").replace_strict(zones, return_dtype=pl.String))
    flights = flights.with_columns(scheduled_departure=_moment("sched_dep_time", ORIGIN_ZONE, days=0))
    flights = flights.with_columns(departed=pl.col("scheduled_departure") + _minutes("dep_delay"))
    parts = [_with_arrival(part, zone) for (zone,), part in flights.partition_by("zone", as_dict=True).items()]
    return pl.concat(parts) if parts else _with_arrival(flights, ORIGIN_ZONE)


def _with_arrival(flights: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Place the arrivals of flights whose destinations share one zone."""
    flights = flights.with_columns(scheduled_arrival=_first_after("scheduled_departure", "sched_arr_time", zone))
    return flights.with_columns(
        arrived=pl.coalesce(
            pl.col("scheduled_arrival") + _minutes("arr_delay"),
            # A diverted flight has no delay, and a reading only where it reached its destination in the end.
            _first_after("departed", "arr_time", zone),
        )
    )


def _first_after(start: str, reading: str, zone: str) -> pl.Expr:
    """The first moment after ``start`` at which a clock in ``zone`` shows the reading; no flight lasts a day."""
    moments = [_moment(reading, zone, days=days) for days in (0, 1, 2)]
    return pl.coalesce(*(pl.when(moment > pl.col(start)).then(moment) for moment in moments))


def _moment(reading: str, zone: str, *, days: int) -> pl.Expr:
    """The UTC moment at which a clock in ``zone`` shows the reading, some days after the flight's date."""
    clock = pl.col(reading) % 2400  # midnight is written 2400 where it ends a day: _first_after finds the day
    local = pl.datetime("year", "month", "day", clock // 100, clock % 100) + pl.duration(days=days)
    utc = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    return utc.cast(_UTC)


def _minutes(delay: str) -> pl.Expr:
    return pl.duration(minutes=pl.col(delay))


@dataclass(frozen=True, slots=True)
class Disagreements:
    """How often what we derive contradicts a column that we did not derive it from."""

    departures: int
    """Derived departures whose reading at the origin is not ``dep_time``."""
    arrivals: int
    """Derived arrivals whose reading at the destination is not ``arr_time``."""
    faster_than_air_time: int
    """Flights whose moments lie closer together than the minutes they spent in the air."""
    scheduled_hours: int
    """Scheduled departures that fall out of the UTC hour that the table names."""


def disagreements(flights: pl.DataFrame) -> Disagreements:
    """Count the contradictions in flights that carry their true times.

    Over the whole year there is one: B6 35 of 9 March landed in Florida after the clocks went forward, at 03:03
    as its delay says; the table's reading, 02:03, is an hour that this night did not have.
    """
    parts = flights.partition_by("zone", as_dict=True).items()
    aloft = (pl.col("arrived") - pl.col("departed")).dt.total_minutes()
    named_hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    return Disagreements(
        departures=_count(flights, _reading("departed", ORIGIN_ZONE) != pl.col("dep_time") % 2400),
        arrivals=sum(_count(part, _reading("arrived", zone) != pl.col("arr_time") % 2400) for (zone,), part in parts),
        faster_than_air_time=_count(flights, aloft < pl.col("air_time")),
        scheduled_hours=_count(flights, pl.col("scheduled_departure").dt.truncate("1h") != named_hour),
    )


def _reading(moment: str, zone: str) -> pl.Expr:
    local = pl.col(moment).dt.convert_time_zone(zone)
    return local.dt.hour().cast(pl.Int32) * 100 + local.dt.minute()


def _count(flights: pl.DataFrame, contradiction: pl.Expr) -> int:
    return int(flights.select(contradiction.sum()).item())
