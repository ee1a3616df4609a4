"""What a label set's expressions may give, and how keys meet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features import field, label_set
from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.model.labelled import ASKED, KEY, LABEL, REASON, STATE, Labelled, State, join_labels

OURS: dict[str, Any] = {"_timestamp": pl.Datetime("ms", "UTC"), "_partition": pl.Int32, "_offset": pl.Int64}
AT = datetime(2013, 2, 1, tzinfo=UTC)


def labels_of(label: pl.Expr, **without: pl.Expr) -> LabelDefinition:
    return label_set(
        "late",
        requests="orders",
        keys={"shop": "shop"},
        asked_at=field("at"),
        outcomes="deliveries",
        on="order.number",
        label=label,
        without=without,
    )


def joined(labels: LabelDefinition, minutes: list[int | None], keys: list[str | None]) -> Labelled:
    """Orders have whole numbers, and predictions name them as text."""
    order = pl.Struct({"number": pl.Int64})
    outcomes = pl.DataFrame(
        [({"number": i}, late, AT, 0, i) for i, late in enumerate(minutes)],
        schema={"order": order, "minutes": pl.Int64, **OURS},
        orient="row",
    )
    questions = pl.DataFrame([({"number": 0}, AT, 0, 0)], schema={"order": order, **OURS}, orient="row")
    asked = pl.DataFrame({KEY: keys, ASKED: [0] * len(keys)}, schema={KEY: pl.String, ASKED: pl.Int64})
    return join_labels(labels, asked, questions, outcomes, deadline_us=1, watermark_us=0)


def test_a_key_that_is_a_number_is_found_by_its_text() -> None:
    found = joined(labels_of(field("minutes") > 15), [20, 5, None], ["0", "1", "2", "3", None]).frame
    assert found[STATE].to_list() == ["labelled", "labelled", "no label in the outcome", "waiting", "no label key"]
    assert found[LABEL].to_list() == [True, False, None, None, None]


def test_one_and_zero_are_labels_too() -> None:
    found = joined(labels_of((field("minutes") > 15).cast(pl.Int8)), [20, 5], ["0", "1"]).frame
    assert found[LABEL].to_list() == [True, False]


@pytest.mark.parametrize(
    ("label", "why"), [(field("minutes"), "other numbers than 1 and 0"), (field("minutes").cast(pl.String), "String")]
)
def test_a_label_that_is_none_is_refused_without_its_value(label: pl.Expr, why: str) -> None:
    with pytest.raises(FeatureComputeError, match=why) as refused:
        joined(labels_of(label), [4711], ["0"])
    assert "4711" not in str(refused.value)


def test_a_condition_that_holds_of_nothing_waits_for_a_row() -> None:
    labels = labels_of(field("minutes") > 15, never=field("minutes").is_null())
    found = joined(labels, [20], ["0", "9"]).frame
    assert found.select(STATE, REASON).rows() == [(State.LABELLED, None), (State.WAITING, None)]


def test_the_first_reason_that_holds_is_counted() -> None:
    labels = labels_of(field("minutes") > 15, one=field("minutes") > 1, other=field("minutes") > 2)
    assert joined(labels, [3], ["0"]).frame[REASON].to_list() == ["one"]


def test_no_rows_at_all_are_no_trouble() -> None:
    found = joined(labels_of(field("minutes") > 15), [], [])
    assert found.frame.height == 0
    assert (found.replaced, found.repeated) == (0, 0)
