"""A fitted model: an estimator, its calibrator, and the columns that both expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_pipeline.model.calibration import Calibrator
from ray_pipeline.model.columns import ColumnKind, ModelColumn, RowEncoder
from ray_pipeline.model.files import load
from ray_pipeline.model.trees import OneRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ray_pipeline.model.manifest import ModelManifest

FEW = 64
"""So many rows are done one by one before scikit-learn has called each tree once. More are done by one thread: two
wait for one another where others work on the machine too, and with it to itself they do 100,000 rows in 0.4 s, one in
0.7 s."""


class FittedModel:
    """Gives the probability of a true label. One row and many rows give the same, bit by bit."""

    def __init__(self, estimator: Any, calibrator: Calibrator, columns: Sequence[ModelColumn]) -> None:
        self.estimator, self.calibrator, self.columns = estimator, calibrator, tuple(columns)
        self._row = RowEncoder(self.columns)
        self._quick = OneRow.of(estimator, _probes(self.columns))

    @property
    def is_quick(self) -> bool:
        """Whether one row takes the quick way through the trees."""
        return self._quick is not None

    def encode(self, values: Mapping[str, Any], asked_us: int) -> NDArray[np.float64]:
        """Return a request's values as the matrix of one row."""
        return self._row(values, asked_us)

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated probabilities of encoded rows."""
        return self.calibrator.apply(self.raw(rows))

    def raw(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the estimator says before it is calibrated."""
        if not len(rows):
            return np.zeros(0)
        if self._quick is not None and len(rows) <= FEW:
            return np.array([self._quick(row) for row in rows])
        with _threads().limit(limits=1, user_api="openmp"):  # of this thread alone, whatever others do meanwhile
            found = self.estimator.predict_proba(rows)[:, 1]
        return np.ascontiguousarray(found, dtype=np.float64)


def open_model(data: bytes, manifest: ModelManifest) -> FittedModel:
    """Return the model of a version from its file's bytes; ``ModelFileError`` where they are not what it names."""
    from ray_pipeline.errors import ModelFileError
    from ray_pipeline.model.manifest import MODEL

    if MODEL not in manifest.files:
        raise ModelFileError(manifest.shown, MODEL, "the manifest does not name it")
    estimator = load(data, manifest.files[MODEL].sha256, manifest.shown)
    if (width := getattr(estimator, "n_features_in_", len(manifest.columns))) != len(manifest.columns):
        raise ModelFileError(
            manifest.shown, MODEL, f"sees {width} columns, and the manifest has {len(manifest.columns)}"
        )
    try:
        calibrator = Calibrator.from_json(manifest.calibrator)
    except ValueError as error:
        raise ModelFileError(manifest.shown, "manifest", f"its calibrator {error}") from None
    return FittedModel(estimator, calibrator, manifest.columns)


@cache
def _threads() -> Any:
    """Return who holds the threads of OpenMP: asked once, for finding its libraries takes 13 ms."""
    import sklearn.base  # noqa: F401  # they come with it
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _probes(columns: Sequence[ModelColumn]) -> NDArray[np.float64]:
    """Rows that between them take every kind of turn: nothing known, every category, numbers far and near."""
    random = np.random.default_rng(0)
    probes = random.normal(size=(24, len(columns))) * 10.0 ** random.integers(-2, 5, size=(24, len(columns)))
    for place, column in enumerate(columns):
        if column.kind is ColumnKind.CATEGORY:
            probes[:, place] = random.integers(0, len(column.categories) + 2, size=24)
    probes[random.random(probes.shape) < 0.1] = np.nan
    probes[0], probes[1] = np.nan, 0.0
    return probes
