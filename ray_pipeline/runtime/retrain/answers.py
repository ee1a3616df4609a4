"""A champion's answers with the labels that were published by a moment, and how many labels are new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from ray_pipeline.features.fields import field as column
from ray_pipeline.features.label_values import ORDER, value, with_order
from ray_pipeline.features.training import columns_of
from ray_pipeline.model.labelled import KEY, join_labels
from ray_pipeline.runtime.predictions.landed import read_landed
from ray_pipeline.runtime.predictions.performance import DEADLINE_HOURS

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.features.definition import LabelDefinition

_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What had been published of a label set by a moment."""

    config: PipelineConfig
    labels: LabelDefinition
    now_us: int
    outcomes: pl.DataFrame
    """Every outcome published by then."""

    @classmethod
    def read(cls, config: PipelineConfig, labels: LabelDefinition, now_us: int) -> Labels:
        """Read what landed of the outcomes; in a replay later ones may be there, and do not count."""
        _, wanted = columns_of(labels)
        rows = read_landed(config, labels.outcomes, _with_key(wanted, labels), lambda part: _by(part, now_us))
        return cls(config, labels, now_us, _frame(rows))

    def published_after(self, since_us: int | None) -> int:
        """Count labels whose outcome was first published after a moment; a correction is no new label."""
        if not self.outcomes.height:
            return 0
        rows = with_order(self.outcomes)
        rows = rows.with_columns(
            value(rows, column(self.labels.on), self.labels, self.labels.on).alias("#key"),
            value(rows, self.labels.label, self.labels, "label").alias("#label"),
        ).filter(pl.col("#key").is_not_null() & pl.col("#label").is_not_null())
        first = rows.group_by("#key").agg(pl.col(ORDER[0]).min().alias("#first"))
        return first.height if since_us is None else first.filter(pl.col("#first") > since_us).height

    def of(self, answers: pl.DataFrame) -> pl.DataFrame:
        """Return answers (``label_key``, ``asked_us``, …) with ``state`` and ``label``, as of the moment."""
        keys = frozenset(answers[KEY].cast(pl.String).drop_nulls())
        asked, _ = columns_of(self.labels)

        def chosen(part: pa.Table) -> pa.Table:
            return self._of_keys(_by(part, self.now_us), keys)

        questions = _frame(read_landed(self.config, self.labels.requests, _with_key(asked, self.labels), chosen))
        return join_labels(
            self.labels,
            answers,
            questions,
            self.outcomes,
            deadline_us=round(DEADLINE_HOURS * _HOUR),
            watermark_us=self.now_us,
        ).frame

    def _of_keys(self, part: pa.Table, keys: frozenset[str]) -> pa.Table:
        if _root(self.labels) not in part.column_names:
            return part.slice(0, 0)
        key = _frame(part).select(column(self.labels.on).cast(pl.String).alias("key"))["key"]
        return part.filter(pa.array([one in keys for one in key], pa.bool_()))


def _by(part: pa.Table, now_us: int) -> pa.Table:
    published = _frame(part.select(["_timestamp"]))["_timestamp"].dt.timestamp("us")
    return part.filter((published <= now_us).fill_null(value=False).to_arrow())


def _with_key(names: tuple[str, ...], labels: LabelDefinition) -> tuple[str, ...]:
    root = _root(labels)
    return names if root in names else (root, *names)


def _root(labels: LabelDefinition) -> str:
    return labels.on.partition(".")[0]


def _frame(table: Any) -> pl.DataFrame:
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return found
