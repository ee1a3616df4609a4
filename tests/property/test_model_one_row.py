"""One row through the joined trees gives what scikit-learn says of it, bit by bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from ray_pipeline.model.trees import OneRow, check_trees


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    iterations=st.integers(1, 12),
    leaves=st.integers(2, 40),
    categories=st.sets(st.integers(0, 4)),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
)
def test_one_row_is_one_of_many(seed: int, iterations: int, leaves: int, categories: set[int], missing: float) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(300, 5))
    for place in categories:
        rows[:, place] = random.integers(0, 8, 300) * 3
    rows[:, 0][random.random(300) < missing] = np.nan
    labels = np.nan_to_num(rows).sum(axis=1) + random.normal(size=300) > 0
    labels[:2] = [False, True]
    estimator = HistGradientBoostingClassifier(
        max_iter=iterations,
        max_leaf_nodes=leaves,
        min_samples_leaf=5,
        categorical_features=sorted(categories) or None,
        random_state=0,
    )
    with threadpool_limits(limits=1):
        fitted = estimator.fit(rows, labels)
    check_trees(fitted)
    asked = np.concatenate([rows[:50], random.normal(size=(50, 5)) * 10.0 ** random.integers(-3, 6, (50, 5))])
    for place in categories:
        asked[50:, place] = random.integers(0, 40, 50)
    asked[random.random(asked.shape) < 0.1] = np.nan
    asked[0], asked[1], asked[2] = np.nan, np.inf, -np.inf
    asked[1:3, sorted(categories)] = 300.0
    quick = OneRow.of(fitted, rows[:20])
    assert quick is not None
    assert [quick(row) for row in asked] == fitted.predict_proba(asked)[:, 1].tolist()
