"""Metrics are scikit-learn's, whatever the rows, ties and weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from ray_pipeline.model.metrics import measure
from ray_pipeline.model.ranking import Ranking

PROBABILITIES = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
ROWS = st.lists(st.tuples(st.booleans(), PROBABILITIES, st.integers(0, 4)), min_size=2, max_size=60)


def _arrays(rows: list[tuple[bool, float, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    labels, said, days = zip(*rows, strict=True)
    return np.array(labels, np.bool_), np.array(said), np.array(days)


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_metrics_are_those_of_scikit_learn(rows: list[tuple[bool, float, int]]) -> None:
    labels, said, days = _arrays(rows)
    found = measure(labels, said, days, 0)
    assert found.log_loss.value == pytest.approx(log_loss(labels, said, labels=[False, True]), rel=1e-9, abs=1e-12)
    assert found.brier.value == pytest.approx(brier_score_loss(labels, said, pos_label=True), rel=1e-9, abs=1e-12)
    assert found.base_rate.value == pytest.approx(labels.mean())
    assert sum(one.rows for one in found.curve) == len(rows)
    if labels.all() or not labels.any():
        assert found.auc.value is None
    else:
        assert found.auc.value == pytest.approx(roc_auc_score(labels, said), abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(ROWS, st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_a_block_drawn_twice_counts_as_if_its_rows_stood_twice(
    rows: list[tuple[bool, float, int]], drawn: list[int]
) -> None:
    labels, said, days = _arrays(rows)
    weights = np.array(drawn, np.float64)
    found = Ranking(labels, said, days).auc(weights)
    again = np.repeat(np.arange(len(rows)), weights[days].astype(int))
    assert found == Ranking(labels[again], said[again]).auc()
    both = labels[again].any() and not labels[again].all()
    assert (found is not None) == both
    if both:
        assert found == pytest.approx(roc_auc_score(labels, said, sample_weight=weights[days]), abs=1e-12)
