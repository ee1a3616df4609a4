"""How often chance alone puts two samples as far apart: by permuting the pooled rows, or whole blocks of them.

Of the pooled counts a window's worth is drawn again and again (multivariate hypergeometric: the rows' labels are
permuted, and only their counts are kept). Where a drawn statistic equals the observed one, a coin that the seed throws
says which is greater, so that the rate of false alarms is the stated one also where a statistic has few values.

A test ends when so many draws were as far away as the sample (Besag and Clifford 1991, "Sequential Monte Carlo
p-values", Biometrika 78): with h of them after l draws, p = h / l, and P(p <= h / l) = h / l where nothing moved.
A family goes on only with columns that the correction of Benjamini and Hochberg may still call different, and no
longer than it needs (after Sandve, Ferkingstad and Nygard 2011, "Sequential Monte Carlo multiple testing",
Bioinformatics 27): what it calls different is what it would with every test run to its end.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from .distance import Kind, statistics
from .values import Floats, Ints

MOST = 200_000
"""Draws for one test, at most."""
_SURE, _LEAST, _SHARED = 200, 8, 1_600
"""A test ends after 200 draws as far away; many tests share 1,600 of them, and each has 8 at least."""
_SAME = 1e-10
"""Statistics that differ by less, relatively, differ by rounding."""
_FIRST, _CHUNK = 16, 1 << 20
"""So many draws at a time at least, and so many counts at most."""
_COUNT_NS, _MARGINAL_NS, _COUNTED_ROWS = 12, 95, 1_000_000
"""What numpy's two ways of drawing cost: one by row of the smaller side, and it lists all rows; the other by bin."""


class Null(Protocol):
    """What is permuted. Bin 0, the missing, is not looked at."""

    @property
    def reference(self) -> Ints:
        """Counts of the reference."""
        ...

    @property
    def window(self) -> Ints:
        """Counts of the window."""
        ...

    def draw(self, random: np.random.Generator, times: int) -> tuple[Ints, Ints]:
        """Return counts of references and windows, a row for each draw."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Rows that say nothing of one another: any of the pooled ones could have been in the window."""

    reference: Ints
    window: Ints

    def draw(self, random: np.random.Generator, times: int) -> tuple[Ints, Ints]:
        """Draw the window's rows without replacement from all rows that have a value."""
        pooled = self.reference + self.window
        pooled[0] = 0
        rows, total = int(self.window[1:].sum()), int(pooled.sum())
        by_row = _COUNT_NS * min(rows, total - rows) < _MARGINAL_NS * len(pooled) and total <= _COUNTED_ROWS
        method: Literal["count", "marginals"] = "count" if by_row else "marginals"
        windows = random.multivariate_hypergeometric(pooled, rows, size=times, method=method)
        return pooled - windows, windows


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Rows of one block belong together: whole blocks are permuted. A row for each block, a column for each bin."""

    references: Ints
    windows: Ints

    @property
    def reference(self) -> Ints:
        """All blocks of the reference."""
        total: Ints = self.references.sum(axis=0, dtype=np.int64)
        return total

    @property
    def window(self) -> Ints:
        """All blocks of the window."""
        total: Ints = self.windows.sum(axis=0, dtype=np.int64)
        return total

    @property
    def assignments(self) -> int:
        """In how many ways the blocks can be split in two: no p-value is smaller than one by this."""
        return math.comb(len(self.references) + len(self.windows), len(self.windows))

    def draw(self, random: np.random.Generator, times: int) -> tuple[Ints, Ints]:
        """Draw as many blocks as the window has."""
        blocks = np.concatenate([self.references, self.windows])
        places = np.tile(np.arange(len(blocks)), (times, 1))
        chosen = random.permuted(places, axis=1) < len(self.windows)
        windows: Ints = np.rint(chosen.astype(np.float64) @ blocks.astype(np.float64)).astype(np.int64)
        return blocks.sum(axis=0) - windows, windows


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """One question about one column."""

    name: str
    """The column's. Tests of one name share its budget."""
    kind: Kind
    null: Null
    what: str = ""
    """Tells tests of one column apart."""
    share: float = 1.0
    """The part of the column's budget that is this test's."""

    @property
    def constant(self) -> bool:
        """Whether there is only one bin: both are the same for certain, and no coin may say otherwise."""
        return int(np.count_nonzero((self.null.reference + self.null.window)[1:])) < 2


