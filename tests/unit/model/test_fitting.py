"""Fitting: what comes of a training set, that it comes again, and why nothing comes of some."""

from __future__ import annotations

import hashlib
import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from threadpoolctl import threadpool_limits

from ray_pipeline.errors import ModelFileError, TrainingError
from ray_pipeline.model.calibration import Calibrator
from ray_pipeline.model.columns import ColumnKind, encode_table
from ray_pipeline.model.files import TRUSTED
from ray_pipeline.model.fitted import FEW, FittedModel, open_model
from ray_pipeline.model.fitting import Fitted, fit, predictions_sha256
from ray_pipeline.model.manifest import MODEL, FileFact, ModelManifest
from ray_pipeline.model.spec import model_spec_of
from tests.unit.model.estimators import Answering
from tests.unit.model.tables import START_US, training_table


def _spec(**keys: Any) -> Any:
    tree = {"name": "late", "training_set": "late", "keys": ["carrier"], "seed": 5, "bootstrap": 20}
    return model_spec_of(tree | {"parameters": {"max_iter": 12}} | keys)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return training_table()


@pytest.fixture(scope="module")
def fitted(table: pa.Table) -> Fitted:
    return fit(_spec(), table, label_key="flight_id")


def test_the_model_sees_the_keys_it_is_told_and_the_features(fitted: Fitted) -> None:
    assert [(one.name, one.kind) for one in fitted.columns] == [
        ("carrier", ColumnKind.CATEGORY),
        ("calendar__hour", ColumnKind.NUMBER),
        ("origin__mean_delay", ColumnKind.NUMBER),
        ("origin__wet", ColumnKind.FLAG),
        ("aircraft__landed_at", ColumnKind.MOMENT),
    ]
    assert fitted.columns[0].categories == ("AA", "B6", "DL", "UA")
    assert fitted.parameters["categorical_features"] == [0]
    assert (fitted.parameters["random_state"], fitted.parameters["max_iter"]) == (5, 12)
    assert set(fitted.types) == set(TRUSTED)


def test_it_learns_and_is_measured_where_it_was_not_fitted(fitted: Fitted) -> None:
    assert list(fitted.metrics) == ["validation", "test"]
    assert fitted.metrics["test"].auc.value > 0.75  # type: ignore[operator]
    assert fitted.metrics["validation"].calibrated_on
    assert not fitted.metrics["test"].calibrated_on
    assert fitted.rows == {"train": 360, "validation": 120, "test": 120}
    assert {fitted.importance[0].name, fitted.importance[1].name} == {"origin__mean_delay", "carrier"}
    assert fitted.importance[0].low <= fitted.importance[0].drop <= fitted.importance[0].high


def test_training_again_gives_the_same_to_the_last_bit(fitted: Fitted, table: pa.Table) -> None:
    again = fit(_spec(), table)
    assert again.predictions_sha256 == fitted.predictions_sha256
    assert again.metrics == fitted.metrics
    assert again.importance == fitted.importance
    other = fit(_spec(parameters={"max_iter": 13}), table)
    assert other.predictions_sha256 != fitted.predictions_sha256


def test_the_predictions_name_their_rows(fitted: Fitted, table: pa.Table) -> None:
    found = fitted.predictions
    assert found.column_names == ["flight_id", "asked_at", "split", "label", "probability"]
    assert found.column("flight_id").to_pylist() == table.column("flight_id").to_pylist()[360:]
    assert found.column("label").to_pylist() == table.column("label").to_pylist()[360:]
    test = found.filter(pa.compute.equal(found.column("split"), "test"))
    assert test.column("probability").to_pylist() == fitted.probabilities["test"].tolist()
    assert predictions_sha256(fitted.probabilities["test"]) == fitted.predictions_sha256


def _manifest(fitted: Fitted, **changed: Any) -> ModelManifest:
    nothing: dict[str, Any] = dict.fromkeys(ModelManifest.__dataclass_fields__, "")
    return ModelManifest(
        **nothing
        | {"number": 1, "name": "late", "columns": fitted.columns, "calibrator": fitted.calibrator.to_json()}
        | {"files": {MODEL: FileFact(hashlib.sha256(fitted.data).hexdigest(), len(fitted.data))}}
        | changed
    )


