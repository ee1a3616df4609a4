"""Which estimators can be trained: classifiers by dotted path that take what serving gives them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ray_pipeline.config.nearest import unknown
from ray_pipeline.errors import TrainingError
from ray_pipeline.model.columns import ColumnKind, ModelColumn
from ray_pipeline.model.spec import DEFAULT_ESTIMATOR, OURS, ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray


def new_estimator(spec: ModelSpec, columns: Sequence[ModelColumn]) -> Any:
    """Return the spec's estimator, not fitted yet; ``TrainingError`` where it cannot be one."""
    kind = _class(spec)
    known = _parameters(kind)
    for name in spec.parameters:
        if name not in known:
            raise TrainingError(spec.name, f"parameters.{name}: {unknown(name, set(known) - set(OURS), 'parameter')}")
    given = dict(spec.parameters)
    if "random_state" in known:
        given["random_state"] = spec.seed
    if "categorical_features" in known:
        # None of them is None: an empty list would still send every row through an encoder of no columns.
        places = [place for place, one in enumerate(columns) if one.kind is ColumnKind.CATEGORY]
        given["categorical_features"] = places or None
    try:
        return kind(**given)
    except (TypeError, ValueError) as error:
        raise TrainingError(spec.name, f"{spec.estimator} does not take its parameters ({error})") from None


def fit_estimator(spec: ModelSpec, estimator: Any, rows: NDArray[np.float64], labels: NDArray[np.bool_]) -> None:
    """Fit an estimator; ``TrainingError`` says why it cannot be.

    A column without any value counts as one of zeros: no tree splits on it, and not every estimator takes it.
    """
    empty = np.isnan(rows).all(axis=0)
    taught = np.where(empty, 0.0, rows) if empty.any() else rows
    try:
        estimator.fit(taught, labels.astype(np.int64))
    except Exception as error:
        if np.isnan(taught).any() and _says_no_to_missing(estimator):
            raise TrainingError(spec.name, _takes_no_missing(spec)) from None
        first = (str(error).splitlines() or [""])[0]
        why = f"{spec.estimator} cannot be fitted ({type(error).__name__}: {first})"
        raise TrainingError(spec.name, why) from error


def used_parameters(estimator: Any) -> dict[str, Any]:
    """Return every parameter of an estimator, defaults too, as JSON has it."""
    found = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    return {name: _plain(value) for name, value in sorted(found.items())}


def check_answers(spec: ModelSpec, estimator: Any, columns: Sequence[ModelColumn]) -> None:
    """Refuse a fitted estimator that cannot answer where nothing is known, or where a category is new."""
    rows = np.full((2, len(columns)), np.nan)
    rows[1] = [len(one.categories) if one.kind is ColumnKind.CATEGORY else 0.0 for one in columns]
    try:
        said = np.asarray(estimator.predict_proba(rows), dtype=np.float64)
    except Exception as error:  # noqa: BLE001  # whatever an estimator raises
        raise TrainingError(spec.name, _takes_no_missing(spec, type(error).__name__)) from None
    if said.shape != (2, 2) or not ((said >= 0) & (said <= 1)).all():
        raise TrainingError(spec.name, _takes_no_missing(spec, "no probability"))


def _class(spec: ModelSpec) -> Any:
    module, _, name = spec.estimator.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except Exception as error:  # noqa: BLE001  # a module may raise anything while it is imported
        why = f"estimator {spec.estimator} cannot be imported ({type(error).__name__})"
        raise TrainingError(spec.name, f"{why}; it is the dotted path of a class, as in {DEFAULT_ESTIMATOR}") from None
    callables = ("fit", "predict_proba")
    if not inspect.isclass(found) or not all(callable(getattr(found, one, None)) for one in callables):
        why = f"estimator {spec.estimator} is no classifier: it must be a class with fit and predict_proba"
        raise TrainingError(spec.name, f"{why}, as {DEFAULT_ESTIMATOR} is")
    return found


def _parameters(kind: Any) -> tuple[str, ...]:
    """What the class may be given; scikit-learn's classes list their own."""
    try:
        found = inspect.signature(kind.__init__).parameters.values()
    except (TypeError, ValueError):
        return ()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return tuple(one.name for one in found if one.name != "self" and one.kind not in variable)


def _says_no_to_missing(estimator: Any) -> bool:
    return hasattr(estimator, "__sklearn_tags__") and not estimator.__sklearn_tags__().input_tags.allow_nan


def _takes_no_missing(spec: ModelSpec, said: str = "") -> str:
    why = f" ({said})" if said else ""
    return (
        f"estimator {spec.estimator} does not take missing values{why}, and any feature may be missing in a request; "
        f"choose one that does, as {DEFAULT_ESTIMATOR}"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
