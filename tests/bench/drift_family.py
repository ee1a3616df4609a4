"""How often a table without drift raises any alarm at all, by its number of columns."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.stats import beta

from ray_pipeline.drift.family import benjamini_hochberg
from ray_pipeline.drift.permutation import Rows, Trial, family_p
from tests.bench.drift_cells import ALPHA, Cell, on_two_cores, weights

COLUMNS = (1, 5, 20, 50, 200)
_CELLS = (
    Cell("chi2", 2_000, 100, "zipf", 10),
    Cell("ks", 2_000, 200, "even", 10),
    Cell("chi2", 1_000, 500, "zipf", 2),
    Cell("ks", 1_000, 500, "even", 5),
)


def alarms(columns: int, copies: int, repeats: int, seed: int) -> int:
    """Return in how many of so many tables any column was called different; of each column there are ``copies``."""
    random = np.random.default_rng([seed, columns, copies])
    found = 0
    for number in range(repeats):
        trials = [
            Trial(f"{place}/{copy}", cell.kind, rows)
            for place in range(columns // copies)
            for cell in (_CELLS[place % len(_CELLS)],)
            for rows in (_rows(cell, random),)
            for copy in range(copies)
        ]
        p = family_p(trials, alpha=ALPHA, seed=seed * 1_000_000 + number)
        found += bool((benjamini_hochberg(p) <= ALPHA).any())
    return found


def upper(alarmed: int, tables: int) -> float:
    """Return the one-sided upper 95 % bound of a rate (Clopper and Pearson)."""
    return float(beta.ppf(0.95, alarmed + 1, tables - alarmed))


def main(repeats: int = 6_000) -> None:
    """Print every family's rate."""
    print(
        f"family: tables without drift that raise any alarm at {ALPHA}; the upper 95 % bound may be {1.2 * ALPHA:.3f}"
    )
    print(f"{'columns':>9}{'tables':>9}{'alarms':>9}{'rate':>9}{'bound':>9}")
    for columns, copies in (*((number, 1) for number in COLUMNS), (20, 4)):
        found = sum(on_two_cores(partial(alarms, columns, copies, repeats // 2), (1, 2)))
        bound = upper(found, repeats)
        said = "" if copies == 1 else f"   ({columns // copies} columns, {copies} times each)"
        over = "" if bound <= 1.2 * ALPHA else "   OVER"
        print(f"{columns:9}{repeats:9,}{found:9,}{found / repeats:9.4f}{bound:9.4f}{over}{said}", flush=True)
    print(flush=True)


def _rows(cell: Cell, random: np.random.Generator) -> Rows:
    before, after = (np.r_[0, random.multinomial(rows, weights(cell))] for rows in (cell.reference, cell.window))
    return Rows(_ints(before), _ints(after))


def _ints(found: Any) -> Any:
    return found.astype(np.int64)
