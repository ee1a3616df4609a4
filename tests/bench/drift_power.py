"""How often a shifted normal is found, beside ``scipy.stats.ks_2samp`` on the same samples."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
from scipy.stats import ks_2samp

from ray_pipeline.drift.permutation import Rows, Trial, family_p
from ray_pipeline.drift.pooled import pool
from tests.bench.drift_cells import ALPHA, on_two_cores

REFERENCE, WINDOW = 20_000, 1_000
SHIFTS = (0.05, 0.1, 0.2)


def found(shift: float, repeats: int, seed: int, *, exceedances: int | None = None) -> tuple[int, int]:
    """Return how many of so many shifts compare's test and KS found."""
    random = np.random.default_rng([seed, int(shift * 1_000)])
    ours = theirs = 0
    for number in range(repeats):
        before, after = random.normal(size=REFERENCE), random.normal(shift, 1.0, WINDOW)
        counts = pool("x", "number", pa.chunked_array([before]), pa.chunked_array([after])).counts()
        trial = Trial("x", "ks", Rows(*counts))
        ours += bool(family_p([trial], alpha=ALPHA, seed=number, exceedances=exceedances) <= ALPHA)
        theirs += bool(ks_2samp(before, after).pvalue <= ALPHA)
    return ours, theirs


def main(repeats: int = 1_000) -> None:
    """Print the power at each shift."""
    print(f"power: shifts found at alpha = {ALPHA}, {REFERENCE:,} and {WINDOW:,} rows, {repeats:,} repeats")
    print(f"{'shift':>9}{'ours':>9}{'KS':>9}{'more':>9}")
    for shift in SHIFTS:
        parts = on_two_cores(partial(found, shift, repeats // 2), (1, 2))
        ours, theirs = (sum(part[side] for part in parts) / (repeats // 2 * 2) for side in (0, 1))
        less = "" if ours >= theirs - 0.02 else "   LESS"
        print(f"{shift:6.2f} sd{ours:9.3f}{theirs:9.3f}{ours - theirs:+9.3f}{less}", flush=True)
    print(flush=True)
