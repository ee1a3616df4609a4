"""What is watched of landed rows, and that counting is adding up what ``assign`` says."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.drift.answers import Answers
from ray_pipeline.drift.baseline import make_baseline, table_baseline
from ray_pipeline.drift.counts import assign
from ray_pipeline.drift.edges import CategoryColumn, NumericColumn
from ray_pipeline.drift.lens import RowLens, count_table, count_values, lens_of, watched_kinds
from ray_pipeline.lake.rows import landed_schema

CONTRACTS = Path(__file__).parents[3] / "contracts" / "flights"
DAY = datetime(2013, 2, 5, tzinfo=UTC)
PREDICTIONS = landed_schema(load_contract(CONTRACTS / "predictions.odcs.yaml"))


def test_scalar_columns_are_watched_and_ids_and_moments_are_not() -> None:
    assert watched_kinds(load_contract(CONTRACTS / "departures.odcs.yaml"), without=("flight_number",)) == {
        "origin": "category",
        "destination": "category",
        "distance_miles": "number",
        "cancelled": "flag",
        "departure_delay_minutes": "number",
        "carrier.code": "category",
        "carrier.name": "category",
        "aircraft.tail_number": "category",
        "aircraft.model": "category",
        "aircraft.seats": "number",
    }


def test_a_part_of_a_longer_key_is_watched() -> None:
    weather = watched_kinds(load_contract(CONTRACTS / "weather.odcs.yaml"))
    assert weather["origin"] == "category"
    assert weather["wind.gust_mph"] == "number"
    assert "observed_at" not in weather


def test_a_contract_without_columns_has_nothing_to_watch(tmp_path: Path) -> None:
    file = tmp_path / "any.json"
    file.write_text('{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:any", "version": "1.0.0"}')
    assert watched_kinds(load_contract(file)) == {}


def test_what_rows_lack_or_have_as_another_kind_is_not_counted() -> None:
    lens = RowLens({"a": "number", "b": "number", "c.d": "category", "c.e": "flag", "x.y": "number", "gone": "flag"})
    table = pa.table({"a": [1, None], "b": ["1", "2"], "c": [{"d": "x"}, None], "x.y": [1.0, 2.0]})
    seen = lens.look(table)
    assert seen.rows == 2
    assert {name: values.to_pylist() for name, values in seen.values.items()} == {
        "a": [1, None],
        "c.d": ["x", None],
        "x.y": [1.0, 2.0],
    }


@given(
    st.lists(st.one_of(st.none(), st.floats(), st.sampled_from([0.0, 15.0, -0.0]))),
    st.lists(st.sampled_from([None, "AA", "UA", "ZZ", ""])),
    st.lists(st.sampled_from([None, True, False])),
)
def test_counting_is_adding_up_what_assign_says(
    numbers: list[float | None], texts: list[str | None], flags: list[bool | None]
) -> None:
    cases: list[tuple[Any, pa.Array]] = [
        (NumericColumn("n", (0.0, 15.0)), pa.array(numbers, pa.float64())),
        (CategoryColumn("t", ("AA", "UA")), pa.array(texts, pa.string())),
        (CategoryColumn("t", ("AA", "UA")), pa.array(texts, pa.string()).dictionary_encode()),
        (CategoryColumn("f", ("false", "true"), flag=True), pa.array(flags, pa.bool_())),
    ]
    for column, values in cases:
        expected = np.bincount(assign(column, values), minlength=column.bins)
        assert np.array_equal(count_values(column, values), expected)
        assert np.array_equal(count_values(column, pa.chunked_array([values[:2], values[2:]])), expected)


def event(number: int, request: dict[str, Any] | str, features: list[dict[str, Any]], version: int = 3) -> dict:
    return {
        "request_id": f"r{number}",
        "occurred_at": DAY + timedelta(minutes=number),
        "model": {"name": "late", "version": version, "file": "f", "training_set": "t"},
        "request": request if isinstance(request, str) else json.dumps(request),
        "probability": number / 100,
        "complete": True,
        "features": features,
    }


def table_of(events: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(events, schema=PREDICTIONS)


def test_a_model_s_columns_come_out_of_events_as_its_training_set_had_them() -> None:
    """Numbers, categories, flags, moments and keys of the request; null, absent, not finite, beyond 2^53."""
    rng = np.random.default_rng(5)
    rows: list[dict[str, Any]] = []
    events = []
    for number in range(60):
        asked = DAY + timedelta(minutes=number)
        row = {
            "asked_at": asked,
            "split": "fit",
            "v__n": [None, 1.5, 2.0, math.inf, float(2**60)][number % 5],
            "v__c": [None, "AA", "UA"][number % 3],
            "v__f": [None, True, False][number % 3],
            "v__m": None if number % 4 == 0 else asked - timedelta(seconds=int(rng.integers(0, 9000))),
            "origin": ["EWR", "JFK", None][number % 3],
            "seats": [None, 100.0, 200.0][number % 3],
            "heavy": [True, False, None][number % 3],
            "since": asked - timedelta(minutes=number % 7),
        }
        rows.append(row)
        told: list[dict[str, Any]] = [{"name": "v__c", "text": row["v__c"]}, {"name": "v__f", "flag": row["v__f"]}]
        if number != 7:  # an event that does not tell a feature at all: null, as it was to the model
            told.insert(number % 3, {"name": "v__m", "moment": row["v__m"]})
        else:
            row["v__m"] = None
        finite = row["v__n"] is not None and math.isfinite(row["v__n"])
        big = {"text": str(2**60)} if row["v__n"] == 2**60 else {}
        told.append({"name": "v__n", "number": row["v__n"] if finite else None, **big})
        request = {name: row[name] for name in ("origin", "seats", "heavy")}
        events.append(event(number, request | {"since": row["since"].isoformat()}, told))
    kinds = {
        "v__n": "number", "v__c": "category", "v__f": "flag", "v__m": "moment", "origin": "category",
        "seats": "number", "heavy": "flag", "since": "moment",
    }  # fmt: skip
    baseline = table_baseline(
        pa.Table.from_pylist(rows), kinds, fit="fit", score_splits=("fit",), scores=[n / 100 for n in range(60)]
    )
    counted = count_table(lens_of(baseline, "late/3"), baseline, table_of(events))
    assert counted.counted == counted.rows == 60
    for name in kinds:
        assert counted.columns[name].tolist() == baseline.of(name).total.tolist(), name
    of_score = baseline.of_score()
    assert of_score is not None
    assert counted.columns["score"].tolist() == of_score.total.tolist()


def test_answers_of_other_versions_and_models_are_not_counted() -> None:
    mine, other = event(1, {}, []), event(2, {}, [], version=2)
    named = event(3, {}, []) | {"model": {"name": "early", "version": 3, "file": "f", "training_set": "t"}}
    seen = Answers("late", 3, {"v__n": "number"}, scored=True).look(table_of([mine, other, named]))
    assert seen.rows == 1
    assert seen.values["score"].to_pylist() == [0.01]
    assert np.isnan(seen.values["v__n"]).tolist() == [True]
    assert Answers("late", 9, {"v__n": "number"}, scored=True).look(table_of([mine])).rows == 0


def test_a_feature_goes_before_a_value_of_the_request_and_the_last_of_two_counts() -> None:
    twice = [{"name": "carrier", "text": "AA"}, {"name": "carrier", "text": "UA"}]
    null = [{"name": "carrier"}]
    events = [event(1, {"carrier": "DL"}, twice), event(2, {"carrier": "DL"}, null), event(3, {"carrier": "DL"}, [])]
    seen = Answers("late", 3, {"carrier": "category"}, scored=False).look(table_of(events))
    assert seen.values["carrier"].to_pylist() == ["UA", None, "DL"]


@pytest.mark.parametrize("request_", ["no json", "[1]", '"x"', "{", "9" * 500, '{"seats": "x", "origin": 5}'])
def test_a_request_that_says_nothing_leaves_its_columns_missing(request_: str) -> None:
    kinds = {"seats": "number", "origin": "category", "heavy": "flag"}
    seen = Answers("late", 3, kinds, scored=False).look(table_of([event(1, request_, [])]))
    baseline = make_baseline(
        {"seats": ("number", [1.0]), "origin": ("category", ["EWR"]), "heavy": ("flag", [True])},
        ["2013-02-05"],
        fit_mask=[True],
    )
    for name in kinds:
        assert assign(baseline.column(name), seen.values[name]).tolist() == [0]


def test_rows_that_are_no_predictions_are_refused() -> None:
    with pytest.raises(ValueError, match="predictions have a column model"):
        Answers("late", 3, {}, scored=True).look(pa.table({"a": [1]}))
