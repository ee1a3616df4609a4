"""A small lake whose rows move from one week to the next, landed by the real judge, landing and log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ray_pipeline.testing.clock import FrozenClock
from tests.gate_lake import GateLake

DATASET = "readings"
FIRST = date(2013, 1, 1)
BASE_DAYS = 20
WIDE = 2
"""Days of a window."""
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: plant.readings
version: {version}
status: active
name: Readings
customProperties:
  - {{property: eventTime, value: read_at}}
schema:
  - name: readings
    logicalType: object
    properties:
      - {{name: read_at, logicalType: timestamp, required: true}}
      - {{name: degrees, logicalType: number}}
      - {{name: machine, logicalType: string}}
      - {{name: dirty, logicalType: boolean}}
      - {{name: empty, logicalType: number}}
      - {{name: same, logicalType: number}}{more}
"""
POLICY = f"drift: {{window_days: {WIDE}, lateness_hours: 2, windows: [1, 2], min_rows: 100}}"


class DriftLake(GateLake):
    """Readings of a plant in two partitions, eighty a day."""

    def __init__(self, folder: Path, *, version: str = "1.0.0", more: str = "") -> None:
        super().__init__(folder, {DATASET: CONTRACT.format(version=version, more=more)}, pipeline="plant", more=POLICY)
        self.clock = FrozenClock(datetime(2013, 12, 1, tzinfo=UTC))

    def read_days(
        self, first: date, days: int, *, shift: float = 0.0, each: int = 80, partitions: Sequence[int] = (0, 1)
    ) -> None:
        """Land some days; ``shift`` moves degrees by so many of their standard deviations, and machines with them."""
        for partition in partitions:
            events = [event for day in range(days) for event in self._day(first, day, shift, each, partition)]
            self.land(DATASET, events, partition=partition)

    def _day(self, first: date, day: int, shift: float, each: int, partition: int) -> list[dict[str, Any]]:
        when = first + timedelta(days=day)
        random = np.random.default_rng((when.toordinal(), partition))
        of_day = random.normal(0, 0.15)
        start = datetime(when.year, when.month, when.day, tzinfo=UTC)
        odds = np.clip([0.5 - shift / 6, 0.3, 0.2 + shift / 6], 0, 1)
        middle = 20 + 5 * (shift + of_day)
        return [
            {
                "read_at": (start + timedelta(minutes=1440 * place // each)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "degrees": None if random.random() < 0.02 else round(float(random.normal(middle, 5)), 3),
                "machine": str(random.choice(["lathe", "mill", "saw"], p=odds / odds.sum())),
                "dirty": bool(random.random() < 0.3),
                "empty": None,
                "same": 1.0,
            }
            for place in range(each // 2)
        ]  # fmt: skip


def day(number: int) -> date:
    """Return a day by its number; 0 is the first of the baseline."""
    return FIRST + timedelta(days=number)


def iso(number: int) -> str:
    """Return the same as a text."""
    return day(number).isoformat()
