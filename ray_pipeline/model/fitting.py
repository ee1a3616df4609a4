"""Fit a model to a training set: estimator on one split, calibrator on the next, measured on the last.

The same spec and training set give the same predictions on the same machine, to the last bit; the model file's bytes
differ all the same. Nothing here knows where training sets come from.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ray_pipeline.errors import TrainingError
from ray_pipeline.model.calibration import Calibrator, fit_calibrator
from ray_pipeline.model.choice import chosen_columns
from ray_pipeline.model.columns import ASKED_AT, ModelColumn, columns_from, encode_table
from ray_pipeline.model.estimators import check_answers, fit_estimator, new_estimator, used_parameters
from ray_pipeline.model.files import UnlistedTypesError, dump, load
from ray_pipeline.model.fitted import FittedModel
from ray_pipeline.model.importance import Importance, importance
from ray_pipeline.model.metrics import Metrics, days_of, measure
from ray_pipeline.model.rows import Rows, rows_of
from ray_pipeline.model.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Fitted", "FittedModel", "fit", "predictions_sha256"]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A model and what is known of it."""

    model: FittedModel
    data: bytes
    """The model file."""
    types: tuple[str, ...]
    """What the file holds besides skops' own defaults."""
    parameters: Mapping[str, Any]
    """Of the estimator, defaults too."""
    metrics: Mapping[str, Metrics]
    """By split: those that the estimator was not fitted to."""
    importance: tuple[Importance, ...]
    """On the test split; empty where it is of one class."""
    probabilities: Mapping[str, NDArray[np.float64]]
    """By the same splits, in the order of the table's rows."""
    predictions: pa.Table
    """The same as a table: the label key where it was named, ``asked_at``, ``split``, ``label``, ``probability``."""
    predictions_sha256: str
    """Of the probabilities for the test rows."""
    rows: Mapping[str, int]
    """By split: fitted to, calibrated on, tested."""
    notices: tuple[str, ...]
    """What a person should know, though it stopped nothing."""

    @property
    def columns(self) -> tuple[ModelColumn, ...]:
        """In the order of the matrix."""
        return self.model.columns

    @property
    def calibrator(self) -> Calibrator:
        """Fitted to the calibration split."""
        return self.model.calibrator


def fit(spec: ModelSpec, table: pa.Table, *, label_key: str | None = None) -> Fitted:
    """Train what ``spec`` says on a training set's rows; ``TrainingError`` says why nothing comes of them.

    One thread fits: sums of more would depend on how many there are, and on a busy machine they wait for one another.
    """
    import sklearn.linear_model  # noqa: F401  # threads are held of those libraries that are there
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows = rows_of(spec, table)
    columns = _columns(spec, table, rows)
    matrix = encode_table(columns, table)
    asked = new_estimator(spec, columns)
    with threadpool_limits(limits=1):
        estimator, data, types, notices = _estimator(spec, asked, columns, matrix, rows)
        plain = FittedModel(estimator, Calibrator(), columns)
        said = plain.raw(matrix[rows.calibrate])
        calibrator, more = _calibrator(spec, said, rows)
        model = FittedModel(estimator, calibrator, columns)
        held_out = {spec.calibrate: rows.calibrate, spec.test: rows.test}
        probabilities = {name: model.predict(matrix[places]) for name, places in held_out.items() if len(places)}
        weights = importance(model, matrix[rows.test], rows.labels[rows.test], spec.seed)
    metrics = {
        name: measure(rows.labels[held_out[name]], found, days_of(rows.asked_us[held_out[name]]), spec.bootstrap,
                      spec.seed)
        for name, found in probabilities.items()
    }  # fmt: skip
    if spec.calibration != "none":
        metrics[spec.calibrate] = replace(metrics[spec.calibrate], calibrated_on=True)
    if not weights:
        more = (*more, f"split {spec.test} has labels of one kind only: AUC and importance are not known")
    return Fitted(
        model=model,
        data=data,
        types=types,
        parameters=used_parameters(estimator),
        metrics=metrics,
        importance=weights,
        probabilities=probabilities,
        predictions=_predictions(table, rows, held_out, probabilities, label_key),
        predictions_sha256=predictions_sha256(probabilities[spec.test]),
        rows={spec.fit: len(rows.fit)} | {name: len(places) for name, places in held_out.items()},
        notices=(*_dull(columns, matrix[rows.fit]), *notices, *more),
    )


