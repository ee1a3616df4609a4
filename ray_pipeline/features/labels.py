"""Questions with their answers, as a definition file writes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import polars as pl

from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.features.fields import expression


def label_set(
    name: str,
    *,
    requests: str,
    keys: Mapping[str, pl.Expr | str],
    asked_at: pl.Expr | str,
    outcomes: str,
    on: str,
    label: pl.Expr | str,
    without: Mapping[str, pl.Expr | str] | None = None,
) -> LabelDefinition:
    """Define what is asked, when, and what came true.

    ``requests`` and ``outcomes`` are datasets; ``keys`` says where each join key and request value is in a question's
    row, ``on`` names the column that a question shares with its answer. ``label`` is over the answer's row. ``without``
    is reason → condition over both rows (of a column that both have, the answer's is ``<column>_outcome``): such a
    question has no label, and is left out and counted.
    """
    caller = sys._getframe(1)
    return LabelDefinition(
        name=name,
        requests=requests,
        keys=dict(keys),
        asked_at=expression(asked_at),
        outcomes=outcomes,
        on=on,
        label=expression(label),
        without={reason: expression(condition) for reason, condition in (without or {}).items()},
        file=caller.f_code.co_filename,
        line=caller.f_lineno,
    )
