"""Questions and outcomes: which label a question gets, which get none and why, and what a split may know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from ray_pipeline.errors import FeatureComputeError
from ray_pipeline.features.definition import LabelDefinition
from ray_pipeline.features.training import (
    ASKED_AGAIN,
    NO_KEY,
    NO_LABEL,
    NO_MOMENT,
    NO_OUTCOME,
    TOO_LATE,
    LabelRows,
    columns_of,
    label_rows,
)
from ray_pipeline.features.training_spec import Split, TrainingSpec

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = 3_600_000_000
ZERO = int(START.timestamp()) * 1_000_000
LABELS = LabelDefinition(
    name="late",
    requests="departures",
    keys={"origin": "origin", "carrier": "carrier.code"},
    asked_at=pl.col("due") - pl.duration(hours=1),
    outcomes="arrivals",
    on="flight",
    label=pl.col("delay") > 15,
    without={"cancelled": pl.col("cancelled"), "diverted": pl.col("diverted")},
)


def _at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def _questions(*rows: dict[str, Any]) -> pa.Table:
    base = {"origin": "EWR", "carrier": {"code": "UA"}, "cancelled": False, "_partition": 0}
    made = [base | {"_offset": i, "_timestamp": row.get("due")} | row for i, row in enumerate(rows)]
    types = [
        ("flight", pa.string()),
        ("origin", pa.string()),
        ("carrier", pa.struct([("code", pa.string())])),
        ("due", pa.timestamp("us", "UTC")),
        ("cancelled", pa.bool_()),
        ("_timestamp", pa.timestamp("ms", "UTC")),
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
    ]
    return pa.Table.from_pylist(made, pa.schema(types))


def _outcomes(*rows: dict[str, Any]) -> pa.Table:
    base = {"diverted": False, "_partition": 0}
    made = [base | {"_offset": i} | row for i, row in enumerate(rows)]
    types = [
        ("flight", pa.string()),
        ("delay", pa.int64()),
        ("diverted", pa.bool_()),
        ("_timestamp", pa.timestamp("ms", "UTC")),
        ("_partition", pa.int32()),
        ("_offset", pa.int64()),
    ]
    return pa.Table.from_pylist(made, pa.schema(types))


def _spec(end: float = 24, splits: tuple[tuple[str, float], ...] = (), by: float | None = None) -> TrainingSpec:
    begins, found = 0.0, []
    for name, ends in splits or (("all", end),):
        found.append(Split(name, ZERO + int(begins * HOUR), ZERO + int(ends * HOUR)))
        begins = ends
    limit = None if by is None else ZERO + int(by * HOUR)
    return TrainingSpec("late", "late", "s", ZERO, ZERO + int(end * HOUR), tuple(found), limit)


def _labelled(found: LabelRows) -> dict[str, bool]:
    assert found.frame.height + sum(found.excluded.values()) == found.questions
    return dict(zip(found.frame["flight"].to_list(), found.frame["label"].to_list(), strict=True))


def test_a_question_gets_the_answer_that_shares_its_key() -> None:
    found = label_rows(
        LABELS,
        _spec(),
        _questions({"flight": "b", "due": _at(5)}, {"flight": "a", "due": _at(5)}, {"flight": "c", "due": _at(3)}),
        _outcomes(
            {"flight": "a", "delay": 20, "_timestamp": _at(8)},
            {"flight": "b", "delay": 15, "_timestamp": _at(9)},
            {"flight": "c", "delay": 16, "_timestamp": _at(7)},
            {"flight": "x", "delay": 16, "_timestamp": _at(7)},
        ),
    )
    assert found.frame.columns == ["flight", "origin", "carrier", "asked_at", "label", "label_known_at", "split"]
    assert found.frame.rows() == [
        ("c", "EWR", "UA", ZERO + 2 * HOUR, True, ZERO + 7 * HOUR, "all"),
        ("a", "EWR", "UA", ZERO + 4 * HOUR, True, ZERO + 8 * HOUR, "all"),
        ("b", "EWR", "UA", ZERO + 4 * HOUR, False, ZERO + 9 * HOUR, "all"),
    ]
    assert (found.questions, found.excluded, found.outcomes_replaced) == (3, {}, 0)


def test_of_several_answers_the_newest_published_one_wins_whatever_their_order() -> None:
    answers = [
        {"flight": "a", "delay": 0, "_timestamp": _at(8), "_offset": 7},
        {"flight": "a", "delay": 99, "_timestamp": _at(9), "_offset": 1},
        {"flight": "a", "delay": 0, "_timestamp": _at(9), "_offset": 0},
    ]
    for order in (answers, answers[::-1]):
        found = label_rows(LABELS, _spec(), _questions({"flight": "a", "due": _at(5)}), _outcomes(*order))
        assert _labelled(found) == {"a": True}
        assert found.outcomes_replaced == 2


def test_a_question_counts_as_it_was_first_published() -> None:
    rows = [
        {"flight": "a", "due": _at(5), "_timestamp": _at(6)},
        {"flight": "a", "due": _at(5), "origin": "JFK", "_timestamp": _at(7)},
    ]
    for order in (rows, rows[::-1]):
        answer = _outcomes({"flight": "a", "delay": 0, "_timestamp": _at(8)})
        found = label_rows(LABELS, _spec(), _questions(*order), answer)
        assert found.frame["origin"].to_list() == ["EWR"]
        assert found.excluded == {ASKED_AGAIN: 1}


def test_what_has_no_label_is_left_out_and_counted_by_its_reason() -> None:
    found = label_rows(
        LABELS,
        _spec(by=20),
        _questions(
            {"flight": "a", "due": _at(5), "cancelled": True},
            {"flight": "b", "due": _at(5)},
            {"flight": "c", "due": _at(5)},
            {"flight": "d", "due": _at(5)},
            {"flight": "e", "due": _at(5)},
            {"flight": "f", "due": None, "_timestamp": _at(5)},
            {"flight": None, "due": _at(5)},
            {"flight": "g", "due": _at(1), "cancelled": None},
            {"flight": "outside", "due": _at(26)},
        ),
        _outcomes(
            {"flight": "b", "delay": None, "diverted": True, "_timestamp": _at(8)},
            {"flight": "d", "delay": 1, "_timestamp": _at(21)},
            {"flight": "e", "delay": None, "_timestamp": _at(8)},
            {"flight": "g", "delay": 1, "diverted": None, "_timestamp": _at(20)},
        ),
    )
    assert found.excluded == {
        "cancelled": 1,
        "diverted": 1,
        NO_OUTCOME: 1,
        TOO_LATE: 1,
        NO_LABEL: 1,
        NO_MOMENT: 1,
        NO_KEY: 1,
    }
    assert _labelled(found) == {"g": False}


def test_a_split_that_another_one_follows_knows_only_what_was_published_before_its_end() -> None:
    found = label_rows(
        LABELS,
        _spec(24, (("train", 12), ("test", 24))),
        _questions(*[{"flight": name, "due": _at(11)} for name in "abc"], {"flight": "d", "due": _at(13)}),
        _outcomes(
            {"flight": "a", "delay": 0, "_timestamp": _at(11.9)},
            {"flight": "a", "delay": 99, "_timestamp": _at(12)},
            {"flight": "b", "delay": 0, "_timestamp": _at(12)},
            {"flight": "c", "delay": 0, "_timestamp": _at(11.99)},
            {"flight": "d", "delay": 99, "_timestamp": _at(40)},
        ),
    )
    assert _labelled(found) == {"a": False, "c": False, "d": True}
    assert found.frame["split"].to_list() == ["train", "train", "test"]
    assert found.excluded == {TOO_LATE: 1}


def test_nothing_asked_is_an_empty_table_with_its_columns() -> None:
    found = label_rows(LABELS, _spec(), _questions(), _outcomes())
    assert found.frame.height == found.questions == 0
    assert found.frame.schema["label"] == pl.Boolean


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": pl.col("delay").mean()}, "label: gave 1 values for 2 rows"),
        ({"label": pl.col("absent")}, "label: the expression raised ColumnNotFoundError"),
        ({"asked_at": pl.col("flight")}, "asked_at: gave String, and a moment is needed"),
        ({"asked_at": pl.col("due").dt.replace_time_zone(None)}, "asked_at: gave moments without a time zone"),
        ({"without": {"odd": pl.col("delay")}}, "odd: gave Int64, and a condition is true or false"),
        ({"keys": {"split": "origin"}}, "split: is the name of two columns"),
    ],
)
def test_an_expression_that_cannot_be_used_is_told_by_name(change: dict[str, Any], message: str) -> None:
    plain = {name: getattr(LABELS, name) for name in ("name", "requests", "keys", "asked_at", "outcomes", "on")}
    labels = LabelDefinition(**{**plain, "label": LABELS.label, "without": LABELS.without, **change})
    asked = _questions({"flight": "a", "due": _at(5)}, {"flight": "b", "due": _at(5)})
    known = _outcomes(*[{"flight": name, "delay": 1, "_timestamp": _at(6)} for name in "ab"])
    with pytest.raises(FeatureComputeError) as caught:
        label_rows(labels, _spec(), asked, known)
    assert message in str(caught.value)


def test_the_columns_to_read_are_named() -> None:
    asked, answered = columns_of(LABELS)
    assert set(asked) >= {"origin", "carrier", "due", "flight", "cancelled", "_timestamp", "_partition", "_offset"}
    assert set(answered) >= {"flight", "delay", "diverted", "_timestamp"}