def predictions_sha256(probabilities: NDArray[np.float64]) -> str:
    """Return the hash of probabilities in their order, exactly as they are: eight bytes each, the lowest first."""
    return hashlib.sha256(np.ascontiguousarray(probabilities, dtype="<f8").tobytes()).hexdigest()


def _columns(spec: ModelSpec, table: pa.Table, rows: Rows) -> tuple[ModelColumn, ...]:
    mask = np.zeros(table.num_rows, dtype=np.bool_)
    mask[rows.fit] = True
    try:
        return columns_from(table, chosen_columns(spec, table.column_names), mask)
    except ValueError as error:
        raise TrainingError(spec.name, f"{error}; name it under without") from None


def _estimator(
    spec: ModelSpec, estimator: Any, columns: tuple[ModelColumn, ...], matrix: NDArray[np.float64], rows: Rows
) -> tuple[Any, bytes, tuple[str, ...], tuple[str, ...]]:
    """Fit, store, and load again: what is measured afterwards is what was stored."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fit_estimator(spec, estimator, matrix[rows.fit], rows.labels[rows.fit])
    check_answers(spec, estimator, columns)
    try:
        data, types = dump(estimator)
    except UnlistedTypesError as error:
        why = f"the stored form of {spec.estimator} holds types that are not listed: {', '.join(error.types)}"
        raise TrainingError(spec.name, f"{why}; choose another estimator") from None
    except Exception as error:  # noqa: BLE001  # skops refuses in many ways
        raise TrainingError(spec.name, f"{spec.estimator} cannot be stored ({type(error).__name__})") from None
    told = tuple(dict.fromkeys(f"{spec.estimator} warned: {str(one.message).splitlines()[0]}" for one in warned))
    return load(data, hashlib.sha256(data).hexdigest(), f"{spec.name}/new"), data, types, told


def _calibrator(spec: ModelSpec, said: NDArray[np.float64], rows: Rows) -> tuple[Calibrator, tuple[str, ...]]:
    if spec.calibration == "none":
        return Calibrator(), ()
    found = fit_calibrator(spec.calibration, said, rows.labels[rows.calibrate])
    if found.slope <= 0:
        told = f"in split {spec.calibrate} the estimator's order is upside down, and the calibrator turns it round"
        return found, (told,)
    return found, ()


def _dull(columns: tuple[ModelColumn, ...], matrix: NDArray[np.float64]) -> tuple[str, ...]:
    """Name columns that can teach nothing; they stay, for the next training set may differ."""
    told = []
    for place, column in enumerate(columns):
        values = matrix[:, place]
        known = values[~np.isnan(values)]
        if not len(known):
            told.append(f"{column.name} is null in every row of the fit split")
        elif len(known) == len(values) and (known == known[0]).all():
            told.append(f"{column.name} is the same in every row of the fit split")
    return tuple(told)


def _predictions(
    table: pa.Table,
    rows: Rows,
    held_out: Mapping[str, NDArray[np.intp]],
    probabilities: Mapping[str, NDArray[np.float64]],
    label_key: str | None,
) -> pa.Table:
    places = np.concatenate([held_out[name] for name in probabilities])
    order = np.argsort(places, kind="stable")
    chosen = [name for name in (label_key, ASKED_AT) if name is not None]
    found = table.select(chosen).take(pa.array(places[order]))
    splits = np.concatenate([np.full(len(one), name, dtype=object) for name, one in probabilities.items()])
    said = np.concatenate(list(probabilities.values()))
    for name, values in (
        ("split", pa.array(splits[order], pa.string())),
        ("label", pa.array(rows.labels[places[order]])),
        ("probability", pa.array(said[order], pa.float64())),
    ):
        found = found.append_column(name, values)
    return found.combine_chunks()
