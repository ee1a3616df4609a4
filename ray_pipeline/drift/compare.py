"""Two tables beside each other: which columns are distributed otherwise, with no baseline and no log.

A column has one row in the answer. Numbers are compared by ``ks``, categories and flags by ``chi2``, both without the
missing. Where some value is missing, their share is tested too, and the two tests share the column's budget: the row
shows the one that says more, ``missing`` where it is that one, with a p-value that counts both (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from ray_pipeline.errors import UsageError
from ray_pipeline.text import count

from .family import benjamini_hochberg
from .kinds import NUMBER, IncomparableError, common_columns
from .pairs import Pair, Units, make_pair, make_units
from .permutation import Trial, family_p, reaches

MIN_ROWS = 50
INDEPENDENT = (
    "rows count as independent: where those of one day, device or customer are alike, ordinary tables differ too; "
    "name what belongs together with --block COLUMN"
)
_DOCUMENT = ("name", "test", "statistic", "p", "p_adjusted", "effect", "drift")


class Columns(Protocol):
    """A table, or something that reads one column at a time."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        ...

    @property
    def num_rows(self) -> int:
        """How many rows each column has."""
        ...

    def column(self, name: str, /) -> pa.ChunkedArray:
        """Return all values of one column."""
        ...


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """One column of both tables."""

    name: str
    kind: str
    """``number``, ``category`` or ``flag``."""
    test: str | None
    """``ks``, ``chi2``, or ``missing``; None where neither table has a value."""
    statistic: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    """For all columns together, by Benjamini and Hochberg."""
    effect: float | None = None
    """Jensen-Shannon distance, base 2; of a number in 32 bins at most."""
    drift: bool | None = None
    """None: cannot be said."""
    shift: float | None = None
    """A number's mean minus the reference's, in the reference's standard deviations."""
    missing: tuple[float, float] | None = None
    """Share of rows without a value, of the reference and of the current table."""

    def to_json(self) -> dict[str, Any]:
        """Return what programs read."""
        found = asdict(self)
        return {name: found[name] for name in _DOCUMENT}


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two tables differ."""

    reference_rows: int
    current_rows: int
    alpha: float
    min_effect: float
    columns: tuple[ColumnDifference, ...]
    drift: bool | None
    """Whether any column drifts; None: cannot be said, for too few rows or no column to compare."""
    notices: tuple[str, ...] = ()
    """What the answer rests on, and what was left out, each in a sentence."""

    @property
    def moved(self) -> tuple[ColumnDifference, ...]:
        """Columns that drift, the farthest first."""
        found = [one for one in self.columns if one.drift]
        return tuple(sorted(found, key=lambda one: (-(one.effect or 0.0), one.name)))

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``drift compare --output json``."""
        return {
            "rows": {"reference": self.reference_rows, "current": self.current_rows},
            "alpha": self.alpha,
            "columns": [one.to_json() for one in self.columns],
            "drift": self.drift,
            "notices": list(self.notices),
        }


