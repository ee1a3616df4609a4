"""Labelled questions: what was asked when, what came true, and in which split it may be used.

A question that was published more than once counts as it was first published, so that no later event changes it; its
answer is the newest of those that count. Which count is decided by time, so that no split knows what it could not know:

- in a split that another one follows: answers published before the split ends, for that is when one would have
  trained on it;
- everywhere: answers published by the spec's ``labels_by``.

A question without a label is left out, and counted by its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.features.fields import expression, field
from ray_pipeline.features.label_values import ORDER, OURS, holds, value, with_order
from ray_pipeline.features.training_spec import Split, TrainingSpec

if TYPE_CHECKING:
    import pyarrow as pa

ASKED_AT, LABEL, KNOWN_AT, SPLIT = "asked_at", "label", "label_known_at", "split"
NO_MOMENT = "no moment asked"
NO_KEY = "no label key"
ASKED_AGAIN = "asked again"
NO_OUTCOME = "no outcome yet"
TOO_LATE = "outcome after the split's end or labels_by"
NO_LABEL = "no label in the outcome"

_END_OF_TIME = (1 << 63) - 1


@dataclass(frozen=True, slots=True, eq=False)
class LabelRows:
    """The questions that have a label, by (asked_at, label key), and what became of the others."""

    frame: pl.DataFrame
    """Columns: the label key, the join keys and request values, ``asked_at`` (microseconds), ``label``,
    ``label_known_at`` (microseconds) and ``split``."""
    questions: int
    """Asked within the range, or at no moment at all."""
    excluded: Mapping[str, int]
    """Reason → questions; with the rows of the frame they add up to ``questions``."""
    outcomes_replaced: int
    """Answers that counted and gave way to a newer one."""


def label_key(labels: LabelDefinition) -> str:
    """Return the training set's name of what a question and its answer share: the last part of its path."""
    return labels.on.rpartition(".")[2]


def columns_of(labels: LabelDefinition) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the top-level columns that questions and outcomes may need; not every dataset has all of them."""
    shared = [field(labels.on), *labels.without.values()]
    keys = [expression(key) for key in labels.keys.values()]
    return _roots([*keys, labels.asked_at, *shared]), _roots([labels.label, *shared])


def label_rows(labels: LabelDefinition, spec: TrainingSpec, questions: pa.Table, outcomes: pa.Table) -> LabelRows:
    """Join the questions of a snapshot with their outcomes.

    A condition of ``without`` sees both rows: a column that both have is the question's, and the outcome's is named
    ``<column>_outcome``. Where no outcome counts its columns are null, and a null condition does not hold.
    """
    key = label_key(labels)
    _refuse_twice(labels, [key, *(name for name in labels.keys if name != key), ASKED_AT, LABEL, KNOWN_AT, SPLIT])
    asked, excluded = _asked(labels, spec, questions)
    total = asked.height + sum(excluded.values())
    frame, replaced = _answered(labels, spec, asked, outcomes)
    reasons = [(reason, holds(frame, over, labels, reason)) for reason, over in labels.without.items()]
    reasons += [
        (NO_OUTCOME, ~frame["#any"]),
        (TOO_LATE, frame["#known"].is_null()),
        (NO_LABEL, frame["#label"].is_null()),
    ]
    left = pl.Series(frame["#any"] | True)
    for reason, out in reasons:
        excluded[reason] = excluded.get(reason, 0) + int((left & out).sum())
        left &= ~out
    kept = frame.filter(left).sort("#asked", "#key")
    chosen = {key: "#key"} | {name: f"#key.{name}" for name in labels.keys if name != key}
    chosen |= {ASKED_AT: "#asked", LABEL: "#label", KNOWN_AT: "#known", SPLIT: "#split"}
    return LabelRows(
        kept.select(pl.col(column).alias(name) for name, column in chosen.items()),
        total,
        {reason: number for reason, number in excluded.items() if number},
        replaced,
    )


def asked_once(labels: LabelDefinition, start_us: int, end_us: int, questions: pa.Table) -> pl.DataFrame:
    """Return the questions asked at ``start <= t < end``, labelled or not, each once, as it was first published.

    Columns are the label key, the join keys and request values, and ``asked_at`` (microseconds); rows come by
    (asked_at, label key).
    """
    key = label_key(labels)
    split = Split("all", start_us, end_us)
    rows, _ = _asked(labels, TrainingSpec("", labels.name, "", start_us, end_us, (split,)), questions)
    chosen = {key: "#key"} | {name: f"#key.{name}" for name in labels.keys if name != key} | {ASKED_AT: "#asked"}
    return rows.sort("#asked", "#key").select(pl.col(column).alias(name) for name, column in chosen.items())


def _asked(labels: LabelDefinition, spec: TrainingSpec, table: pa.Table) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return each question of the range once, as it was first published, and how many rows were left out."""
    rows = with_order(table)
    rows = rows.with_columns(
        _moments(value(rows, labels.asked_at, labels, ASKED_AT), labels).alias("#asked"),
        value(rows, field(labels.on), labels, labels.on).alias("#key"),
    )
    nowhere = int(rows["#asked"].is_null().sum())
    rows = rows.filter(pl.col("#asked").is_between(spec.start_us, spec.end_us, closed="left"))
    known = rows.filter(pl.col("#key").is_not_null())
    first = known.sort(*ORDER, nulls_last=True).unique("#key", keep="first", maintain_order=True)
    keys = [value(first, expression(path), labels, name) for name, path in labels.keys.items()]
    later = [pl.when(pl.col("#asked") < split.end_us).then(pl.lit(split.name)) for split in spec.splits]
    first = first.with_columns(
        pl.coalesce(later).alias("#split"), *[one.alias(f"#key.{one.name}") for one in keys]
    ).drop(ORDER)
    counts = {NO_MOMENT: nowhere, NO_KEY: rows.height - known.height, ASKED_AGAIN: known.height - first.height}
    return first, counts


