"""Conditions over one batch of rows, all in one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ray_pipeline.sla.flagged import FlaggedRows, flag
from ray_pipeline.sla.measure import Array, Where

from . import duck
from .errors import RowPredicateError
from .messages import sentence
from .placeholders import quoted
from .sandbox import time_limit

if TYPE_CHECKING:
    from .row_predicate import RowPredicate

_BATCH = "the rows of a batch"  # a name that no contract's column has


def evaluate(
    predicates: Sequence[RowPredicate], batch: pa.Table, where: Where
) -> dict[str, FlaggedRows | RowPredicateError]:
    """Return by id the rows flagged, or why the predicate could not be judged on this batch."""
    import duckdb

    found: dict[str, FlaggedRows | RowPredicateError] = {}
    able: list[RowPredicate] = []
    for predicate in {predicate.id: predicate for predicate in predicates}.values():
        absent = [column for column in predicate.columns if column not in batch.column_names]
        if absent:
            found[predicate.id] = RowPredicateError(predicate.id, f"the rows have no column {', '.join(absent)}")
        else:
            able.append(predicate)
    if not able:
        return found
    try:
        masks = _masks([predicate.asked for predicate in able], batch, _columns(able))
    except duckdb.Error:
        for predicate in able:  # one of them raised: the others are not to suffer for it
            found[predicate.id] = _alone(predicate, batch, where)
    else:
        found.update({predicate.id: flag(batch, mask, where) for predicate, mask in zip(able, masks, strict=True)})
    return found


def _alone(predicate: RowPredicate, batch: pa.Table, where: Where) -> FlaggedRows | RowPredicateError:
    import duckdb

    try:
        (mask,) = _masks([predicate.asked], batch, _columns([predicate]))
    except duckdb.Error as error:
        limits = duck.BATCH_LIMITS
        said = sentence(error, predicate.asked, memory_bytes=limits.memory_bytes, seconds=limits.seconds)
        return RowPredicateError(predicate.id, said)
    return flag(batch, mask, where)


def _columns(predicates: Sequence[RowPredicate]) -> list[str]:
    return sorted({column for predicate in predicates for column in predicate.columns})


def _masks(conditions: Sequence[str], batch: pa.Table, columns: list[str]) -> list[Array]:
    """Return for each condition one bool a row: whether it is true, as WHERE means it."""
    if batch.num_rows == 0:
        return [np.empty(0, np.bool_) for _ in conditions]
    # CASE and not the bare condition: as in WHERE, what AND and OR need not look at is then not looked at.
    asked = ", ".join(
        f"CASE WHEN {condition} THEN true ELSE false END AS m{i}" for i, condition in enumerate(conditions)
    )
    connection = duck.connection()
    rows = batch.select(columns) if columns else pa.table({"_": pa.nulls(batch.num_rows, pa.int8())})
    connection.register(_BATCH, rows)
    try:
        with time_limit(connection, duck.BATCH_LIMITS.seconds):
            answer = connection.execute(f"SELECT {asked} FROM {quoted(_BATCH)}").fetchnumpy()  # noqa: S608
    finally:
        connection.unregister(_BATCH)
    masks = [np.asarray(answer[f"m{i}"], np.bool_) for i in range(len(conditions))]
    if any(len(mask) != batch.num_rows for mask in masks):
        raise AssertionError("DuckDB answered for another number of rows than it was asked about")
    return masks
