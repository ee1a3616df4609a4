"""An answer and its event hold the same values, and the contract of predictions takes every event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.features.shape import ValueType
from ray_pipeline.runtime.features.answers import FeatureValue
from ray_pipeline.runtime.predictions.event import (
    datasets_of,
    event_bytes,
    event_of,
    offsets_of,
    request_of,
    statuses_of,
    values_of,
    view_of,
)
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from ray_pipeline.runtime.predictions.request import RequestField
from tests.prediction_stub import prediction

CONTRACT = load_contract(Path(__file__).parents[2] / "contracts" / "flights" / "predictions.odcs.yaml")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(-62_000_000_000 * 10**6, 250_000_000_000 * 10**6).map(
    lambda us: EPOCH + timedelta(microseconds=us)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
INTS = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from([1 << 53, (1 << 53) + 1, -(1 << 53) - 1])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | INTS | FLOATS | TEXTS | MOMENTS | INTS.map(str)
OFFSETS = st.builds(OffsetRange, st.integers(0, 9), st.integers(0, 1 << 40), st.integers(0, (1 << 63) - 1))
LACKING = st.sampled_from([Status.NOT_FOUND, Status.OUTSIDE_MAX_AGE, Status.INVALID])
FEATURES = st.dictionaries(
    st.sampled_from([f"{view}__f{n}" for view in ("live", "live_too", "calendar") for n in range(6)]),
    st.builds(FeatureValue, VALUES, st.just(Status.PRESENT)) | st.builds(FeatureValue, st.none(), LACKING),
    max_size=12,
)
FIELDS = (
    RequestField("origin", ValueType.STRING, "key", required=True),
    RequestField("seats", ValueType.INT64, "key", required=True),
    RequestField("weight", ValueType.FLOAT64, "request", required=True),
    RequestField("due", ValueType.TIMESTAMP, "request", required=True),
    RequestField("flight_id", ValueType.STRING, "label_key", required=False),
)
REQUESTS = st.builds(
    PredictionRequest,
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}", fullmatch=True),
    st.fixed_dictionaries(
        {
            "origin": st.none() | TEXTS,
            "seats": st.none() | INTS,
            "weight": st.none() | FLOATS,
            "due": st.none() | MOMENTS,
        }
    ),
    MOMENTS,
    st.none() | TEXTS.filter(bool),
)


def _placed(features: dict[str, FeatureValue], offsets: list[OffsetRange]) -> dict[str, FeatureValue]:
    """The features of a view share its offsets and its moment."""
    return {
        name: FeatureValue(one.value, one.status, EPOCH, tuple(offsets)) if name.startswith("live__") else one
        for name, one in features.items()
    }


@settings(deadline=None, max_examples=100)
@given(FEATURES, REQUESTS, st.lists(OFFSETS, max_size=3), st.floats(0, 1))
def test_what_goes_into_an_event_comes_out_of_it_and_the_contract_takes_it(
    features: dict[str, FeatureValue], request: PredictionRequest, offsets: list[OffsetRange], probability: float
) -> None:
    placed = _placed(features, offsets)
    assert request.as_of is not None
    made = prediction(
        placed, request=request, as_of=request.as_of, probability=probability, views={"live": "a", "live_too": "b"}
    )
    data = event_bytes(made)
    event = orjson.loads(data)
    assert event == orjson.loads(orjson.dumps(event_of(made)))
    values = values_of(event)
    assert list(values.items()) == [(name, one.value) for name, one in placed.items()]
    assert [type(one) for one in values.values()] == [type(one.value) for one in placed.values()]
    assert [str(one) for one in values.values()] == [str(one.value) for one in placed.values()]  # -0.0 too
    assert statuses_of(event) == {name: one.status for name, one in placed.items()}
    assert event["probability"] == probability
    assert event["complete"] == all(one.status is Status.PRESENT for one in placed.values())
    assert datasets_of(event) == {"live": "a", "live_too": "b"}
    seen = any(name.startswith("live__") for name in placed)
    assert offsets_of(event) == {"live": tuple(offsets) if seen else (), "live_too": ()}
    assert request_of(event, FIELDS) == request
    verdicts = CONTRACT.validate([data])
    assert verdicts.by_rule() == {}, verdicts
    row = verdicts.table.to_pylist()[0]
    assert statuses_of(row) == statuses_of(event)
    assert offsets_of(row) == offsets_of(event)
    assert request_of(row, FIELDS) == request
    _compare_landed(row, values)


def _compare_landed(row: dict[str, Any], values: dict[str, Any]) -> None:
    """A landed row says the same; its numbers are doubles, and each equals what it was."""
    assert values_of(row) == values
    # What a whole number beyond doubles is, its digits say.
    assert {name: one for name, one in values_of(row).items() if type(one) is int} == {
        name: one for name, one in values.items() if type(one) is int and abs(one) > 1 << 53
    }


def test_a_feature_belongs_to_the_view_with_the_longest_name() -> None:
    assert view_of("live_too__n", ["live", "live_too"]) == "live_too"
    assert view_of("a__b__c", ["a", "a__b"]) == "a__b"
    assert view_of("calendar__hour", ["live"]) is None
