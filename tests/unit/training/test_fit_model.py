"""What the process of a training does, called here as a function: rows in; model, evidence and baseline out."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.errors import FileCorruptError, TrainingError, UsageError
from ray_pipeline.model.manifest import BASELINE, BASELINE_COUNTS, MODEL, PREDICTIONS
from ray_pipeline.model.spec import ModelSpec
from ray_pipeline.runtime.jobs.train_fit import FitOrder, FitResult, fit_model
from tests.unit.model.tables import training_table

SPEC: dict[str, Any] = {"name": "late", "training_set": "late", "parameters": {"max_iter": 5}, "bootstrap": 5}


def order(table: pa.Table, **spec: Any) -> FitOrder:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    data = sink.getvalue()
    return FitOrder(ModelSpec(**(SPEC | spec)), data, hashlib.sha256(data).hexdigest(), "flight_id")


@pytest.fixture(scope="module")
def fitted() -> FitResult:
    return fit_model(order(training_table(), keys=("carrier",)))


def test_it_returns_every_file_but_the_page(fitted: FitResult) -> None:
    assert set(fitted.files) == {MODEL, BASELINE, BASELINE_COUNTS, PREDICTIONS}
    assert set(fitted.code) == {"ray_pipeline", "python", "scikit-learn", "skops", "numpy"}
    assert set(fitted.metrics) == {"validation", "test"}


def test_rows_of_no_split_of_the_spec_are_not_in_the_baseline() -> None:
    table = training_table()
    splits = np.asarray(table["split"].to_pylist(), dtype=object)
    splits[-50:] = "later"
    found = fit_model(order(table.set_column(table.column_names.index("split"), "split", pa.array(splits.tolist()))))
    baseline = Baseline.from_files(found.files)
    assert baseline.rows == table.num_rows - 50
    assert baseline.splits == ("train", "validation", "test")
    assert (
        pq.read_table(io.BytesIO(found.files[PREDICTIONS])).num_rows == sum(found.rows.values()) - found.rows["train"]
    )


def test_without_a_calibrator_the_second_split_may_be_empty() -> None:
    table = training_table()
    kept = table.filter(pa.compute.not_equal(table["split"], "validation"))
    found = fit_model(order(kept, calibration="none"))
    baseline = Baseline.from_files(found.files)
    assert baseline.score_splits == ("test",)
    assert int(baseline.of_score().total.sum()) == found.rows["test"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": {"max_itr": 3}}, r"parameters.max_itr: .*max_iter"),
        ({"estimator": "sklearn.ensemble.NoSuchClassifier", "parameters": {}}, "cannot be imported"),
    ],
)
def test_an_estimator_that_cannot_be_one_is_asked_wrongly(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fit_model(order(training_table(), **change))


def test_no_rows_teach_nothing() -> None:
    with pytest.raises(TrainingError, match="has no rows"):
        fit_model(order(training_table().slice(0, 0)))


def test_bytes_that_changed_on_the_way_are_refused() -> None:
    changed = order(training_table())
    with pytest.raises(FileCorruptError):
        fit_model(FitOrder(changed.spec, changed.data + b"x", changed.sha256, changed.label_key))
