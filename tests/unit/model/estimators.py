"""Classifiers that do not say what they cannot take, and those that say how many threads they have."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info


class Fragile:
    """Raises where a value is missing."""

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> Fragile:
        return self

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        if np.isnan(rows).any():
            raise ValueError("NaN")
        return np.full((len(rows), 2), 0.5)


class Wild(Fragile):
    """Answers NaN where a value is missing."""

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([rows[:, 0], rows[:, 0]], axis=1)


class Counting(HistGradientBoostingClassifier):
    """Says how many threads it is fitted with; its own type is not listed."""

    def fit(self, rows: np.ndarray, labels: np.ndarray) -> Counting:
        print(sorted({(one["user_api"], one["num_threads"]) for one in threadpool_info()}))
        return super().fit(rows, labels)  # type: ignore[no-any-return]


class Answering(Fragile):
    """Notes how many threads of OpenMP it answers with."""

    threads: int = 0

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        self.threads = max(one["num_threads"] for one in threadpool_info() if one["user_api"] == "openmp")
        return np.full((len(rows), 2), 0.5)
