"""Features of the request are computed from what the caller knows, row by row."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ray_pipeline.errors import FeatureComputeError, UsageError
from ray_pipeline.features import field, request_features
from ray_pipeline.features.requests import feature_definitions, input_series, request_definition, request_values

ROOT = Path(__file__).parents[3]
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


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        (field("seats").filter(field("seats") > 9999), "gave 0 values for 1 requests"),
        (pl.lit(pl.Series([1, 2])), "gave 2 values for 1 requests"),
        (field("seats").cast(pl.Int8), "raised Invalid"),
    ],
)
def test_of_one_request_the_feature_that_is_wrong_is_named_among_others(feature: pl.Expr, words: str) -> None:
    seats = pl.DataFrame({"seats": [1000]})
    for around in ([field("seats")], [field("seats").max(), pl.lit(1)], []):
        features = {f"right{number}": each for number, each in enumerate(around)}
        for mixed in ({**features, "x": feature}, {"x": feature, **features}):
            wrong = request_features("wrong", inputs={"seats": "int64"}, features=mixed)
            with pytest.raises(FeatureComputeError, match=f"view wrong, x: {words}"):
                request_values(wrong, seats)


def test_one_request_gets_what_it_gets_among_many() -> None:
    frame = pl.DataFrame({"scheduled": [MOMENTS[0]] * 2, "x": [-0.0] * 2})
    own = request_features(
        "own",
        inputs={"scheduled": "timestamp", "x": "float64"},
        features={"hour": field("scheduled").dt.hour(), "x": field("x"), "third": (field("x") + 1) / 3},
    )
    assert request_values(own, frame.head(1)).to_dicts() == request_values(own, frame).head(1).to_dicts()


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamp", MOMENTS),
        ("timestamp", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]),
        ("timestamp", [datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]),
        ("timestamp", [datetime(2013, 1, 1)]),
        ("timestamp", ["2013-01-01"]),
        ("timestamp", [None]),
        ("int64", [2**63 - 1, -(2**63), None]),
        ("int64", [2**63]),
        ("int64", [-(2**63) - 1]),
        ("int64", [2**80]),
        ("int64", [True]),
        ("int64", ["1"]),
        ("float64", [1]),
        ("float64", [1.5, None, float("inf")]),
        ("bool", [True, None]),
        ("bool", [1]),
        ("string", ["", "é", None]),
        ("string", [1]),
        ("string", []),
    ],
)
def test_a_value_is_what_polars_makes_of_it_however_it_comes_into_the_frame(kind: str, values: list[Any]) -> None:
    same = request_features("same", inputs={"given": kind}, features={"given": field("given")})

    def outcome(series: pl.Series) -> object:
        try:
            return request_values(same, pl.DataFrame([series]))["given"]
        except UsageError as error:
            return str(error)

    expected, found = outcome(pl.Series("given", values)), outcome(input_series("given", kind, values))
    if isinstance(expected, pl.Series) and isinstance(found, pl.Series):
        assert found.dtype == expected.dtype and found.equals(expected, null_equal=True)
    else:
        assert found == expected


def definition(inputs: Mapping[str, str] = CALENDAR.inputs, **features: Any) -> str:
    made = request_features("calendar", inputs=inputs, features={**CALENDAR.features, **features})
    return request_definition(feature_definitions(made))


def test_the_definition_is_the_same_in_another_process() -> None:
    code = """
from ray_pipeline.features.requests import feature_definitions, request_definition
from tests.unit.features_repo.test_requests import CALENDAR
print(request_definition(feature_definitions(CALENDAR)))
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == definition()


def test_the_definition_is_of_what_decides_a_value_and_of_nothing_else() -> None:
    turned = request_features(
        "calendar",
        inputs=dict(reversed(CALENDAR.inputs.items())),
        features=dict(reversed(CALENDAR.features.items())),
    )
    assert request_definition(feature_definitions(turned)) == definition()
    others = [
        definition(hour=AT.dt.minute()),
        definition(more=AT.dt.day()),
        definition({"at": "timestamp", "seats": "float64"}),
        definition({**CALENDAR.inputs, "more": "string"}),
        request_definition(feature_definitions(request_features("other", inputs=CALENDAR.inputs,
                                                                features=CALENDAR.features))),
    ]  # fmt: skip
    assert len({definition(), *others}) == 6


def test_each_feature_has_a_definition_of_its_own() -> None:
    before = feature_definitions(CALENDAR)
    after = feature_definitions(
        request_features("calendar", inputs=CALENDAR.inputs, features={**CALENDAR.features, "big": field("seats") > 9})
    )
    assert [name for name in before if before[name] != after[name]] == ["big"]