def test_the_stored_model_says_what_was_measured(fitted: Fitted, table: pa.Table) -> None:
    model = open_model(fitted.data, _manifest(fitted))
    rows = encode_table(model.columns, table)[480:]
    assert model.predict(rows).tobytes() == fitted.probabilities["test"].tobytes()
    one_by_one = [model.predict(row.reshape(1, -1))[0] for row in rows]
    assert one_by_one == fitted.probabilities["test"].tolist()
    assert model.predict(rows[:FEW]).tolist() == one_by_one[:FEW]
    assert model.is_quick


def test_many_rows_are_answered_by_one_thread(fitted: Fitted) -> None:
    estimator = Answering()
    with threadpool_limits(limits=2):
        model = FittedModel(estimator, Calibrator(), fitted.columns)
        model.predict(np.zeros((FEW + 1, len(fitted.columns))))
        assert estimator.threads == 1
        estimator.predict_proba(np.zeros((1, 1)))
        assert estimator.threads == 2, "they are given back"


def test_a_stored_model_is_opened_with_its_own_manifest_alone(fitted: Fitted) -> None:
    for changed, reason in (
        ({"columns": fitted.columns[:3]}, "sees 5 columns, and the manifest has 3"),
        ({"files": {}}, "the manifest does not name it"),
        ({"files": {MODEL: FileFact("0" * 64, 1)}}, "its bytes are not those that the manifest names"),
        ({"calibrator": {"kind": "x"}}, "its calibrator is no calibrator"),
    ):
        with pytest.raises(ModelFileError, match=reason):
            open_model(fitted.data, _manifest(fitted, **changed))


def test_what_was_fitted_travels_between_processes(fitted: Fitted) -> None:
    again = pickle.loads(pickle.dumps(fitted))
    rows = np.zeros((1, len(fitted.columns)))
    assert again.model.predict(rows) == fitted.model.predict(rows)


def test_a_request_is_encoded_by_the_model(fitted: Fitted) -> None:
    row = fitted.model.encode({"carrier": "ZZ", "origin__wet": False}, START_US)
    assert row.shape == (1, 5)
    assert row[0, [0, 3]].tolist() == [4.0, 0.0]
    assert 0 < fitted.model.predict(row)[0] < 1
    assert fitted.model.predict(np.empty((0, 5))).tolist() == []


@pytest.mark.parametrize("calibration", ["isotonic", "none"])
def test_other_calibrations(calibration: str, table: pa.Table) -> None:
    found = fit(_spec(calibration=calibration), table)
    assert found.calibrator.kind == calibration
    assert found.metrics["validation"].calibrated_on is (calibration == "isotonic")


def test_without_calibration_its_split_is_not_needed() -> None:
    table = training_table()
    found = fit(_spec(calibration="none"), table.filter(pa.compute.not_equal(table.column("split"), "validation")))
    assert list(found.metrics) == ["test"]


def test_numbers_for_labels_are_taken_where_they_are_one_and_zero(fitted: Fitted, table: pa.Table) -> None:
    for kind in (pa.int8(), pa.float64()):
        found = fit(_spec(), training_table(label=table.column("label").cast(pa.int8()).cast(kind)))
        assert found.predictions_sha256 == fitted.predictions_sha256


def test_a_view_and_a_feature_can_be_left_out(table: pa.Table) -> None:
    found = fit(_spec(without=["origin", "calendar__hour"], keys=[]), table)
    assert [one.name for one in found.columns] == ["aircraft__landed_at"]
    assert found.parameters["categorical_features"] is None
    assert found.model.is_quick


def test_columns_that_teach_nothing_are_told() -> None:
    table = training_table(calendar__hour=[7] * 600, origin__mean_delay=pa.array([None] * 600, pa.float64()))
    assert fit(_spec(), table).notices == (
        "calendar__hour is the same in every row of the fit split",
        "origin__mean_delay is null in every row of the fit split",
    )


def test_a_test_split_of_one_class_has_no_auc_and_says_so(table: pa.Table) -> None:
    labels = np.asarray(table.column("label"))
    found = fit(_spec(), training_table(label=np.where(np.arange(600) < 480, labels, True)))
    assert found.metrics["test"].auc.value is None
    assert found.importance == ()
    assert found.notices == ("split test has labels of one kind only: AUC and importance are not known",)


def _halves(one: str, other: str) -> list[str]:
    return [one] * 300 + [other] * 300


