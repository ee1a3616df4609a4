"""What versions said on their test rows, as a training keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.model.manifest import MODEL, PREDICTIONS
from ray_pipeline.model.metrics import days_of, measure
from ray_pipeline.runtime.jobs.training_manifest import training_parquet

START = datetime(2013, 2, 1, tzinfo=UTC)
ROWS = 240
MOMENTS = [START + timedelta(hours=row) for row in range(ROWS)]
TRUE = [row % 3 == 0 for row in range(ROWS)]
GOOD = [0.7 if true else 0.2 for true in TRUE]
BAD = [0.35 + 0.001 * (row % 7) for row in range(ROWS)]


def files_saying(
    said: Sequence[float], *, true: Sequence[bool] = TRUE, moments: Sequence[datetime] = MOMENTS, key: str = "flight_id"
) -> dict[str, bytes]:
    """Return the files of a version that said this on its test rows; one row is of another split."""
    rows = len(said)
    table = pa.table(
        {
            key: [*(f"f{row}" for row in range(rows)), "other"],
            "asked_at": pa.array([*moments[:rows], START], pa.timestamp("us", tz="UTC")),
            "split": ["test"] * rows + ["validation"],
            "label": [*true[:rows], True],
            "probability": pa.array([*said, 0.5], pa.float64()),
        }
    )
    return {MODEL: repr(said).encode(), PREDICTIONS: training_parquet(table)}


def measured(said: Sequence[float]) -> dict[str, Any]:
    days = days_of(np.array([int(moment.timestamp() * 1e6) for moment in MOMENTS]))
    return {"test": measure(TRUE, said, days, 50, 1).to_json()}
