"""The breach that no single record shows: for one day a producer sends a distance in kilometres.

Each record keeps its contract, for 1,400 km are as plausible as 1,400 miles. The day as a whole does not: its mean
is far from that of any real one. Such a day is held back by the gate, until a person decides.
"""

from __future__ import annotations

import dataclasses
from datetime import date

import polars as pl

from .events import Stream

KILOMETRES = 1.609344
"""In a mile."""
LARGEST = 6_000
"""The contract's bound. The flights to Honolulu would be beyond it, so they stay in miles: every record is valid."""
REAL_MEANS = (900, 1_250)
"""The contract's bounds on a day's mean. The days of 2013 had 973 to 1,131 miles; none is below 1,560 km."""


def in_kilometres(departures: Stream, day: date) -> Stream:
    """Return the departures with the distances of this day, by UTC, in kilometres."""
    converted = (pl.col("distance") * KILOMETRES).round().cast(pl.Int32)
    wrong = (pl.from_epoch("at", time_unit="ms").dt.date() == day) & (converted <= LARGEST)
    distance = pl.when(wrong).then(converted).otherwise(pl.col("distance"))
    return dataclasses.replace(departures, rows=departures.rows.with_columns(distance=distance))
