"""One request alone gets the bits that it gets among many, however many those are."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.features.reading import Status
from ray_pipeline.model.calibration import Calibrator
from ray_pipeline.model.fitted import FittedModel
from ray_pipeline.runtime.features.answers import FeatureAnswer, FeatureValue
from ray_pipeline.runtime.predictions.prediction import Source
from ray_pipeline.runtime.predictions.predictor import score
from tests.prediction_stub import AT, COLUMNS, predictor, request

CALIBRATORS = (
    Calibrator(),
    Calibrator("sigmoid", slope=0.83, intercept=-0.41),
    Calibrator("isotonic", points=((0.0, 0.01), (0.3, 0.2), (0.9, 0.97))),
)


@cache
def fitted(which: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(3)
    rows = np.column_stack([random.normal(20, 15, 800), random.integers(0, 24, 800), random.integers(0, 3, 800)])
    rows[random.random(rows.shape) < 0.05] = np.nan
    labels = np.nan_to_num(rows[:, 0]) + 3 * np.nan_to_num(rows[:, 1]) + random.normal(0, 15, 800) > 55
    found = HistGradientBoostingClassifier(max_iter=25, categorical_features=[2], random_state=1).fit(rows, labels)
    return FittedModel(found, CALIBRATORS[which], COLUMNS)


ASKED = st.tuples(
    st.none() | st.integers(-(1 << 60), 1 << 60) | st.floats(allow_nan=True, allow_infinity=True),
    st.none() | st.integers(0, 23),
    st.sampled_from([None, "AA", "UA", "ZZ"]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ASKED, min_size=1, max_size=40), st.integers(0, len(CALIBRATORS) - 1))
def test_a_row_alone_and_among_many_gives_the_same_bits(asked: list[tuple[Any, Any, Any]], which: int) -> None:
    requests = [request(number, carrier=carrier) for number, (_, _, carrier) in enumerate(asked)]
    answers = [
        FeatureAnswer(
            AT,
            {
                "live__n": FeatureValue(count, Status.NOT_FOUND if count is None else Status.PRESENT),
                "calendar__hour": FeatureValue(hour, Status.PRESENT),
            },
        )
        for count, hour, _ in asked
    ]
    model = predictor(fitted(which))
    many = score(model, requests, answers, Source.OFFLINE)
    for number, found in enumerate(many):
        (alone,) = score(model, [requests[number]], [answers[number]], Source.OFFLINE)
        assert alone.probability == found.probability
        assert alone == found
        assert 0.0 <= found.probability <= 1.0
        assert math.isfinite(found.probability)
        assert type(found.probability) is float
