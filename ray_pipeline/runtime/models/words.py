"""Numbers of a model as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NOTHING = "–"
MEASURES = {"auc": "AUC", "log_loss": "log loss", "brier": "Brier score", "ece": "calibration error"}
"""Of :class:`ray_pipeline.model.metrics.Metrics`, as they are called."""


def measure(found: Any, digits: int = 3, sign: str = "-") -> str:
    """Return a metric with its interval, as a manifest has both.

    >>> measure({"value": 0.7123, "low": 0.65, "high": 0.77})
    '0.712 [0.650, 0.770]'
    >>> measure({"value": 0.01, "low": None, "high": None}, sign="+"), measure(None)
    ('+0.010', '–')
    """
    if not isinstance(found, Mapping) or found.get("value") is None:
        return NOTHING
    value, *limits = (
        f"{found[name]:{sign}.{digits}f}" for name in ("value", "low", "high") if found.get(name) is not None
    )
    return f"{value} [{', '.join(limits)}]" if len(limits) == 2 else value


def share(found: Any) -> str:
    """Return a share as a percentage.

    >>> share(0.2345), share(None)
    ('23.4 %', '–')
    """
    return f"{100 * found:.1f} %" if isinstance(found, int | float) else NOTHING


def held_out(spec: Mapping[str, Any]) -> str:
    """Return the split of a model's spec that nothing was fitted to."""
    splits = spec.get("splits")
    return str(splits.get("test", "test")) if isinstance(splits, Mapping) else "test"


def aligned(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """Yield a table's rows, its columns as wide as their widest cell.

    >>> list(aligned([("a", "bb"), ("ccc", "d")]))
    ['a    bb', 'ccc  d']
    """
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    for row in rows:
        yield (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
