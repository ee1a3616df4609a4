"""What the expressions of a label set are over: rows with their order of publication, one value for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.definition import LabelDefinition

if TYPE_CHECKING:
    import pyarrow as pa

OURS = ("_timestamp", "_partition", "_offset")
"""The columns of landed and curated rows that say when and where they were published."""
ORDER = ("#published", "#partition", "#offset")
"""The same as numbers. Columns with a ``#`` are made here, and no dataset's column has one."""


def with_order(table: pa.Table | pl.DataFrame) -> pl.DataFrame:
    """Return the rows with publication and place, which columns of the datasets cannot be mistaken for."""
    frame = table if isinstance(table, pl.DataFrame) else pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    published, partition, offset = OURS
    return frame.with_columns(
        pl.col(published).dt.timestamp("us").alias(ORDER[0]),
        pl.col(partition).alias(ORDER[1]),
        pl.col(offset).alias(ORDER[2]),
    ).drop(OURS)


def value(frame: pl.DataFrame, over: pl.Expr, labels: LabelDefinition, what: str) -> pl.Series:
    """Return an expression's value in each row, or say whose fault it is that there is none."""
    try:
        found = frame.select(over.alias(what)).to_series()
    except pl.exceptions.PolarsError as error:  # its text may quote a value
        raise FeatureComputeError(labels.name, what, f"the expression raised {type(error).__name__}") from None
    if len(found) != frame.height:
        raise FeatureComputeError(labels.name, what, f"gave {len(found):,} values for {frame.height:,} rows")
    return found


def holds(frame: pl.DataFrame, condition: pl.Expr, labels: LabelDefinition, reason: str) -> pl.Series:
    """Return in which rows a condition of ``without`` holds; a null one does not."""
    found = value(frame, condition, labels, reason)
    if found.dtype != pl.Boolean:
        raise FeatureComputeError(labels.name, reason, f"gave {found.dtype}, and a condition is true or false")
    return found.fill_null(value=False)
