"""A request's features that are kept: told apart as exactly as polars does, and no more than the bound."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ray_pipeline.features import field, request_features
from ray_pipeline.features.definition import RequestDefinition
from ray_pipeline.features.reading import Status
from ray_pipeline.runtime.features.answers import FeatureValue
from ray_pipeline.runtime.features.remembered import LONGEST_TEXT, Remembered


def definition(over: pl.Expr | None = None) -> RequestDefinition:
    return request_features("own", inputs={"x": "float64"}, features={"f": field("x") if over is None else over})


def value(number: object) -> dict[str, FeatureValue]:
    return {"f": FeatureValue(number, Status.PRESENT)}


def test_only_the_last_ones_are_kept() -> None:
    own, remembered = definition(), Remembered(most_requests=3)
    for number in range(5):
        remembered.keep(own, {"x": float(number)}, value(number))
        assert remembered.of_request(own, {"x": 0.0}) is not None or number >= 3 or number == 0
    assert len(remembered) == 3
    assert remembered.of_request(own, {"x": 4.0}) == value(4)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0.0, -0.0), (None, 0.0), ("1", 1)], ids=lambda one: repr(one)
)
def test_values_that_are_equal_and_not_the_same_are_told_apart(one: Any, other: Any) -> None:
    own, remembered = definition(), Remembered()
    remembered.keep(own, {"x": one}, value(1))
    assert remembered.of_request(own, {"x": one}) == value(1)
    assert remembered.of_request(own, {"x": other}) is None


def test_a_long_text_is_not_kept() -> None:
    own, remembered = definition(), Remembered()
    remembered.keep(own, {"x": "x" * (LONGEST_TEXT + 1)}, value(1))
    assert len(remembered) == 0
    assert remembered.of_request(own, {"x": "x" * (LONGEST_TEXT + 1)}) is None


def test_what_a_teams_own_python_says_is_not_kept() -> None:
    own, remembered = definition(field("x").map_elements(lambda x: x, return_dtype=pl.Float64)), Remembered()
    remembered.keep(own, {"x": 1.0}, value(1))
    assert remembered.of_request(own, {"x": 1.0}) is None


def test_another_definition_begins_anew() -> None:
    one, other, remembered = definition(), definition(field("x") + 1), Remembered()
    remembered.keep(one, {"x": 1.0}, value(1))
    assert remembered.of_request(other, {"x": 1.0}) is None
    remembered.keep(other, {"x": 1.0}, value(2))
    assert remembered.of_request(other, {"x": 1.0}) == value(2)
    assert remembered.of_request(one, {"x": 1.0}) is None
