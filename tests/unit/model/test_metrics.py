"""Metrics: what they are without rows, with one class, and how sure they are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ray_pipeline.model.metrics import Measure, Metrics, days_of, measure, paired

DAYS = np.repeat(np.arange(30), 40)


def _rows(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    said = random.random(len(DAYS))
    return random.random(len(DAYS)) < said, said


def test_metrics_are_read_as_they_were_written() -> None:
    found = measure(*_rows(), DAYS, 50, 1)
    assert Metrics.from_json(json.loads(json.dumps(found.to_json()))) == found
    with pytest.raises(ValueError, match="are no metrics"):
        Metrics.from_json({"rows": 1})


def test_the_same_seed_draws_the_same_days() -> None:
    assert measure(*_rows(), DAYS, 50, 1) == measure(*_rows(), DAYS, 50, 1)
    assert measure(*_rows(), DAYS, 50, 1).auc != measure(*_rows(), DAYS, 50, 2).auc


def test_intervals_hold_the_value_and_narrow_with_more_days() -> None:
    few = measure(*_rows(), DAYS % 4, 400)
    many = measure(*_rows(), np.arange(len(DAYS)), 400)
    for found in (few, many):
        assert found.auc.low is not None
        assert found.auc.low < found.auc.value < found.auc.high  # type: ignore[operator]
    assert (few.days, many.days) == (4, 1200)


def test_probabilities_that_come_true_have_a_straight_curve() -> None:
    found = measure(*_rows(), DAYS)
    assert [one.rows for one in found.curve] == [120] * 10
    assert all(abs(one.said - one.true) < 0.15 for one in found.curve)
    assert found.ece.value == pytest.approx(
        sum(abs(one.said - one.true) * one.rows for one in found.curve) / found.rows
    )


def test_equal_probabilities_share_a_bin() -> None:
    found = measure(_rows()[0], np.full(len(DAYS), 0.2), DAYS, 0)
    assert [(one.rows, one.said) for one in found.curve] == [(1200, pytest.approx(0.2))]
    assert found.auc == Measure(0.5)


def test_one_class_has_no_auc_and_one_day_no_interval() -> None:
    found = measure(np.zeros(5, bool), np.full(5, 0.1), np.zeros(5), 100)
    assert found.auc == Measure(None)
    assert found.brier == Measure(pytest.approx(0.01))
    assert (found.base_rate.value, found.resamples) == (0.0, 0)


def test_no_rows_are_no_metrics() -> None:
    found = measure([], [], [], 100)
    assert (found.rows, found.auc.value, found.log_loss.value, found.curve) == (0, None, None, ())


def test_a_class_of_one_day_alone_has_no_interval_that_few_resamples_would_tell() -> None:
    labels = np.r_[[True], np.zeros(29, bool)]
    found = measure(labels, np.linspace(1, 0, 30), np.r_[0, np.full(29, 1)], 200)
    assert found.auc.value == 1.0
    assert found.auc.low is None


def test_what_is_no_probability_or_not_of_the_same_rows_is_refused() -> None:
    for wrong in ([0.1, 1.1], [0.1, float("nan")]):
        with pytest.raises(ValueError, match="between 0 and 1"):
            measure([True, False], wrong, [1, 2])
    with pytest.raises(ValueError, match="2 labels, 2 probabilities and 1 days"):
        measure([True, False], [0.1, 0.2], [1])


def test_two_models_are_compared_on_the_same_days() -> None:
    labels, good = _rows()
    bad = np.clip(good + np.random.default_rng(3).normal(size=len(good)) * 0.4, 0.01, 0.99)
    found = paired(labels, bad, good, DAYS, 200, 1)
    apart = [measure(labels, one, DAYS, 0) for one in (bad, good)]
    assert found.auc.value == apart[1].auc.value - apart[0].auc.value  # type: ignore[operator]
    assert found.better == 1.0
    assert found.log_loss.high is not None
    assert found.log_loss.high < 0
    assert paired(labels, good, good, DAYS, 50).auc == Measure(0.0, 0.0, 0.0)


def test_a_day_is_a_day_of_the_world_clock() -> None:
    assert days_of(np.array([-1, 0, 86_399_999_999, 86_400_000_000])).tolist() == [-1, 0, 0, 1]
