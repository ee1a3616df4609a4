"""What scores say of themselves: right where they are calibrated, with honest errors, and how wrong it was then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from ray_pipeline.drift.estimated import METRICS, estimate, how_wrong


def drawn(seed: int, rows: int = 1500) -> tuple[Any, Any]:
    """Return scores, in hundredths so that they tie, and labels that follow them."""
    rng = np.random.default_rng(seed)
    scores = np.clip(rng.beta(1.5, 4, rows).round(2), 0.01, 0.99)
    return scores, (rng.random(rows) < scores).astype(float)


def test_estimates_are_what_labels_say_on_average_and_err_as_they_say() -> None:
    sigmas = {name: [] for name in METRICS}
    for seed in range(300):
        misses = how_wrong(*drawn(seed))
        for name in METRICS:
            sigmas[name].append(getattr(misses, name).sigmas)
    for name, found in sigmas.items():
        assert abs(np.mean(found)) < 0.2, name
        assert 0.88 < np.std(found) < 1.13, name
        assert 0.91 < np.mean(np.abs(found) < 1.96) < 0.985, name


def test_realised_metrics_are_scikit_learns() -> None:
    scores, labels = drawn(7)
    misses = how_wrong(scores, labels)
    assert misses.auc and misses.log_loss and misses.brier and misses.base_rate
    assert misses.auc.realised == pytest.approx(roc_auc_score(labels, scores))
    assert misses.log_loss.realised == pytest.approx(log_loss(labels, scores))
    assert misses.brier.realised == pytest.approx(brier_score_loss(labels, scores))
    assert misses.base_rate.realised == pytest.approx(labels.mean())


@given(st.lists(st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9]), min_size=2, max_size=7))
@settings(max_examples=50, deadline=None)
def test_mean_metrics_are_the_exact_expectation_over_all_labels(scores: list[float]) -> None:
    said, weights, losses, squares = np.array(scores), [], [], []
    for number in range(2 ** len(said)):
        labels = np.array([number >> place & 1 for place in range(len(said))])
        weights.append(np.where(labels, said, 1 - said).prod())
        losses.append(-np.log(np.where(labels, said, 1 - said)).mean())
        squares.append(((said - labels) ** 2).mean())
    found = estimate(said)
    assert found.log_loss and found.brier
    for got, values in ((found.log_loss, np.array(losses)), (found.brier, np.array(squares))):
        mean = float(np.dot(weights, values))
        assert got.value == pytest.approx(mean)
        assert got.standard_error == pytest.approx(float(np.sqrt(np.dot(weights, (values - mean) ** 2))), abs=1e-9)


@given(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), min_size=2, max_size=12))
@settings(max_examples=60, deadline=None)
def test_the_auc_is_that_of_all_pairs_of_rows(scores: list[float]) -> None:
    right = pairs = 0.0
    for i, one in enumerate(scores):
        for j, other in enumerate(scores):
            if i != j:
                weight = one * (1 - other)
                pairs += weight
                right += weight * ((one > other) + (one == other) / 2)
    found = estimate(scores).auc
    assert (found is None) == (pairs == 0)
    if found is not None:
        assert found.value == pytest.approx(right / pairs)


def test_scores_that_are_too_sure_are_found_out_once_labels_come() -> None:
    scores, _ = drawn(3, rows=4000)
    labels = np.random.default_rng(4).random(4000) < np.clip(scores + 0.1, 0, 1)
    misses = how_wrong(scores, labels)
    assert misses.base_rate and misses.base_rate.sigmas and misses.base_rate.sigmas > 5
    assert misses.base_rate.error == pytest.approx(misses.base_rate.realised - misses.base_rate.estimated)
    found = misses.to_json()
    assert found["base_rate"]["error"] > 0.08 and found["rows"] == 4000


def test_days_that_depend_on_each_other_widen_the_errors() -> None:
    scores, _ = drawn(3)
    narrow, wide = estimate(scores).auc, estimate(scores, design=9.0).auc
    assert narrow and wide and wide.value == narrow.value
    assert wide.standard_error == pytest.approx(3 * narrow.standard_error)


def test_where_a_metric_is_not_defined_there_is_none() -> None:
    nothing = estimate([])
    assert (nothing.rows, nothing.auc, nothing.log_loss, nothing.base_rate) == (0, None, None, None)
    assert how_wrong([], []).brier is None
    assert estimate([0.3]).auc is None
    sure = how_wrong([0.0, 0.0], [0, 0])
    assert sure.auc is None and sure.log_loss and sure.log_loss.sigmas is None
    one_class = how_wrong([0.3, 0.4], [1, 1])
    assert one_class.auc is None and one_class.base_rate and one_class.base_rate.realised == 1
    assert how_wrong([0.0, 0.4], [1, 0]).to_json()["log_loss"]["realised"] < 30


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: estimate([0.2, float("nan")]), r"scores\[1\] is missing"),
        (lambda: estimate([0.2, 1.2]), r"scores\[1\] is no probability"),
        (lambda: how_wrong([0.2], [1, 0]), "1 scores and 2 labels"),
        (lambda: how_wrong([0.2, 0.3], [1, None]), r"labels\[1\] is not 0 or 1; leave out rows without a label"),
        (lambda: how_wrong([0.2, 0.3], [1, 2]), r"labels\[1\] is not 0 or 1"),
    ],
)
def test_what_is_no_score_and_no_label_is_refused(call: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()