def compare(
    reference: Columns,
    current: Columns,
    *,
    kinds: Mapping[str, str] | None = None,
    alpha: float = 0.05,
    min_effect: float = 0.0,
    seed: int = 0,
    block: str | None = None,
    min_rows: int = MIN_ROWS,
) -> Comparison:
    """Compare the columns that both tables have; ``pa.Table`` will do, and so will what reads one column at a time.

    ``kinds``: column → number, category or flag, as a contract says; left out, the types say. ``block`` names a column
    whose values tell which rows belong together: whole blocks are permuted then. The same tables and the same seed give
    the same answer, whatever the order of columns and rows.

    >>> numbers = [pa.table({"delay": list(range(start, start + 100))}) for start in (0, 5, 60)]
    >>> [compare(numbers[0], one).drift for one in numbers]
    [False, False, True]
    """
    _refuse_nothing_in_common(reference.schema, current.schema, block)
    names, notices = common_columns(reference.schema, current.schema, kinds, [block] if block else [])
    rows = reference.num_rows, current.num_rows

    def unsaid(reason: str) -> Comparison:
        columns = tuple(ColumnDifference(name, kind, "ks" if kind == NUMBER else "chi2") for name, kind in names)
        return Comparison(*rows, alpha, min_effect, columns, None, (reason, *notices))

    if min(rows) < min_rows:
        side, least = ("reference", rows[0]) if rows[0] <= rows[1] else ("current table", rows[1])
        return unsaid(f"cannot tell: the {side} has {count(least, 'row')}, and {min_rows:,} are needed on each side")
    units = make_units(block, reference.column(block), current.column(block)) if block else None
    if units is not None and math.comb(sum(units.blocks), units.blocks[1]) * alpha < 1:
        return unsaid(f"cannot tell: {_in_blocks(block, units)} can be split in too few ways for an alpha of {alpha:g}")
    if not names:
        return unsaid("cannot tell: no column of both tables can be compared")
    notices.insert(0, INDEPENDENT if units is None else f"whole blocks were permuted: {_in_blocks(block, units)}")
    pairs: list[Pair] = []
    for name, kind in names:
        try:
            pairs.append(make_pair(name, kind, reference.column(name), current.column(name), units))
        except IncomparableError as error:
            notices.append(f"{name} is not compared: it {error}")
    columns = _judged(pairs, alpha, min_effect, seed, notices)
    said = [one.drift for one in columns if one.drift is not None]
    return Comparison(*rows, alpha, min_effect, columns, any(said) if said else None, tuple(notices))


def _judged(
    pairs: Sequence[Pair], alpha: float, min_effect: float, seed: int, notices: list[str]
) -> tuple[ColumnDifference, ...]:
    tests = [test for pair in pairs for test in pair.tests]
    values = iter(family_p(tests, alpha=alpha, seed=seed).tolist())
    shown = [_shown(pair, [next(values) for _ in pair.tests], min_effect) for pair in pairs]
    p = np.array([math.nan if one is None or one[0].constant else one[1] for one in shown], np.float64)
    tested = int(np.count_nonzero(~np.isnan(p)))
    if tested and not reaches(tested, alpha):
        notices.append(f"an alpha of {alpha:g} is too small for the permutations of {count(tested, 'column')}")
    columns = []
    for pair, one, adjusted in zip(pairs, shown, benjamini_hochberg(p).tolist(), strict=True):
        notices += pair.notices
        if one is None:
            columns.append(ColumnDifference(pair.name, pair.kind, None, missing=pair.missing))
            continue
        test, found = one
        within = found if math.isnan(adjusted) else adjusted
        effect = pair.effect(test)
        columns.append(
            ColumnDifference(
                name=pair.name,
                kind=pair.kind,
                test=test.what,
                statistic=pair.statistic(test),
                p=found,
                p_adjusted=within,
                effect=effect,
                drift=within <= alpha and effect >= min_effect,
                shift=pair.shift,
                missing=pair.missing,
            )
        )
    return tuple(columns)


def _shown(pair: Pair, p: Sequence[float], min_effect: float) -> tuple[Trial, float] | None:
    """Return the test that the column's row shows, with its p-value for the column: one of those that are far enough.

    A choice by p alone would let a sure but small difference hide one that counts.
    """
    found = [
        (pair.effect(test) < min_effect, min(1.0, one / test.share), place)
        for place, (test, one) in enumerate(zip(pair.tests, p, strict=True))
    ]
    if not found:
        return None
    _, least, place = min(found)
    return pair.tests[place], least


def _refuse_nothing_in_common(reference: pa.Schema, current: pa.Schema, block: str | None) -> None:
    for side, schema in (("reference", reference), ("current table", current)):
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        if twice:
            raise UsageError(f"the {side} has column {twice[0]} more than once: which one is meant, nobody can tell")
        if block is not None and block not in schema.names:
            raise UsageError(f"the {side} has no column {block} to name blocks")
    if not set(reference.names) & set(current.names):
        raise UsageError("the two tables have no column in common")


def _in_blocks(block: str | None, units: Units) -> str:
    before, after = units.blocks
    twice = f" ({count(units.shared, 'block')} in both tables: there they count as two)" if units.shared else ""
    return f"{count(before, 'block')} of {block} in the reference, {after:,} in the current table{twice}"
