"""The flights of a quarter as counts by day, so that any of its days can be a baseline and any others a window of it.

Every baseline's bins are made of its own days alone, as a model's are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from scipy.special import chdtrc, kolmogorov

from ray_pipeline.config.drift import DriftConfig
from ray_pipeline.demo.flights import Days, read_flights, read_planes, read_weather
from ray_pipeline.drift.alarm import judge_window
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.counts import BlockCounts, assign
from ray_pipeline.drift.distance import kind_of, statistics
from ray_pipeline.drift.edges import column_of
from ray_pipeline.drift.family import benjamini_hochberg
from ray_pipeline.drift.values import Ints
from ray_pipeline.drift.verdict import Window, WindowVerdict

FIRST, DAYS = date(2013, 1, 1), 90
Change = Callable[[str, Any, Ints], tuple[Any, Ints]]
"""What happens to a window: column, distinct values and their rows by day → the same, changed."""


@dataclass(frozen=True, eq=False, slots=True)
class Tally:
    """One column: how often each value was there on each day."""

    kind: str
    values: Any
    rows: Ints


@dataclass(frozen=True, eq=False, slots=True)
class Quarter:
    """One dataset of consecutive days."""

    days: tuple[str, ...]
    columns: Mapping[str, Tally]

    def baseline(self, places: Sequence[int]) -> Baseline:
        """Return the baseline of some days, by number."""
        kept = sorted(places)
        columns, counts = [], []
        for name, tally in self.columns.items():
            total = tally.rows[kept].sum(axis=0)
            column = column_of(name, tally.kind, _repeated(tally.values, total))
            columns.append(column)
            counts.append(_binned(assign(column, tally.values), tally.rows[kept], column.bins))
        return Baseline(
            columns=tuple(columns),
            blocks=tuple(self.days[place] for place in kept),
            counts=tuple(counts),
            score=None,
            score_blocks=(),
            score_counts=None,
            fit_rows=int(counts[0].sum()),
        )

    def counts(self, baseline: Baseline, first: int, size: int, change: Change | None = None) -> dict[str, BlockCounts]:
        """Return the counts of a window in a baseline's bins, changed where that is asked for."""
        found = {}
        for name, tally in self.columns.items():
            column, rows, values = baseline.column(name), tally.rows[first : first + size], tally.values
            if change is not None:
                values, rows = change(name, values, rows)
            counted = _binned(assign(column, values), rows, column.bins)
            found[name] = BlockCounts(self.days[first : first + size], counted)
        return found

    def window(self, first: int, size: int) -> Window:
        """Return the window of some days."""
        until = date.fromisoformat(self.days[first + size - 1]) + timedelta(days=1)
        return Window(self.days[first], until.isoformat())

    def judge(
        self, baseline: Baseline, first: int, size: int, policy: DriftConfig, change: Change | None = None
    ) -> WindowVerdict:
        """Return the verdict of one window."""
        counts = self.counts(baseline, first, size, change)
        return judge_window("quarter", baseline, "0" * 64, counts, self.window(first, size), policy)


@lru_cache(maxsize=4)
def departures(days: int = DAYS) -> Quarter:
    """Return what the contract's departures say of themselves, and the hour of their timetable."""
    flights = _dated(read_flights(Days(FIRST, days))).join(read_planes(), on="tailnum", how="left")
    found = {
        "carrier.code": ("category", flights["carrier"]),
        "origin": ("category", flights["origin"]),
        "destination": ("category", flights["dest"]),
        "distance_miles": ("number", flights["distance"]),
        "scheduled_hour": ("number", flights["hour"]),
        "flight_number": ("number", flights["flight"]),
        "aircraft.seats": ("number", flights["seats"]),
        "aircraft.model": ("category", flights["model"]),
        "cancelled": ("flag", flights["dep_time"].is_null()),
        "departure_delay_minutes": ("number", flights["dep_delay"]),
    }
    return _quarter(flights["date"], found)


@lru_cache(maxsize=4)
def weather(days: int = DAYS) -> Quarter:
    """Return the hourly weather of the three airports."""
    reports = _dated(read_weather(Days(FIRST, days)))
    names = {
        "temp": "temperature_f", "dewp": "dew_point_f", "humid": "humidity_percent",
        "wind_dir": "wind.direction_degrees",
        "wind_speed": "wind.speed_mph", "wind_gust": "wind.gust_mph", "precip": "precipitation_inches",
        "pressure": "pressure_millibars", "visib": "visibility_miles",
    }  # fmt: skip
    return _quarter(reports["date"], {told: ("number", reports[name]) for name, told in names.items()})


def by_rows(baseline: Baseline, counts: Mapping[str, BlockCounts]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the p-values of tests that take rows for independent, corrected for their number, as others do it."""
    p = []
    for column in baseline.columns:
        before, after = baseline.of(column.name).total, counts[column.name].total
        n, m = int(before[1:].sum()), int(after[1:].sum())
        if not n or not m:
            continue
        found = float(statistics(kind_of(column), before, after))
        if kind_of(column) == "ks":
            p.append(float(kolmogorov(found * (n * m / (n + m)) ** 0.5)))
        else:
            p.append(float(chdtrc(max(1, np.count_nonzero((before + after)[1:]) - 1), found)))
    return benjamini_hochberg(np.array(p))


def shifted(name: str, by: float, spread: float) -> Change:
    """Return the change that adds so many standard deviations to all values of a number."""

    def change(column: str, values: Any, rows: Ints) -> tuple[Any, Ints]:
        return (values + by * spread, rows) if column == name else (values, rows)

    return change


def grown(name: str, value: str, by: float) -> Change:
    """Return the change that adds so much to one category's share, taken from all others alike."""

    def change(column: str, values: Any, rows: Ints) -> tuple[Any, Ints]:
        if column != name:
            return values, rows
        place = values.to_pylist().index(value)
        total, own = rows.sum(axis=1), rows[:, place]
        part = np.clip(by * total / np.maximum(total - own, 1), 0, 1)
        taken = np.rint(rows * part[:, None]).astype(np.int64)
        taken[:, place] = 0
        left = rows - taken
        left[:, place] += taken.sum(axis=1)
        return values, left

    return change


def _dated(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(date=pl.date("year", "month", "day").dt.to_string("%Y-%m-%d"))


def _quarter(days: pl.Series, columns: Mapping[str, tuple[str, pl.Series]]) -> Quarter:
    known = sorted(days.unique().to_list())
    place = days.replace_strict(known, list(range(len(known)))).to_numpy().astype(np.int64)
    return Quarter(tuple(known), {name: _tally(kind, values, place) for name, (kind, values) in columns.items()})


def _tally(kind: str, values: pl.Series, place: Ints) -> Tally:
    distinct = values.unique().sort()
    codes = values.rank("dense").fill_null(0).to_numpy().astype(np.int64) - (distinct.null_count() == 0)
    rows = np.zeros((int(place.max()) + 1, len(distinct)), np.int64)
    np.add.at(rows, (place, codes), 1)
    return Tally(kind, distinct.cast(pl.Float64).to_numpy() if kind == "number" else distinct.to_arrow(), rows)


def _repeated(values: Any, rows: Ints) -> Any:
    if isinstance(values, np.ndarray):
        return np.repeat(values, rows)
    return values.take(pa.array(np.repeat(np.arange(len(rows)), rows)))


def _binned(bins: Ints, rows: Ints, width: int) -> Ints:
    found = np.zeros((len(rows), width), np.int64)
    for place, each in zip(bins.tolist(), rows.T, strict=True):
        found[:, place] += each
    return found
