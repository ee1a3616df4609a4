"""What a verdict over 200 columns costs: from two tables, and from their counts alone."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa

from ray_pipeline.drift.compare import compare
from ray_pipeline.drift.family import benjamini_hochberg
from ray_pipeline.drift.permutation import Rows, Trial, family_p

COLUMNS = 200


def table(rows: int, moved: int, random: np.random.Generator) -> pa.Table:
    """Return so many columns, three of four numbers, the first of them shifted."""
    found = {}
    for place in range(COLUMNS):
        if place % 4 == 3:
            found[f"c{place}"] = pa.array(random.integers(0, 50, rows).astype(str))
        else:
            found[f"c{place}"] = pa.array(random.normal(0.5 if place < moved else 0.0, 1.0, rows))
    return pa.table(found)


def main() -> None:
    """Print seconds of CPU."""
    random = np.random.default_rng(7)
    print(f"cost: seconds of CPU for a verdict over {COLUMNS} columns; 2 are allowed")
    print(f"{'reference':>11}{'window':>9}{'moved':>7}{'tables':>9}{'of counts':>11}{'drift':>7}")
    for before, after in ((2_000, 200), (20_000, 1_000), (20_000, 20_000)):
        reference = table(before, 0, random)
        for moved in (0, 1, 20, 200):
            current = table(after, moved, random)
            started = time.process_time()
            columns = compare(reference, current).columns
            whole = time.process_time() - started
            trials = _counted(before, after, moved, random)
            started = time.process_time()
            benjamini_hochberg(family_p(trials))
            counted = time.process_time() - started
            drift = sum(bool(one.drift) for one in columns)
            over = "" if counted <= 2 else "   OVER"
            print(f"{before:11,}{after:9,}{moved:7}{whole:9.2f}{counted:11.2f}{drift:7}{over}", flush=True)
    print(flush=True)


def _counted(before: int, after: int, moved: int, random: np.random.Generator) -> list[Trial]:
    """Return columns of 32 bins, a baseline's, the first of them moved."""
    even = np.full(32, 1 / 32)
    slope = even * np.linspace(0.7, 1.3, 32)
    trials = []
    for place in range(COLUMNS):
        window = random.multinomial(after, slope / slope.sum() if place < moved else even)
        rows = Rows(np.r_[0, random.multinomial(before, even)], np.r_[0, window])
        trials.append(Trial(f"c{place}", "chi2" if place % 4 == 3 else "ks", rows))
    return trials
