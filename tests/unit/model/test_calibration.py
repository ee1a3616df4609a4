"""The calibrator: what it does to probabilities, and that it is nothing but its JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ray_pipeline.model.calibration import Calibrator, fit_calibrator


def _rows(size: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """An estimator that exaggerates: what it says is twice as far from even odds as it should be."""
    random = np.random.default_rng(1)
    logit = random.normal(size=size)
    labels = random.random(size) < 1 / (1 + np.exp(-logit))
    return 1 / (1 + np.exp(-2 * logit)), labels


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic", "none"])
def test_a_calibrator_is_its_json(kind: str) -> None:
    said, labels = _rows()
    fitted = fit_calibrator(kind, said, labels)
    read = Calibrator.from_json(json.loads(json.dumps(fitted.to_json())))
    assert read == fitted
    assert read.apply(said).tobytes() == fitted.apply(said).tobytes()


def test_a_sigmoid_takes_exaggeration_back() -> None:
    found = fit_calibrator("sigmoid", *_rows())
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.intercept == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("kind", ["sigmoid", "isotonic"])
def test_probabilities_keep_their_order_and_their_range(kind: str) -> None:
    found = fit_calibrator(kind, *_rows()).apply(np.linspace(0, 1, 1001))
    assert (np.diff(found) >= 0).all()
    assert 0 <= found[0] <= found[-1] <= 1


def test_rows_that_are_told_apart_completely_are_no_trouble() -> None:
    said = np.r_[np.zeros(50), np.ones(50)]
    for kind in ("sigmoid", "isotonic"):
        found = fit_calibrator(kind, said, said > 0.5).apply(said)
        assert np.isfinite(found).all()
        assert found[0] < 0.05 < 0.95 < found[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"kind": "sigmoid"},
        {"kind": "sigmoid", "slope": "x", "intercept": 0},
        {"kind": "sigmoid", "slope": float("nan"), "intercept": 0},
        {"kind": "isotonic", "points": []},
        {"kind": "isotonic", "points": [[0, 0.5], [1, 0.2]]},
        {"kind": "isotonic", "points": [[0, 0.5], [1, 1.2]]},
        {"kind": "pickle"},
    ],
)
def test_what_is_no_calibrator_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no calibrator"):
        Calibrator.from_json(wrong)
