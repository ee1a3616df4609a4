"""What is said of one window of a dataset: how far each column is from its baseline, and whether that is drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Some event days (UTC), one after the other."""

    first: str
    """ISO day."""
    until: str
    """ISO day, the first that is not in it any more."""

    def __str__(self) -> str:
        return f"{self.first} to {self.until}"


@dataclass(frozen=True, slots=True)
class ColumnVerdict:
    """One column of a window."""

    name: str
    kind: str
    """``number``, ``category``, ``flag``, or ``score``."""
    test: str
    """``ks`` or ``chi2``, on the baseline's bins; the missing left out."""
    statistic: float | None
    p: float | None
    """How often the baseline's own windows are at least as far away; where rows are independent, by permutation."""
    p_adjusted: float | None
    """The same, for all columns of the window together."""
    effect: float | None
    """Jensen-Shannon distance, base 2, of the bins; the missing left out."""
    shift: float | None
    """A number's mean minus the baseline's, in the baseline's standard deviations, from the bins' middles."""
    missing: float | None
    """Share of the window's rows without a value …"""
    missing_before: float | None
    """… and of the baseline's."""
    missing_p: float | None
    missing_p_adjusted: float | None
    drift: bool | None
    """None: cannot be said; ``reason`` says why."""
    reason: str = ""
    """What fired, or why nothing can be said; empty where the column is as usual."""


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """All columns of a window. The alarm needs several of these."""

    subject: str
    """The dataset."""
    window: Window
    rows: int
    """In the window."""
    baseline: str
    """SHA-256 of the baseline that it was compared with …"""
    reference_rows: int
    """… and how many rows of it."""
    reference_blocks: int
    """… of how many days."""
    null: str
    """What p-values are based on: ``blocks`` (the baseline's own windows), or ``rows`` (independent rows)."""
    alpha: float
    min_effect: float
    columns: tuple[ColumnVerdict, ...]
    drift: bool | None
    """Whether any column drifts; None: nothing can be said."""
    notices: tuple[str, ...] = ()

    @property
    def moved(self) -> tuple[ColumnVerdict, ...]:
        """Columns that drift, the farthest first."""
        found = [one for one in self.columns if one.drift]
        return tuple(sorted(found, key=lambda one: (-(one.effect or 0.0), one.name)))

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as :meth:`from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> WindowVerdict:
        """Read a verdict; ``ValueError`` where it is none."""
        try:
            columns = tuple(ColumnVerdict(**one) for one in found["columns"])
            window = Window(**found["window"])
            plain = {one.name: found[one.name] for one in fields(cls)}
            plain |= {"columns": columns, "window": window, "notices": tuple(found["notices"])}
            return cls(**plain)
        except (KeyError, TypeError) as error:
            raise ValueError(f"is no verdict of a window: {error}") from None
