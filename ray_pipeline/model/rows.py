"""Which rows of a training set a model is fitted to, calibrated on and tested with, and what came true in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ray_pipeline.errors import TrainingError
from ray_pipeline.model.columns import ASKED_AT
from ray_pipeline.model.spec import ModelSpec
from ray_pipeline.text import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABEL, SPLIT = "label", "split"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Places of rows by what they are for, in the order of the table."""

    labels: NDArray[np.bool_]
    """Of every row."""
    asked_us: NDArray[np.int64]
    fit: NDArray[np.intp]
    calibrate: NDArray[np.intp]
    test: NDArray[np.intp]


def rows_of(spec: ModelSpec, table: pa.Table) -> Rows:
    """Return the rows of the spec's splits; ``TrainingError`` where no model can come of them."""
    for name in (ASKED_AT, LABEL, SPLIT):
        if name not in table.column_names:
            raise TrainingError(spec.name, f"the training set has no column {name}")
    if not table.num_rows:
        raise TrainingError(spec.name, "the training set has no rows")
    splits = np.asarray(table.column(SPLIT).to_pylist(), dtype=object)
    names = sorted({str(one) for one in splits})
    places = {what: np.flatnonzero(splits == getattr(spec, what)) for what in ("fit", "calibrate", "test")}
    for what, found in places.items():
        name = getattr(spec, what)
        if not len(found) and not (what == "calibrate" and spec.calibration == "none"):
            raise TrainingError(spec.name, f"splits.{what}: no row is in split {name}: {_filled(names)}")
    labels = _labels(spec, table.column(LABEL))
    for what in ("fit", "calibrate"):
        if what == "fit" or spec.calibration != "none":
            _check_both(spec, getattr(spec, what), labels[places[what]])
    asked = table.column(ASKED_AT).cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
    return Rows(labels, asked.to_numpy(), **places)


def _filled(names: list[str]) -> str:
    return f"the training set has rows in {', '.join(names)}" + ("" if len(names) > 1 else " alone")


def _labels(spec: ModelSpec, column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return labels as flags: true and false, or the numbers 1 and 0."""
    kind = column.type
    if column.null_count:
        raise TrainingError(spec.name, f"{count(column.null_count, 'label')} of the training set are null")
    if pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind):
        numbers = column.cast(pa.float64(), safe=False)
        others = pc.sum(pc.invert(pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0)))).as_py()
        if others:
            raise TrainingError(
                spec.name,
                f"its label must be true or false, or 1 or 0: {count(others, 'label')} of the training set are other "
                "numbers; make the label set's label a condition",
            )
        column = pc.equal(numbers, 1.0)
    elif not pa.types.is_boolean(kind):
        why = f"its label must be true or false, or 1 or 0, and this is {kind}"
        raise TrainingError(spec.name, f"{why}; make the label set's label a condition")
    found: NDArray[np.bool_] = column.to_numpy().astype(np.bool_)
    return found


def _check_both(spec: ModelSpec, split: str, labels: NDArray[np.bool_]) -> None:
    true = int(labels.sum())
    if true in (0, len(labels)):
        only = "true" if true else "false"
        why = (
            f"every one of the {count(len(labels), 'label')} of split {split} is {only}: there is nothing to tell apart"
        )
        raise TrainingError(spec.name, f"{why}; take a longer range")
