"""What became of predictions, from what landed: the label set's questions and outcomes that they ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.features.fields import field as column
from ray_pipeline.features.training import columns_of
from ray_pipeline.model.labelled import KEY, Labelled, join_labels
from ray_pipeline.runtime.predictions.landed import read_landed

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Predictions with their labels, as far as outcomes have come."""

    labelled: Labelled
    watermark_us: int | None
    """The newest publication in the outcomes' dataset; None where nothing of it landed."""


def join_outcomes(
    config: PipelineConfig, labels: LabelDefinition, predictions: pl.DataFrame, deadline_hours: float
) -> Outcomes:
    """Say of each prediction what became of it; see :func:`ray_pipeline.model.labelled.join_labels`.

    Only rows whose key some prediction asks for are kept in memory.
    """
    keys = frozenset(predictions[KEY].cast(pl.String).drop_nulls())
    asked, answered = (_with_key(names, labels) for names in columns_of(labels))
    questions = _frame(read_landed(config, labels.requests, asked, _Chosen(labels, keys).of))
    chosen = _Chosen(labels, keys)
    outcomes = _frame(read_landed(config, labels.outcomes, answered, chosen.of))
    labelled = join_labels(
        labels,
        predictions,
        questions,
        outcomes,
        deadline_us=round(deadline_hours * 3_600_000_000),
        watermark_us=chosen.newest_us,
    )
    return Outcomes(labelled, chosen.newest_us)


@dataclass(slots=True)
class _Chosen:
    """Keeps the rows of some keys, and remembers the newest publication of all rows."""

    labels: LabelDefinition
    keys: frozenset[str]
    newest_us: int | None = field(default=None)

    def of(self, part: pa.Table) -> pa.Table:
        frame = _frame(part)
        newest = frame["_timestamp"].dt.timestamp("us").max()
        if isinstance(newest, int) and (self.newest_us is None or newest > self.newest_us):
            self.newest_us = newest
        if _root(self.labels) not in part.column_names:
            return part.slice(0, 0)
        key = frame.select(column(self.labels.on).cast(pl.String).alias("key"))["key"]
        # A set of Python's: polars would hash all of the keys anew for every file.
        return part.filter(pa.array([one in self.keys for one in key], pa.bool_()))


def _with_key(names: tuple[str, ...], labels: LabelDefinition) -> tuple[str, ...]:
    root = _root(labels)
    return names if root in names else (root, *names)


def _root(labels: LabelDefinition) -> str:
    return labels.on.partition(".")[0]


def _frame(table: pa.Table) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found
