"""Three streams of events, each in the order in which it was published.

========== ============================================================== ===================
topic      published                                                      key
========== ============================================================== ===================
weather    at the hour that it reports                                    the origin
departures when a flight leaves; at its scheduled time when cancelled     the flight's id
arrivals   when it lands: what a departure could not know                 the flight's id
========== ============================================================== ===================

What an event says was known at that moment. Where the source has a hole the value is ``null`` (a tail number, a
pressure); where there is nothing to say the key is absent (the departure of a cancelled flight, a gust in calm air).
A diverted flight has no arrival delay. If it never reached its destination it also has no arrival; it is then
reported when it was due: the scheduled duration after it left.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from .flights import Days, read_airlines, read_flights, read_planes, read_weather, read_zones
from .times import with_true_times

WEATHER, DEPARTURES, ARRIVALS = "weather", "departures", "arrivals"
TOPICS = (WEATHER, DEPARTURES, ARRIVALS)
"""In the order in which events of one moment are published: a flight's weather, then the flight."""

_CHUNK = 4096
"""Rows that are Python objects at one time; the rest of a stream waits as columns."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One record to publish."""

    topic: str
    key: bytes
    value: bytes | None
    timestamp_ms: int
    """The simulated moment of publication: Kafka's timestamp."""
    way: str | None = None
    """How the record was spoiled, or made unusual though valid; None: it is as it came."""


@dataclass(frozen=True, slots=True)
class Stream:
    """The events of one topic: columns in order of publication, and how one row is said as JSON."""

    topic: str
    rows: pl.DataFrame
    """Its first columns are the key and the moment of publication in milliseconds, the others what to say."""
    document: Callable[[tuple[Any, ...]], Document]

    def __len__(self) -> int:
        return self.rows.height

    def identities(self) -> Iterator[tuple[str, int]]:
        """Yield key and moment of publication of each event, without writing a document."""
        yield from self.rows.select("key", "at").iter_rows(buffer_size=_CHUNK)

    def events(self) -> Iterator[Event]:
        """Yield the events; only a few thousand exist at a time."""
        for row in self.rows.iter_rows(buffer_size=_CHUNK):
            yield Event(self.topic, row[0].encode(), orjson.dumps(self.document(row[2:])), row[1])


def streams(days: Days) -> Mapping[str, Stream]:
    """Return the three streams of the flights scheduled on these days; arrivals may follow the last of them."""
    flights = with_true_times(read_flights(days), read_zones()).with_columns(key=flight_id())
    flights = flights.join(read_planes(), on="tailnum", how="left")
    flights = flights.with_columns(carrier_name=pl.col("carrier").replace_strict(read_airlines()))
    made = (_weather(read_weather(days)), _departures(flights), _arrivals(flights))
    return {stream.topic: stream for stream in made}


def in_order(streams: Mapping[str, Stream]) -> Iterator[Event]:
    """Merge streams into the order of publication across topics."""
    ordered = [streams[topic].events() for topic in TOPICS if topic in streams]
    return heapq.merge(*ordered, key=lambda event: event.timestamp_ms)


def _departures(flights: pl.DataFrame) -> Stream:
    rows = flights.with_columns(happened=pl.coalesce("departed", "scheduled_departure")).select(
        "key",
        _milliseconds("happened"),
        _rfc3339("happened"),
        "carrier",
        "carrier_name",
        "flight",
        "tailnum",
        "model",
        "seats",
        "origin",
        "dest",
        "distance",
        _rfc3339("scheduled_departure"),
        pl.col("time_hour"),
        _rfc3339("scheduled_arrival"),
        _rfc3339("departed"),
        "dep_delay",
    )
    return Stream(DEPARTURES, rows.sort("at", "key").pipe(_with_key_as_id), _departure)