@pytest.mark.parametrize(
    ("keys", "columns", "reason"),
    [
        (
            {"splits": {"test": "tset"}},
            {},
            "splits.test: no row is in split tset: the training set has rows in test, train, validation",
        ),
        (
            {},
            {"split": _halves("train", "test")},
            "splits.calibrate: no row is in split validation: the training set has rows in test, train",
        ),
        ({}, {"split": ["all"] * 600}, "no row is in split train: the training set has rows in all alone"),
        ({}, {"label": [False] * 600}, "every one of the 360 labels of split train is false: there is nothing"),
        ({}, {"label": np.arange(600) < 400}, "every one of the 360 labels of split train is true"),
        (
            {},
            {"label": np.r_[np.arange(360) % 2 == 0, [False] * 240]},
            "every one of the 120 labels of split validation",
        ),
        ({}, {"label": np.arange(600) % 3}, "must be true or false, or 1 or 0: 200 labels of the training set are"),
        ({}, {"label": ["late"] * 600}, "must be true or false, or 1 or 0, and this is string"),
        ({}, {"label": pa.array([None] * 600, pa.bool_())}, "600 labels of the training set are null"),
        ({"keys": ["carier"]}, {}, "keys: carier: unknown key of the training set; did you mean carrier?"),
        ({"keys": ["asked_at"]}, {}, "keys: asked_at: unknown key"),
        ({"without": ["orign"]}, {}, "without: orign: unknown view or feature; did you mean origin?"),
        ({"without": ["origin", "aircraft", "calendar"], "keys": []}, {}, "no column is left that it could see"),
        ({}, {"origin__wet": [b"x"] * 600}, "origin__wet is binary, and a model sees .*; name it under without"),
        ({"parameters": {"max_itr": 3}}, {}, "parameters.max_itr: unknown parameter; did you mean max_iter?"),
        ({"parameters": {"max_iter": -3}}, {}, "cannot be fitted .InvalidParameterError: The 'max_iter' parameter"),
        ({"estimator": "sklearn.ensemble.Absent"}, {}, r"sklearn.ensemble.Absent cannot be imported .AttributeError"),
        ({"estimator": "no_such.Thing"}, {}, r"no_such.Thing cannot be imported .ModuleNotFoundError"),
        ({"estimator": "os.path.join"}, {}, "os.path.join is no classifier: it must be a class with fit and predict"),
        ({"estimator": "sklearn.linear_model.LinearRegression"}, {}, "LinearRegression is no classifier"),
        (
            {"estimator": "sklearn.linear_model.LogisticRegression", "parameters": {}},
            {},
            "LogisticRegression does not take missing values, and any feature may be missing in a request; choose one",
        ),
        (
            {"estimator": "sklearn.ensemble.RandomForestClassifier", "parameters": {"n_estimators": 2}},
            {},
            r"RandomForestClassifier holds types that are not listed: sklearn\.tree\._tree\.Tree; choose another",
        ),
        (
            {"estimator": "tests.unit.model.estimators.Fragile", "parameters": {}},
            {},
            r"Fragile does not take missing values .ValueError.",
        ),
        (
            {"estimator": "tests.unit.model.estimators.Wild", "parameters": {}},
            {},
            r"Wild does not take missing values .no probability.",
        ),
    ],
)
def test_why_no_model_comes_of_it(keys: dict[str, Any], columns: dict[str, Any], reason: str) -> None:
    with pytest.raises(TrainingError, match=f"^model late was not trained: .*{reason}"):
        fit(_spec(**keys), training_table(**columns))


def test_no_rows_and_no_labels_are_told(table: pa.Table) -> None:
    with pytest.raises(TrainingError, match="the training set has no rows"):
        fit(_spec(), table.slice(0, 0))
    with pytest.raises(TrainingError, match="the training set has no column label"):
        fit(_spec(), table.drop_columns(["label"]))


def test_an_estimator_of_another_kind_is_asked_as_it_is(table: pa.Table) -> None:
    found = fit(_spec(estimator="sklearn.dummy.DummyClassifier", parameters={"strategy": "prior"}), table)
    assert not found.model.is_quick
    assert found.parameters["random_state"] == 5
    assert found.types == ()
    assert open_model(found.data, _manifest(found)).predict(np.full((1, 5), np.nan)) == found.probabilities["test"][0]
