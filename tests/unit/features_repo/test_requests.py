"""Features of the request are computed from what the caller knows, row by row."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from ray_pipeline.errors import FeatureComputeError, UsageError
from ray_pipeline.features import field, request_features
from ray_pipeline.features.requests import request_values

AT = field("at").dt.convert_time_zone("America/New_York")
CALENDAR = request_features(
    "calendar",
    inputs={"at": "timestamp", "seats": "int64"},
    features={"hour": AT.dt.hour(), "big": field("seats") > 99},
)
MOMENTS = [datetime(2013, 1, 1, 3, 30, tzinfo=UTC), None, datetime(2013, 7, 1, 3, 30, tzinfo=UTC)]


def frame(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"at": MOMENTS, "seats": [100, 99, None], "more": ["a", "b", "c"], **columns})


def test_the_values_are_in_the_order_of_the_requests() -> None:
    assert request_values(CALENDAR, frame()).to_dict(as_series=False) == {
        "hour": [22, None, 23],
        "big": [True, False, None],
    }


def test_no_request_has_no_values() -> None:
    assert request_values(CALENDAR, frame().clear()).height == 0


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (frame().drop("seats"), "need the request value seats"),
        (frame().with_columns(pl.col("at").dt.replace_time_zone(None)), "at has no time zone"),
        (frame(at=[1, 2, 3]), "must be a moment with its time zone"),
        (frame(seats=["a", "b", "c"]), "seats must be int64"),
    ],
    ids=["absent", "no zone", "no moment", "no number"],
)
def test_a_request_value_that_is_absent_or_of_another_type_is_said(changed: pl.DataFrame, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        request_values(CALENDAR, changed)


@pytest.mark.parametrize(
    ("feature", "words"),
    [(field("seats").unique(), "gave 2 values for 3 requests"), (field("seats").cast(pl.Int8), "raised Invalid")],
)
def test_an_expression_that_raises_or_gives_another_length_is_no_silent_null(feature: pl.Expr, words: str) -> None:
    wrong = request_features("wrong", inputs={"seats": "int64"}, features={"x": feature})
    with pytest.raises(FeatureComputeError, match=f"view wrong, x: {words}"):
        request_values(wrong, pl.DataFrame({"seats": [1000, 1000, 2]}))
