"""Trees: a forged one is refused before a row goes through, and the quick way is taken where it says the same."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ray_pipeline.errors import ModelFileError
from ray_pipeline.model.files import dump, load
from ray_pipeline.model.trees import OneRow, check_trees


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    random = np.random.default_rng(0)
    found = random.normal(size=(800, 4))
    found[:, 2] = random.integers(0, 6, 800)
    found[random.random(found.shape) < 0.1] = np.nan
    return found


@pytest.fixture(scope="module")
def fitted(rows: np.ndarray) -> HistGradientBoostingClassifier:
    labels = np.nan_to_num(rows[:, 0]) + (np.nan_to_num(rows[:, 2]) % 2) > 0.5
    return HistGradientBoostingClassifier(max_iter=8, categorical_features=[2]).fit(rows, labels)


def _forged(fitted: Any, field: str, value: int, *, leaves: bool = False) -> Any:
    found = copy.deepcopy(fitted)
    nodes = found._predictors[3][0].nodes
    nodes[field][nodes["is_leaf"] == leaves] = value
    return found


@pytest.mark.parametrize(
    ("field", "value"),
    [("left", 10_000), ("right", 10_000), ("left", 0), ("right", 0), ("feature_idx", -1), ("feature_idx", 4),
     ("is_leaf", 0)],
)  # fmt: skip
def test_a_forged_tree_is_refused(fitted: Any, field: str, value: int) -> None:
    forged = _forged(fitted, field, value, leaves=field == "is_leaf")
    with pytest.raises(ValueError, match="nodes"):
        check_trees(forged)
    data, _ = dump(forged)
    with pytest.raises(ModelFileError, match=r"cannot be loaded \(ValueError\)"):
        load(data, hashlib.sha256(data).hexdigest(), "late/1")


def test_categories_that_lead_out_of_their_table_are_refused(fitted: Any) -> None:
    found = copy.deepcopy(fitted)
    for (tree,) in found._predictors:
        tree.nodes["bitset_idx"] += np.uint32(1000)
    with pytest.raises(ValueError, match="categories of nodes"):
        check_trees(found)
    found = _forged(fitted, "is_categorical", 1)
    with pytest.raises(ValueError, match="categories of nodes"):
        check_trees(found)


def test_a_tree_as_it_was_fitted_is_let_through(fitted: Any) -> None:
    check_trees(fitted)
    check_trees(LogisticRegression())


def test_the_quick_way_is_taken_by_boosted_trees_alone(fitted: Any, rows: np.ndarray) -> None:
    assert OneRow.of(fitted, rows[:20]) is not None
    plain = np.nan_to_num(rows)
    assert OneRow.of(LogisticRegression().fit(plain, plain[:, 0] > 0), plain[:20]) is None


def test_where_one_probe_disagrees_scikit_learn_is_asked(
    fitted: Any, rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OneRow, "__call__", lambda *_: 0.5)
    assert OneRow.of(fitted, rows[:20]) is None


def test_where_scikit_learn_keeps_its_trees_otherwise_it_is_asked(fitted: Any, rows: np.ndarray) -> None:
    other = copy.deepcopy(fitted)
    del other._bin_mapper
    assert OneRow.of(other, rows[:20]) is None