def permutation_p(kind: Kind, reference: Ints, window: Ints, *, permutations: int = 3_999, seed: int = 0) -> float:
    """Return the p-value of two count vectors of independent rows, by so many permutations.

    NaN where a side has no value; 1 where there is only one bin. ``permutations + 1`` should be a multiple of
    1 / alpha, else the rate of false alarms is a little below alpha.

    >>> permutation_p("chi2", np.array([0, 60, 40]), np.array([0, 20, 80]), permutations=999)
    0.001
    """
    run = _Run(Trial("", kind, Rows(reference, window)), seed)
    if run.told is None:
        run.go_on(permutations, permutations + 1)
    return run.p


def family_p(tests: Sequence[Trial], *, alpha: float = 0.05, seed: int = 0, exceedances: int | None = None) -> Floats:
    """Return the p-values of a family of columns, with as many permutations as Benjamini and Hochberg need at alpha.

    A p-value is of its test alone. For the family, divide it by the test's share, take the least of a column's, and
    adjust these (:func:`~ray_pipeline.drift.family.benjamini_hochberg`). Every test has random numbers of its own, by
    the seed and its name: neither the order of the columns nor another column's draws change it. ``exceedances`` says
    after how many draws as far away a test ends; more are slower, and nearer to the p-value of all permutations.
    """
    runs = [_Run(test, seed) for test in tests]
    going = [run for run in runs if run.told is None]
    family = len({run.test.name for run in going})
    shares = math.ceil(family / min((run.test.share for run in going), default=1.0))
    enough = exceedances or exceedances_for(shares, alpha)
    while going:
        columns = len({run.test.name for run in going})
        for run in going:
            level = alpha * columns / family * run.test.share
            run.go_on(min(MOST, math.ceil(enough / level * (1 - 1e-12)) - 1), enough)
        still = [run for run in going if run.exceeded < enough]
        if len(still) == len(going):  # with so many draws, every column that is left is below its threshold
            break
        going = still
    return np.array([run.p for run in runs], np.float64)


def exceedances_for(columns: int, alpha: float) -> int:
    """Return after how many draws as far away a test of so many columns ends: fewer for more columns, for the time."""
    enough = max(_LEAST, min(_SURE, _SHARED // max(1, columns)))
    return max(1, min(enough, int(MOST * alpha / max(1, columns))))


def reaches(columns: int, alpha: float) -> bool:
    """Return whether the draws suffice to call one column of so many different."""
    return columns / alpha <= MOST


@dataclass(slots=True)
class _Run:
    """A test on its way."""

    test: Trial
    seed: int
    drawn: int = 0
    exceeded: int = 0
    told: float | None = None
    """The p-value, where it needs no draw or has had its last."""
    observed: float = 0.0
    coin: float = 0.0
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        named = hashlib.sha256(f"{self.test.name}\0{self.test.what}".encode("utf-8", "surrogatepass")).digest()
        self.random = np.random.Generator(np.random.PCG64([self.seed, int.from_bytes(named[:8], "big")]))
        self.coin = float(self.random.random())
        reference, window = self.test.null.reference, self.test.null.window
        self.observed = float(statistics(self.test.kind, reference, window))
        if math.isnan(self.observed):
            self.told = math.nan
        elif self.test.constant:
            self.told = 1.0

    @property
    def p(self) -> float:
        return (self.exceeded + 1) / (self.drawn + 1) if self.told is None else self.told

    def go_on(self, until: int, enough: int) -> None:
        """Draw until there are so many draws, or enough of them were as far away as the sample."""
        width = len(self.test.null.reference)
        while self.told is None and self.drawn < until:
            likely = math.ceil((enough - self.exceeded) * (self.drawn + 1) / (self.exceeded + 1))
            times = min(until - self.drawn, max(likely, 2 * enough, _FIRST), max(1, _CHUNK // width))
            places = np.flatnonzero(self._beyond(times))
            if len(places) >= enough - self.exceeded:
                self.drawn += int(places[enough - self.exceeded - 1]) + 1
                self.exceeded = enough
                self.told = enough / self.drawn
            else:
                self.drawn += times
                self.exceeded += len(places)

    def _beyond(self, times: int) -> npt.NDArray[np.bool_]:
        """Return which of so many draws are farther away than the sample, equal ones by their coins."""
        found = statistics(self.test.kind, *self.test.null.draw(self.random, times))
        found = np.where(np.isnan(found), 0.0, found)  # blocks without a value: a split that says nothing
        apart, same = found - self.observed, _SAME * max(abs(self.observed), 1e-300)
        farther: npt.NDArray[np.bool_] = apart > same
        equal = np.abs(apart) <= same
        if equal.any():
            farther[equal] = self.random.random(int(equal.sum())) > self.coin
        return farther
