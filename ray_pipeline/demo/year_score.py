"""A month's answers and what came true: the loop's as they landed, and the first model's on the same flights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from ray_pipeline.model.labelled import ASKED, LABEL, STATE, State
from ray_pipeline.model.metrics import Metrics, Paired, days_of, measure, paired
from ray_pipeline.runtime.predictions.landed import landed_predictions
from ray_pipeline.runtime.predictions.outcomes import join_outcomes
from ray_pipeline.runtime.predictions.performance import DEADLINE_HOURS

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.features.definition import LabelDefinition

RESAMPLES = 200


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """The first model against the loop on the same labelled flights; intervals are a bootstrap over days."""

    rows: pl.DataFrame
    """Of the labelled ones: ``asked_us``, ``label``, ``frozen``, ``probability``."""
    landed: int
    """Answers of the loop that landed."""
    frozen: Metrics | None
    """None where nothing is labelled."""
    loop: Metrics | None
    difference: Paired | None
    """The loop's metrics minus the first model's; None as well where one model said all of it."""


def compare_month(
    config: PipelineConfig,
    labels: LabelDefinition,
    model: str,
    frozen: Mapping[str, float],
    start: datetime,
    end: datetime,
) -> Compared:
    """Join what landed of ``start <= t < end`` with its outcomes, as far as they have come, and measure both models."""
    landed = landed_predictions(config, model, since=start, until=end).frame
    labelled = join_outcomes(config, labels, landed, DEADLINE_HOURS).labelled.frame
    said = pl.DataFrame(
        {"request_id": list(frozen), "frozen": list(frozen.values())},
        schema={"request_id": pl.String, "frozen": pl.Float64},
    )
    rows = (
        labelled.filter(pl.col(STATE) == State.LABELLED)
        .join(said, on="request_id", how="inner")
        .select(ASKED, pl.col(LABEL).cast(pl.Boolean), "frozen", "probability")
        .sort(ASKED)
    )
    return compare(rows, landed.height)


def compare_all(months: Sequence[Compared]) -> Compared:
    """Return the comparison over all months' flights."""
    return compare(pl.concat([one.rows for one in months]), sum(one.landed for one in months))


def compare(rows: pl.DataFrame, landed: int) -> Compared:
    """Measure both models on labelled rows."""
    if not rows.height:
        return Compared(rows, landed, None, None, None)
    true, days = rows[LABEL].to_numpy(), days_of(rows[ASKED].to_numpy())
    first, loop = rows["frozen"].to_numpy(), rows["probability"].to_numpy()
    same = bool((rows["frozen"] == rows["probability"]).all())
    return Compared(
        rows,
        landed,
        measure(true, first, days, RESAMPLES),
        measure(true, loop, days, RESAMPLES),
        None if same else paired(true, first, loop, days, RESAMPLES),
    )
