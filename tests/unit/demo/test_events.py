from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from ray_pipeline.demo.events import ARRIVALS, DEPARTURES, TOPICS, WEATHER, Event, Stream, in_order

Days4 = Mapping[str, Stream]


def _documents(stream: Stream) -> Iterator[tuple[Event, dict[str, Any]]]:
    for event in stream.events():
        assert event.value is not None
        yield event, orjson.loads(event.value)


def test_the_year_has_as_many_events_as_the_source_has_facts(year: Mapping[str, Stream]) -> None:
    assert {topic: len(stream) for topic, stream in year.items()} == {
        WEATHER: 26_115,
        DEPARTURES: 336_776,
        ARRIVALS: 336_776 - 8_255,
    }


def test_flight_ids_are_unique_over_the_year(year: Mapping[str, Stream]) -> None:
    for topic in (DEPARTURES, ARRIVALS):
        assert year[topic].rows["key"].n_unique() == len(year[topic])
    arrived, left = set(year[ARRIVALS].rows["key"]), set(year[DEPARTURES].rows["key"])
    assert arrived < left


def test_an_airport_reports_an_hour_once(year: Mapping[str, Stream]) -> None:
    assert not year[WEATHER].rows.select("key", "at").is_duplicated().any()


def test_missing_weather_hours_stay_missing(year: Mapping[str, Stream]) -> None:
    hours = year[WEATHER].rows.select("origin", pl.col("happened").alias("time_hour"))
    without = year[DEPARTURES].rows.join(hours, on=["origin", "time_hour"], how="anti")
    assert without.height == 1_556
    assert without.filter(pl.col("time_hour") < "2013-12-30T24").height == 624


def test_all_topics_together_come_in_the_order_of_publication(some_days: Days4) -> None:
    events = list(in_order(some_days))
    assert len(events) == sum(map(len, some_days.values()))
    moments = [(event.timestamp_ms, TOPICS.index(event.topic)) for event in events]
    assert moments == sorted(moments)


def test_the_kafka_timestamp_is_the_event_time(some_days: Days4) -> None:
    for stream in some_days.values():
        for event, document in _documents(stream):
            moment = document["observed_at" if stream.topic == WEATHER else "occurred_at"]
            assert moment.endswith("Z")
            assert datetime.fromisoformat(moment).timestamp() * 1000 == event.timestamp_ms


def test_keys_are_the_flight_and_the_origin(some_days: Days4) -> None:
    for stream in some_days.values():
        name = "origin" if stream.topic == WEATHER else "flight_id"
        assert all(document[name].encode() == event.key for event, document in _documents(stream))


def test_a_departure_says_nothing_that_was_known_only_later(some_days: Days4) -> None:
    for _, document in _documents(some_days[DEPARTURES]):
        assert document.keys() <= {
            "flight_id", "occurred_at", "carrier", "flight_number", "aircraft", "origin", "destination",
            "distance_miles", "scheduled_departure_at", "scheduled_hour", "scheduled_arrival_at", "cancelled",
            "departed_at", "departure_delay_minutes",
        }  # fmt: skip
        assert document.get("departed_at", document["scheduled_departure_at"]) == document["occurred_at"]


def test_cancelled_flights_are_reported_at_their_scheduled_time(year: Mapping[str, Stream]) -> None:
    cancelled = year[DEPARTURES].rows.filter(pl.col("departed").is_null())
    assert cancelled.height == 8_255
    assert (cancelled["happened"] == cancelled["scheduled_departure"]).all()


def test_a_cancelled_flight_has_neither_departure_nor_arrival(some_days: Days4) -> None:
    cancelled = {
        document["flight_id"]: document for _, document in _documents(some_days[DEPARTURES]) if document["cancelled"]
    }
    assert len(cancelled) == 393 + 26 + 73 + 6
    assert not any({"departed_at", "departure_delay_minutes"} & document.keys() for document in cancelled.values())
    assert cancelled.keys().isdisjoint(some_days[ARRIVALS].rows["key"])


def test_diverted_flights_have_no_delay_and_some_never_arrive(year: Mapping[str, Stream]) -> None:
    rows = year[ARRIVALS].rows
    diverted = dataclasses.replace(year[ARRIVALS], rows=rows.filter(pl.col("arr_delay").is_null()))
    kinds = Counter((document["diverted"], *_there(document)) for _, document in _documents(diverted))
    assert kinds == {(True, "arrived_at"): 717, (True,): 458}


def test_holes_are_null_and_what_does_not_apply_is_absent(year: Mapping[str, Stream]) -> None:
    holes: Counter[str] = Counter()
    for _, document in _documents(year[WEATHER]):
        assert document["precipitation_inches"] is not None
        holes += Counter(name for name, value in document.items() if value is None)
        holes += Counter(f"wind.{name}" for name, value in document["wind"].items() if value is None)
        holes["no gust"] += "gust_mph" not in document["wind"]
    assert holes == {
        "temperature_f": 1,
        "dew_point_f": 1,
        "humidity_percent": 1,
        "wind.direction_degrees": 460,
        "wind.speed_mph": 4,
        "pressure_millibars": 2_729,
        "no gust": 20_778,
    }


def test_tail_numbers_are_unknown_only_where_the_flight_was_cancelled(year: Mapping[str, Stream]) -> None:
    unknown = year[DEPARTURES].rows.filter(pl.col("tailnum").is_null())
    assert unknown.height == 2_512
    assert unknown["departed"].null_count() == 2_512


def _there(document: dict[str, Any]) -> tuple[str, ...]:
    later = ("arrived_at", "arrival_delay_minutes", "air_time_minutes")
    return tuple(name for name in later if name in document)
