"""What the process of a training does: rows in, model, evidence and baseline out. It reads and writes no store."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError, TrainingError, UsageError
from ray_pipeline.model.columns import ModelColumn
from ray_pipeline.model.manifest import MODEL, PREDICTIONS
from ray_pipeline.model.spec import ModelSpec

if TYPE_CHECKING:
    from ray_pipeline.drift.baseline import Baseline
    from ray_pipeline.model.fitting import Fitted

SPLIT = "split"
LIBRARIES = ("scikit-learn", "skops", "numpy")


@dataclass(frozen=True, slots=True)
class FitOrder:
    """What is to be fitted to what."""

    spec: ModelSpec
    data: bytes
    """Parquet."""
    sha256: str
    label_key: str


@dataclass(frozen=True, slots=True)
class FitResult:
    """What came of it, in plain values: nothing here needs scikit-learn to be read."""

    columns: tuple[ModelColumn, ...]
    parameters: Mapping[str, Any]
    calibrator: Mapping[str, Any]
    metrics: Mapping[str, Any]
    """Split → metrics, as the manifest has them."""
    importance: tuple[Mapping[str, Any], ...]
    predictions_sha256: str
    types: tuple[str, ...]
    files: Mapping[str, bytes]
    """The model, its predictions, its baseline."""
    code: Mapping[str, str]
    rows: Mapping[str, int]
    """By split."""
    notices: tuple[str, ...]


def fit_model(order: FitOrder) -> FitResult:
    """Fit a model, and make everything that is known of it.

    ``TrainingError`` where nothing can be learned from the rows; ``UsageError`` where the spec asks for an estimator
    that cannot be one.
    """
    from ray_pipeline.lake.parquet import decode_parquet
    from ray_pipeline.model.estimators import new_estimator
    from ray_pipeline.model.fitting import fit

    if hashlib.sha256(order.data).hexdigest() != order.sha256:
        raise FileCorruptError("the training set", "its bytes changed on their way to the fit")
    try:
        new_estimator(order.spec, ())
    except TrainingError as error:  # before the rows are looked at, it can only be the spec
        raise UsageError(str(error)) from None
    table = decode_parquet(order.data)
    fitted = fit(order.spec, table, label_key=order.label_key)
    files = {MODEL: fitted.data, PREDICTIONS: _parquet(fitted.predictions)}
    return FitResult(
        columns=fitted.columns,
        parameters=fitted.parameters,
        calibrator=fitted.calibrator.to_json(),
        metrics={split: one.to_json() for split, one in fitted.metrics.items()},
        importance=tuple(one.to_json() for one in fitted.importance),
        predictions_sha256=fitted.predictions_sha256,
        types=fitted.types,
        files=files | baseline_of(order.spec, table, fitted).to_files(),
        code=code_versions(),
        rows=fitted.rows,
        notices=fitted.notices,
    )


def baseline_of(spec: ModelSpec, table: pa.Table, fitted: Fitted) -> Baseline:
    """Return how the model's columns and its score were distributed by day: rows of the three splits, no others."""
    from ray_pipeline.drift.baseline import table_baseline

    used = table.filter(pc.is_in(table.column(SPLIT), pa.array(list(fitted.rows), pa.string())))
    splits = np.asarray(used.column(SPLIT).to_pylist(), dtype=object)
    scores = np.full(used.num_rows, np.nan)
    for split, probabilities in fitted.probabilities.items():
        scores[splits == split] = probabilities
    kinds = {column.name: str(column.kind) for column in fitted.columns}
    return table_baseline(used, kinds, fit=spec.fit, score_splits=tuple(fitted.probabilities), scores=scores)


def code_versions() -> dict[str, str]:
    """Return what a model rests on besides data: this package, Python and libraries, each with its version."""
    from ray_pipeline import __version__

    return {
        "ray_pipeline": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
