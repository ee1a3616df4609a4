"""True times, against a second derivation: the standard library's zones, one flight at a time."""

from __future__ import annotations

import csv
import dataclasses
import io
import random
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest

from ray_pipeline.demo.events import Stream
from ray_pipeline.demo.flights import Days, data_folder, read_flights, read_zones
from ray_pipeline.demo.times import Disagreements, disagreements, with_true_times

Row = dict[str, str]


def _moment(row: Row, reading: str, zone: str, after: datetime | None = None) -> datetime:
    """Walk through the days until the clock of the zone shows the reading."""
    clock = int(row[reading]) % 2400
    day = datetime(int(row["year"]), int(row["month"]), int(row["day"]), clock // 100, clock % 100)
    while True:
        moment = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if after is None or moment > after:
            return moment
        day += timedelta(days=1)


def _by_hand(row: Row, zone: str) -> tuple[datetime, datetime | None, datetime, datetime | None]:
    leaves = _moment(row, "sched_dep_time", "America/New_York")
    lands = _moment(row, "sched_arr_time", zone, leaves)
    left = None if row["dep_delay"] == "NA" else leaves + timedelta(minutes=int(row["dep_delay"]))
    if row["arr_delay"] != "NA":
        return leaves, left, lands, lands + timedelta(minutes=int(row["arr_delay"]))
    landed = None if left is None or row["arr_time"] == "NA" else _moment(row, "arr_time", zone, left)
    return leaves, left, lands, landed


def test_thousands_of_flights_agree_with_the_standard_library() -> None:
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8")))
    table = with_true_times(read_flights(Days()).with_row_index("row"), read_zones()).sort("row")
    columns = ["scheduled_departure", "departed", "scheduled_arrival", "arrived"]
    ours = list(table.select(columns).iter_rows())
    zones = read_zones()
    nights_of_change = [i for i, row in enumerate(rows) if (row["month"], row["day"]) in {("3", "9"), ("11", "2")}]
    diverted = [i for i, row in enumerate(rows) if row["dep_time"] != "NA" and row["arr_delay"] == "NA"]
    for i in [*random.Random(5).sample(range(len(rows)), 2000), *nights_of_change, *diverted]:
        assert ours[i] == _by_hand(rows[i], zones[rows[i]["dest"]]), rows[i]


def test_the_year_contradicts_itself_once() -> None:
    year = with_true_times(read_flights(Days()), read_zones())
    assert disagreements(year) == Disagreements(departures=0, arrivals=1, faster_than_air_time=0, scheduled_hours=0)


@pytest.mark.parametrize(
    ("topic", "flight_id", "times"),
    [
        # Houston, an hour behind New York: 05:15 to 08:19 by the timetable; left 05:17, landed 08:30.
        (
            "departures",
            "2013-01-01.UA1545.EWR.0515",
            {"scheduled_departure_at": "2013-01-01T10:15:00Z", "departed_at": "2013-01-01T10:17:00Z"},
        ),
        (
            "arrivals",
            "2013-01-01.UA1545.EWR.0515",
            {"scheduled_arrival_at": "2013-01-01T14:19:00Z", "arrived_at": "2013-01-01T14:30:00Z"},
        ),
        # Aguadilla keeps UTC-4 in winter: landed 10:04 there.
        ("arrivals", "2013-01-01.B6725.JFK.0545", {"arrived_at": "2013-01-01T14:04:00Z"}),
        # Honolulu, ten hours behind UTC: 09:00 to 15:30, which is the next day's 01:30Z.
        ("departures", "2013-01-01.HA51.JFK.0900", {"scheduled_arrival_at": "2013-01-02T01:30:00Z"}),
        # Summer time begins at 07:00Z of 10 March: left 23:06 (UTC-5), landed 03:03 (UTC-4) after 2 h 57 min.
        (
            "arrivals",
            "2013-03-09.B635.JFK.2145",
            {"arrived_at": "2013-03-10T07:03:00Z", "scheduled_arrival_at": "2013-03-10T05:34:00Z"},
        ),
    ],
)
def test_flights_worked_out_by_hand(
    year: Mapping[str, Stream], topic: str, flight_id: str, times: dict[str, str]
) -> None:
    rows = year[topic].rows.filter(pl.col("key") == flight_id)
    (event,) = dataclasses.replace(year[topic], rows=rows).events()
    document = orjson.loads(event.value or b"")
    assert {name: document[name] for name in times} == times
