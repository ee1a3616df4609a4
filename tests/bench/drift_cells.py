"""How often the test of one column rejects where nothing moved: cells of size, bins and ties, at an alpha of 0.05.

A cell says how samples come about; each repeat draws two of them from one distribution, and asks for the p-value that
``drift compare`` and windows of independent rows get. Bins are *fixed* (they come from elsewhere, as a baseline's do
from earlier rows), *frozen* (made from the very reference), or *pooled* (made from both samples, as compare does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ray_pipeline.drift.counts import assign
from ray_pipeline.drift.distance import Kind
from ray_pipeline.drift.edges import numeric_column
from ray_pipeline.drift.permutation import Rows, Trial, family_p
from ray_pipeline.drift.pooled import pool

ALPHA = 0.05
EXCEEDANCES = 5
"""A test of the cells ends after so many draws as far away, and of a family of one after 200: the rate is the same."""


@dataclass(frozen=True)
class Cell:
    """Two samples of one distribution."""

    kind: Kind
    reference: int
    window: int
    shape: str
    """``zipf``, ``even`` (so many values, all as likely), ``normal``, ``minutes`` (a normal, rounded: many ties)."""
    width: int
    """Categories or bins."""
    bins: Literal["fixed", "frozen", "pooled"] = "fixed"

    def __str__(self) -> str:
        return f"{self.kind:5}{self.reference:7,}{self.window:8,}  {self.shape:8}{self.width:5}  {self.bins}"


DEFAULT = (
    Cell("chi2", 50, 50, "zipf", 2),
    Cell("chi2", 2_000, 100, "zipf", 50),
    Cell("chi2", 500, 200, "zipf", 100),
    Cell("ks", 50, 50, "even", 32),
    Cell("ks", 2_000, 200, "even", 5),
    Cell("ks", 20_000, 20_000, "even", 32),
)
"""The cells of the default suite."""

_SIZES = ((50, 50), (500, 200), (2_000, 100), (2_000, 2_000), (20_000, 1_000), (20_000, 20_000))
ALL = (
    *(Cell("chi2", n, m, "zipf", width) for n, m in _SIZES for width in (2, 10, 50, 100)),
    *(Cell("ks", n, m, "even", width) for n, m in _SIZES for width in (2, 5, 32, 128)),
    *(Cell("ks", n, m, "normal", 32, "frozen") for n, m in ((200, 200), (2_000, 200), (2_000, 1_000))),
    *(Cell("ks", n, m, shape, 128, "pooled") for n, m in ((50, 50), (2_000, 200)) for shape in ("normal", "minutes")),
    *(Cell("chi2", n, m, "zipf", width, "pooled") for n, m in ((50, 50), (2_000, 100)) for width in (10, 100)),
)


def weights(cell: Cell) -> Any:
    """Return how likely each value of a cell with values of its own is."""
    found = 1 / np.arange(1, cell.width + 1) if cell.shape == "zipf" else np.ones(cell.width)
    return found / found.sum()


def counts(cell: Cell, random: np.random.Generator, repeats: int) -> Iterator[tuple[Any, Any]]:
    """Yield the counts of two samples, bin 0 for the missing."""
    if cell.bins == "fixed":
        samples = (random.multinomial(rows, weights(cell), size=repeats) for rows in (cell.reference, cell.window))
        before, after = (np.pad(one, ((0, 0), (1, 0))) for one in samples)
        yield from zip(before, after, strict=True)
        return
    for _ in range(repeats):
        first, second = (raw(cell, random, rows) for rows in (cell.reference, cell.window))
        if cell.bins == "pooled":
            kind = "category" if cell.kind == "chi2" else "number"
            yield pool("x", kind, pa.chunked_array([first]), pa.chunked_array([second])).counts()
        else:
            column = numeric_column("x", first, bins=cell.width)
            yield tuple(np.bincount(assign(column, one), minlength=column.bins) for one in (first, second))  # type: ignore[misc]


def raw(cell: Cell, random: np.random.Generator, rows: int, shift: float = 0.0) -> Any:
    """Return one sample as it is before counting: numbers, or the names of categories."""
    if cell.shape in ("normal", "minutes"):
        found = random.normal(shift, 1.0, rows)
        return np.round(found * 3) if cell.shape == "minutes" else found
    codes = random.choice(cell.width, rows, p=weights(cell))
    return (
        np.array([f"c{code:03}" for code in range(cell.width)])[codes] if cell.kind == "chi2" else codes.astype(float)
    )


def rejections(cell: Cell, repeats: int, seed: int, *, exceedances: int | None = EXCEEDANCES) -> int:
    """Return how many of so many repeats were called different."""
    random = np.random.default_rng([seed, *str(cell).encode()])
    found = 0
    for number, (before, after) in enumerate(counts(cell, random, repeats)):
        trial = Trial("x", cell.kind, Rows(before, after))
        found += bool(family_p([trial], alpha=ALPHA, seed=seed * 1_000_000 + number, exceedances=exceedances) <= ALPHA)
    return found


def on_two_cores(work: Callable[[int], Any], seeds: Sequence[int]) -> list[Any]:
    """Return the work's results, one for each seed."""
    with ProcessPoolExecutor(2) as pool_of_two:
        return list(pool_of_two.map(work, seeds))


def main(repeats: int = 10_000) -> None:
    """Print every cell's rate."""
    print(f"test: rejections at alpha = {ALPHA} where nothing moved, {repeats:,} repeats each; 0.040 to 0.060 is asked")
    print("     reference  window  values         bins")
    outside = 0
    for cell in ALL:
        rate = sum(on_two_cores(partial(rejections, cell, repeats // 2), (1, 2))) / (repeats // 2 * 2)
        outside += not 0.8 * ALPHA <= rate <= 1.2 * ALPHA
        print(f"{cell!s:42}{rate:8.4f}{'' if 0.8 * ALPHA <= rate <= 1.2 * ALPHA else '   OUTSIDE'}", flush=True)
    print(f"{len(ALL) - outside} of {len(ALL)} cells within 20 % of alpha\n", flush=True)