def _departure(row: tuple[Any, ...]) -> Document:
    flight_id, at, carrier, name, number, tail, model, seats, origin, dest, miles, *timetable, left, delay = row
    leaves, hour, lands = timetable
    document = {
        "flight_id": flight_id,
        "occurred_at": at,
        "carrier": {"code": carrier, "name": name},
        "flight_number": number,
        "aircraft": _aircraft(tail, model, seats),
        "origin": origin,
        "destination": dest,
        "distance_miles": miles,
        "scheduled_departure_at": leaves,
        "scheduled_hour": hour,
        "scheduled_arrival_at": lands,
        "cancelled": left is None,
    }
    if left is not None:
        document |= {"departed_at": left, "departure_delay_minutes": delay}
    return document


def _arrivals(flights: pl.DataFrame) -> Stream:
    due = pl.col("departed") + (pl.col("scheduled_arrival") - pl.col("scheduled_departure"))
    left = flights.filter(pl.col("departed").is_not_null())
    rows = left.with_columns(happened=pl.coalesce("arrived", due)).select(
        "key",
        _milliseconds("happened"),
        _rfc3339("happened"),
        "carrier",
        "carrier_name",
        "flight",
        "tailnum",
        "model",
        "seats",
        "origin",
        "dest",
        _rfc3339("scheduled_arrival"),
        _rfc3339("arrived"),
        "arr_delay",
        "air_time",
    )
    return Stream(ARRIVALS, rows.sort("at", "key").pipe(_with_key_as_id), _arrival)


def _arrival(row: tuple[Any, ...]) -> Document:
    flight_id, at, carrier, name, number, tail, model, seats, origin, dest, due, landed, delay, air_time = row
    document = {
        "flight_id": flight_id,
        "occurred_at": at,
        "carrier": {"code": carrier, "name": name},
        "flight_number": number,
        "aircraft": _aircraft(tail, model, seats),
        "origin": origin,
        "destination": dest,
        "scheduled_arrival_at": due,
        "diverted": delay is None,
    }
    if landed is not None:
        document["arrived_at"] = landed
    if delay is not None:
        document |= {"arrival_delay_minutes": delay, "air_time_minutes": air_time}
    return document


def _aircraft(tail: str | None, model: str | None, seats: int | None) -> Document:
    aircraft: Document = {"tail_number": tail}
    if model is not None:
        aircraft |= {"model": model, "seats": seats}
    return aircraft


def _weather(reports: pl.DataFrame) -> Stream:
    moment = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    rows = reports.with_columns(happened=moment).select(
        pl.col("origin").alias("key"),
        _milliseconds("happened"),
        "origin",
        _rfc3339("happened"),
        "temp",
        "dewp",
        "humid",
        "wind_dir",
        "wind_speed",
        "wind_gust",
        "precip",
        "pressure",
        "visib",
    )
    return Stream(WEATHER, rows.sort("at", "key"), _report)


def _report(row: tuple[Any, ...]) -> Document:
    origin, at, temperature, dew_point, humidity, direction, speed, gust, rain, pressure, visibility = row
    wind = {"direction_degrees": direction, "speed_mph": speed}
    if gust is not None:
        wind["gust_mph"] = gust
    return {
        "origin": origin,
        "observed_at": at,
        "temperature_f": temperature,
        "dew_point_f": dew_point,
        "humidity_percent": humidity,
        "wind": wind,
        "precipitation_inches": rain,
        "pressure_millibars": pressure,
        "visibility_miles": visibility,
    }


def flight_id() -> pl.Expr:
    """Date, flight, origin and scheduled reading, as in ``2013-01-01.UA1545.EWR.0515``: unique over the year."""
    day = pl.date("year", "month", "day").dt.to_string("%Y-%m-%d")
    reading = pl.col("sched_dep_time").cast(pl.String).str.zfill(4)
    return pl.format("{}.{}{}.{}.{}", day, "carrier", "flight", "origin", reading)


def _with_key_as_id(rows: pl.DataFrame) -> pl.DataFrame:
    """Say the key in the document too: it comes after the two leading columns."""
    others = [name for name in rows.columns if name not in {"key", "at"}]
    return rows.select("key", "at", pl.col("key").alias("flight_id"), *others)


def _milliseconds(moment: str) -> pl.Expr:
    return pl.col(moment).dt.timestamp("ms").alias("at")


def _rfc3339(moment: str) -> pl.Expr:
    return pl.col(moment).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
