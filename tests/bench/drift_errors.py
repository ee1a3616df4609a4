"""A frozen model's errors on real flights, which depend on each other: alarms with and without the days' design effect.

    python -m tests.bench.drift_errors

A model of the timetable alone is fitted to two thirds of the days of January and February; the other days' errors are
the reference. The flights of March follow, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from ray_pipeline.demo.flights import Days, read_flights
from ray_pipeline.drift.cusum import Cusum
from ray_pipeline.drift.error_reference import ErrorReference

RUN_LENGTH = 10_000


@dataclass(frozen=True)
class March:
    """How often a detector alarmed in a month of real flights."""

    errors: str
    labels: int
    design: float
    expected: float
    """Alarms without drift that its run length allows."""
    with_days: int
    without_days: int


def run() -> list[March]:
    """Return the alarms of March, for errors of two kinds."""
    flights = read_flights(Days(date(2013, 1, 1), 90)).drop_nulls("arr_delay")
    flights = flights.sort("month", "day", "sched_dep_time", "flight", "origin")
    late = (flights["arr_delay"] > 15).to_numpy()
    day = flights.select(pl.date("year", "month", "day").dt.ordinal_day()).to_series().to_numpy()
    scores = _scores(flights, late, fit=(day <= 59) & (day % 3 != 0))
    held_out, march = (day <= 59) & (day % 3 == 0), day > 59
    right = np.where(late, scores, 1 - scores)
    kinds = {"log loss": -np.log(np.clip(right, 1e-15, 1)), "wrong": ((scores >= 0.5) != late).astype(float)}
    found = []
    for name, errors in kinds.items():
        dependent = ErrorReference.of(errors[held_out], days=day[held_out])
        independent = ErrorReference.of(errors[held_out])
        alarms = [len(Cusum(one, run_length=RUN_LENGTH).alarms(errors[march])) for one in (dependent, independent)]
        labels = int(march.sum())
        found.append(March(name, labels, dependent.design, labels / RUN_LENGTH, *alarms))
    return found


def _scores(flights: pl.DataFrame, late: Any, fit: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    codes = [flights[name].rank("dense").to_numpy() for name in ("carrier", "origin")]
    features = np.column_stack([flights["hour"].to_numpy(), flights["distance"].to_numpy(), *codes]).astype(float)
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(features[fit], late[fit])
    return model.predict_proba(features)[:, 1]


def main() -> None:
    for one in run():
        print(
            f"flights of March, {one.errors}: {one.labels:,} labels, design effect {one.design:.0f}; alarms: "
            f"{one.with_days} with it, {one.without_days} as if rows were independent; "
            f"{one.expected:.1f} allowed by a run length of {RUN_LENGTH:,}"
        )


if __name__ == "__main__":
    main()
