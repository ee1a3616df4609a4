"""What became of each answer of a model: its label, or why it has none (yet).

Every prediction is exactly one of these:

- *labelled*: its outcome is known and has a label;
- *unlabelled* for a reason that the label set names, as ``cancelled``: it never gets a label, and is counted by reason;
- *no label in the outcome*: the outcome is known, and neither a label nor a reason is in it;
- *waiting*: no outcome yet, and its deadline has not passed;
- *overdue*: no outcome, and its deadline has passed;
- *no label key*: whoever asked did not say what the outcome would be found by.

A deadline is judged at the newest publication among the outcomes: while those stand still, nothing becomes overdue.
Questions and outcomes count as in a training set: a question as it was first published, an outcome as it was last.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.features.fields import field
from ray_pipeline.features.label_values import ORDER, holds, value, with_order

KEY, ASKED = "label_key", "asked_us"
STATE, REASON, LABEL, KNOWN = "state", "reason", "label", "label_known_us"
KNOWN_PARTITION, KNOWN_OFFSET = "label_partition", "label_offset"


class State(StrEnum):
    """What became of a prediction."""

    LABELLED = "labelled"
    UNLABELLED = "unlabelled"
    NO_LABEL = "no label in the outcome"
    WAITING = "waiting"
    OVERDUE = "overdue"
    NO_KEY = "no label key"


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """The predictions, each with what became of it."""

    frame: pl.DataFrame
    """The rows and columns that were given, in their order, and ``state``, ``reason`` (of an unlabelled one),
    ``label`` (of a labelled one), ``label_known_us``, the publication of its outcome, and ``label_partition`` and
    ``label_offset``, where that lies."""
    replaced: int
    """Outcomes of these predictions that gave way to a newer one that says something else."""
    repeated: int
    """Outcomes of these predictions that were published again and said the same."""


def join_labels(
    labels: LabelDefinition,
    predictions: pl.DataFrame,
    questions: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    deadline_us: int,
    watermark_us: int | None,
) -> Labelled:
    """Say what became of each prediction.

    ``predictions`` has ``label_key`` (text or null) and ``asked_us`` beside whatever else; ``questions`` and
    ``outcomes`` are rows of their datasets, with ours. ``watermark_us`` is None where no outcome was ever published.
    A condition of ``without`` sees the question's row and the outcome's as in a training set, and is asked only where
    one of the two is there.
    """
    wanted = predictions.select(pl.col(KEY).cast(pl.String).alias("#key")).drop_nulls().unique()
    asked = _first(labels, questions).join(wanted, on="#key", how="semi")
    known, replaced, repeated = _newest(labels, outcomes, wanted)
    rows = predictions.select(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("#row"),
        pl.col(KEY).cast(pl.String).alias("#key"),
        pl.col(ASKED).alias("#when"),
    )
    own = {name: f"{name}_outcome" if name in asked.columns else name for name in known.columns if name[0] != "#"}
    frame = rows.join(asked, on="#key", how="left").join(known.rename(own), on="#key", how="left").sort("#row")
    some = frame["#asked"].is_not_null() | frame["#answered"].is_not_null()
    conditions = {reason: holds(frame, over, labels, reason) & some for reason, over in labels.without.items()}
    frame = frame.with_columns(one.alias(f"#without.{number}") for number, one in enumerate(conditions.values()))
    state, reason = _judged(tuple(conditions), deadline_us, watermark_us)
    frame = frame.with_columns(state.alias(STATE), reason.alias(REASON))
    frame = frame.with_columns(
        pl.when(pl.col(STATE) == State.LABELLED).then(pl.col("#label")).alias(LABEL),
        pl.col("#known").alias(KNOWN),
        pl.col("#known_partition").alias(KNOWN_PARTITION),
        pl.col("#known_offset").alias(KNOWN_OFFSET),
    )
    found = frame.select(STATE, REASON, LABEL, KNOWN, KNOWN_PARTITION, KNOWN_OFFSET)
    return Labelled(predictions.with_columns(found), replaced, repeated)


def _judged(reasons: tuple[str, ...], deadline_us: int, watermark_us: int | None) -> tuple[pl.Expr, pl.Expr]:
    """Return the state and the reason: the first that holds, in the order in which a training set asks."""
    excluded = [pl.col(f"#without.{number}") for number in range(len(reasons))]
    passed = pl.lit(value=False) if watermark_us is None else pl.col("#when") + deadline_us <= watermark_us
    state = (
        pl.when(pl.col("#key").is_null())
        .then(pl.lit(State.NO_KEY.value))
        .when(pl.any_horizontal(*excluded) if excluded else pl.lit(value=False))
        .then(pl.lit(State.UNLABELLED.value))
        .when(pl.col("#label").is_not_null())
        .then(pl.lit(State.LABELLED.value))
        .when(pl.col("#answered").is_not_null())
        .then(pl.lit(State.NO_LABEL.value))
        .when(passed)
        .then(pl.lit(State.OVERDUE.value))
        .otherwise(pl.lit(State.WAITING.value))
    )
    named = [pl.when(over).then(pl.lit(reason)) for reason, over in zip(reasons, excluded, strict=True)]
    first = pl.coalesce(named) if named else pl.lit(None, dtype=pl.String)
    return state, pl.when(pl.col("#key").is_not_null()).then(first)


def _first(labels: LabelDefinition, table: pl.DataFrame) -> pl.DataFrame:
    """Return each question as it was first published."""
    rows = _keyed(labels, table).sort(*ORDER, nulls_last=True).unique("#key", keep="first", maintain_order=True)
    return rows.drop(ORDER).with_columns(pl.lit(value=True).alias("#asked"))


def _newest(labels: LabelDefinition, table: pl.DataFrame, wanted: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Return each outcome as it was last published, and how many gave way to others and to their like.

    What is published again unchanged changes nothing, not even since when it is known. One without a moment of
    publication counts as older than any that has one.
    """
    rows = _keyed(labels, table).join(wanted, on="#key", how="semi").sort("#key", *ORDER)
    rows = rows.with_columns(_label(labels, rows).alias("#label"))
    said = pl.struct(name for name in rows.columns if name not in ORDER)
    firsts = rows.with_columns(said.rle_id().alias("#run")).unique("#run", keep="first", maintain_order=True)
    newest = firsts.unique("#key", keep="last", maintain_order=True)
    places = dict(zip(ORDER, ("#known", "#known_partition", "#known_offset"), strict=True))
    answers = newest.rename(places).drop("#run")
    answers = answers.with_columns(pl.lit(value=True).alias("#answered"))
    return answers, firsts.height - newest.height, rows.height - firsts.height


def _keyed(labels: LabelDefinition, table: pl.DataFrame) -> pl.DataFrame:
    rows = with_order(table)
    key = value(rows, field(labels.on), labels, labels.on).cast(pl.String).alias("#key")
    return rows.with_columns(key).filter(pl.col("#key").is_not_null())


def _label(labels: LabelDefinition, rows: pl.DataFrame) -> pl.Series:
    found = value(rows, labels.label, labels, LABEL)
    if found.dtype == pl.Null:
        return found.cast(pl.Boolean)
    if found.dtype.is_numeric():
        if not found.drop_nulls().cast(pl.Float64).is_in([0.0, 1.0]).all():
            raise FeatureComputeError(labels.name, LABEL, "gave other numbers than 1 and 0; make it a condition")
        return found == 1
    if found.dtype != pl.Boolean:
        raise FeatureComputeError(labels.name, LABEL, f"gave {found.dtype}, and a model's label is true or false")
    return found
