"""Small training sets as the training-set job writes them, with every kind of column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

START_US = 1_360_000_000_000_000
HOUR = 3_600_000_000
CARRIERS = np.array(["AA", "B6", "DL", "UA"])


def training_table(rows: int = 600, seed: int = 0, **columns: Any) -> pa.Table:
    """Return rows of 30 days: the first 60 % ``train``, then 20 % ``validation``, then ``test``; labels can be learned.

    ``columns`` replace those of the table.
    """
    random = np.random.default_rng(seed)
    asked = START_US + np.sort(random.integers(0, 30 * 24, rows)) * HOUR
    delay = random.normal(size=rows) * 10
    carrier = random.integers(0, 4, rows)
    label = delay + 4 * carrier + random.normal(size=rows) * 8 > 12
    known = random.random(rows) > 0.1
    place = np.arange(rows) / rows
    found: dict[str, Any] = {
        "flight_id": [f"f{number:05d}" for number in range(rows)],
        "carrier": CARRIERS[carrier],
        "seats": random.integers(50, 300, rows),
        "asked_at": pa.array(asked, pa.timestamp("us", "UTC")),
        "calendar__hour": pa.array(asked // HOUR % 24, pa.int8()),
        "origin__mean_delay": pa.array(delay, mask=~known),
        "origin__wet": pa.array(random.random(rows) > 0.5, mask=~known),
        "aircraft__landed_at": pa.array(asked - random.integers(0, 9, rows) * HOUR, pa.timestamp("us", "UTC")),
        "origin__status": np.where(known, "PRESENT", "NOT_FOUND"),
        "aircraft__status": ["PRESENT"] * rows,
        "label": label,
        "label_known_at": pa.array(asked + 5 * HOUR, pa.timestamp("us", "UTC")),
        "split": np.where(place < 0.6, "train", np.where(place < 0.8, "validation", "test")),
    }
    return pa.table(found | columns)
