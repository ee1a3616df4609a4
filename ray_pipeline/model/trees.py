"""Gradient-boosted trees as arrays: checked before a row goes through them, and all of them passed in one call.

scikit-learn calls each tree by itself, which for one row costs a hundred times what the trees do. Here they hang below
one tree whose upper nodes ask for the tree's number, and the row comes once for each tree: the same nodes, walked by
the same code of scikit-learn, added up in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def check_trees(estimator: Any) -> None:
    """Raise ``ValueError`` where a boosted estimator's nodes lead out of their arrays, or in a circle.

    The code that walks them checks nothing: a forged file could read any memory.
    """
    if not _is_boosted(estimator):
        return
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    flags = np.asarray(estimator._bin_mapper.is_categorical_, dtype=np.bool_)
    width = estimator._preprocess_X(np.zeros((1, int(estimator.n_features_in_))), reset=False).shape[1]
    if flags.shape != (width,):
        raise ValueError("columns of the trees")
    for tree in (one for iteration in estimator._predictors for one in iteration):
        nodes, bits = tree.nodes, tree.raw_left_cat_bitsets
        if not isinstance(nodes, np.ndarray) or nodes.dtype != PREDICTOR_RECORD_DTYPE or nodes.ndim != 1:
            raise ValueError("nodes")
        if not isinstance(bits, np.ndarray) or bits.dtype != np.uint32 or bits.shape[1:] != (8,) or not len(nodes):
            raise ValueError("categories of nodes")
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        found = nodes[inner]
        for side in ("left", "right"):
            if not ((found[side] > inner) & (found[side] < len(nodes))).all():
                raise ValueError("children of nodes")
        if not ((found["feature_idx"] >= 0) & (found["feature_idx"] < width)).all():
            raise ValueError("columns of nodes")
        chosen = found[found["is_categorical"] != 0]
        if not (chosen["bitset_idx"] < len(bits)).all() or not flags[chosen["feature_idx"]].all():
            raise ValueError("categories of nodes")


class OneRow:
    """One row's probability, equal to the last bit to what ``predict_proba`` says of it."""

    def __init__(self, estimator: Any) -> None:
        self._columns, self._codes = _order(estimator)
        self._loss, width = estimator._loss, len(self._columns)
        self._trees, count = _joined([iteration[0] for iteration in estimator._predictors], width)
        self._baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).reshape(1)
        known, places = estimator._bin_mapper.make_known_categories_bitsets()
        self._known, self._places = known, np.append(places, np.uint32(0)).astype(np.uint32)
        self._rows = np.empty((count, width + 1))
        self._rows[:, width] = np.arange(count)

    @classmethod
    def of(cls, estimator: Any, probes: NDArray[np.float64]) -> OneRow | None:
        """Return the quick way through an estimator; None where it is of another kind, or one probe disagrees."""
        if not _is_boosted(estimator):
            return None
        try:
            found = cls(estimator)
            said = [found(probe) for probe in probes]
        except (
            AttributeError,
            TypeError,
            ValueError,
            IndexError,
            KeyError,
        ):  # another scikit-learn keeps them otherwise
            return None
        return found if said == estimator.predict_proba(probes)[:, 1].tolist() else None

    def __call__(self, row: NDArray[np.float64]) -> float:
        """Return the probability of a row of the matrix."""
        turned = row[self._columns]
        for place, known in enumerate(self._codes):
            turned[place] = known.get(turned[place], np.nan)
        rows = self._rows.copy()  # two threads may be here
        rows[:, :-1] = turned
        leaves = self._trees.predict(rows, self._known, self._places, 1)
        # Added one after the other, as scikit-learn does: numpy's sum would round differently.
        raw = np.add.accumulate(np.concatenate((self._baseline, leaves)))[-1:]
        return float(self._loss.link.inverse(raw)[0])


def _is_boosted(estimator: Any) -> bool:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return type(estimator) is HistGradientBoostingClassifier


def _order(estimator: Any) -> tuple[NDArray[np.intp], list[dict[float, float]]]:
    """Return which column of the matrix stands where in the trees', and the code of each category: those come first."""
    if estimator._preprocessor is None:
        return np.arange(estimator.n_features_in_), []
    flags = np.asarray(estimator.is_categorical_, dtype=np.bool_)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    codes = [
        {float(value): float(code) for code, value in enumerate(values) if value == value}
        for values in encoder.categories_
    ]
    return np.concatenate((np.flatnonzero(flags), np.flatnonzero(~flags))), codes


def _joined(trees: list[Any], width: int) -> tuple[Any, int]:
    """Return one tree of all trees: a row whose last column is n goes through the n-th."""
    upper = len(trees) - 1
    nodes = np.zeros(upper + sum(len(tree.nodes) for tree in trees), dtype=trees[0].nodes.dtype)
    roots, bits, place = [], 0, upper
    for tree in trees:
        part = nodes[place : place + len(tree.nodes)]
        part[:] = tree.nodes
        part["left"] += np.uint32(place)
        part["right"] += np.uint32(place)
        part["bitset_idx"] += np.uint32(bits)
        roots.append(place)
        place, bits = place + len(part), bits + len(tree.raw_left_cat_bitsets)
    free = iter(range(upper))

    def hang(first: int, last: int) -> int:
        if last - first == 1:
            return roots[first]
        middle, at = (first + last) // 2, next(free)
        nodes[at]["feature_idx"], nodes[at]["num_threshold"] = width, middle - 0.5
        nodes[at]["left"], nodes[at]["right"] = hang(first, middle), hang(middle, last)
        return at

    hang(0, len(trees))
    raw = np.concatenate([tree.raw_left_cat_bitsets for tree in trees])
    return type(trees[0])(nodes, raw, raw), len(trees)