def _answered(
    labels: LabelDefinition, spec: TrainingSpec, asked: pl.DataFrame, table: pa.Table
) -> tuple[pl.DataFrame, int]:
    """Return the questions with their newest answers that count, and how many answers gave way to those."""
    rows = with_order(table)
    rows = rows.with_columns(
        value(rows, field(labels.on), labels, labels.on).alias("#key"),
        value(rows, labels.label, labels, LABEL).alias("#label"),
    ).filter(pl.col("#key").is_not_null() & pl.col("#published").is_not_null())
    wanted = asked.select("#key", "#split").join(_limits(spec), on="#split", how="left")
    found = rows.join(wanted.drop("#split"), on="#key", how="inner")
    counting = found.filter(pl.col("#published") <= pl.col("#limit"))
    newest = counting.sort(*ORDER).unique("#key", keep="last", maintain_order=True)
    own = {name: f"{name}_outcome" if name in asked.columns else name for name in rows.columns if name[0] != "#"}
    answers = newest.rename({**own, "#published": "#known"}).select("#key", "#label", "#known", *own.values())
    some = found.select("#key").unique().with_columns(pl.lit(value=True).alias("#any"))
    frame = asked.join(answers, on="#key", how="left").join(some, on="#key", how="left")
    return frame.with_columns(pl.col("#any").fill_null(value=False)), counting.height - newest.height


def _limits(spec: TrainingSpec) -> pl.DataFrame:
    """Return the last moment of publication that counts in each split."""
    by = _END_OF_TIME if spec.labels_by_us is None else spec.labels_by_us
    ends = [min(by, split.end_us - 1) for split in spec.splits[:-1]]
    names = [split.name for split in spec.splits]
    return pl.DataFrame({"#split": names, "#limit": [*ends, by]}, schema={"#split": pl.String, "#limit": pl.Int64})


def _moments(asked: pl.Series, labels: LabelDefinition) -> pl.Series:
    if not isinstance(asked.dtype, pl.Datetime):
        raise FeatureComputeError(labels.name, ASKED_AT, f"gave {asked.dtype}, and a moment is needed")
    if asked.dtype.time_zone is None:
        raise FeatureComputeError(labels.name, ASKED_AT, "gave moments without a time zone")
    return asked.dt.timestamp("us")


def _refuse_twice(labels: LabelDefinition, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FeatureComputeError(labels.name, twice[0], "is the name of two columns of the training set")


def _roots(expressions: Iterable[pl.Expr]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for one in expressions:
        for name in one.meta.root_names():
            found |= {name: None, name.removesuffix("_outcome"): None}
    return (*found, *(name for name in OURS if name not in found))
