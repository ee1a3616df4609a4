"""A training on real flights, in a real process of Ray: what it keeps, what it moves, and what a failed one leaves."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.config.lineage import LineageConfig
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.errors import FileCorruptError, ModelMismatchError, TrainingError, UsageError
from ray_pipeline.features.content_hash import content_hash
from ray_pipeline.features.requests import request_definition
from ray_pipeline.model.columns import encode_table
from ray_pipeline.model.fitted import open_model
from ray_pipeline.model.manifest import BASELINE, BASELINE_COUNTS, MODEL, PAGE, PREDICTIONS
from ray_pipeline.model.spec import ModelSpec
from ray_pipeline.runtime.jobs import train as job
from ray_pipeline.runtime.jobs.train import TrainingLostError, TrainReport, train
from ray_pipeline.runtime.jobs.train_data import training_data
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.models import promotion
from ray_pipeline.runtime.models.promotion import open_registry
from ray_pipeline.runtime.open import Pipeline
from ray_pipeline.runtime.training_sets import DATA, MANIFEST, TrainingSet, find_training_sets, manifest_bytes
from ray_pipeline.testing.clock import FrozenClock
from tests.flight_lake import SPEC, FlightLake
from tests.unit.lineage.valid_events import complaints

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
NAME = "late_by_train"
SPLITS = {
    "train": "2013-02-06T00:00:00Z",
    "validation": "2013-02-06T16:00:00Z",
    "test": "2013-02-07T00:00:00Z",
}
ASKED = ModelSpec(NAME, "late_in_thirds", parameters={"max_iter": 10}, keys=("carrier", "origin"), seed=7, bootstrap=20)


@pytest.fixture(scope="module", autouse=True)
def _shipped(local_ray: None) -> Iterator[None]:
    """The workers cannot import this file: its functions travel by value."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def data(flight_lake: FlightLake) -> TrainingSet:
    return build_training_set(flight_lake.config, {**SPEC, "name": "late_in_thirds", "splits": SPLITS})


@pytest.fixture(scope="module")
def trained(flight_lake: FlightLake, data: TrainingSet) -> TrainReport:
    return train(flight_lake.config, ASKED, who="ann", reason="the first", clock=FrozenClock())


def state(lake: FlightLake, name: str) -> Any:
    """Everything that a failed training must leave as it is."""
    registry = open_registry(lake.config)
    return registry.versions(name), registry.aliases(name), registry.history(name)


def test_a_version_names_everything_that_it_rests_on(
    flight_lake: FlightLake, data: TrainingSet, trained: TrainReport
) -> None:
    registry = open_registry(flight_lake.config)
    version = registry.manifest(NAME, 1)
    assert trained.created
    assert trained.version == version
    assert (version.created_at, version.created_by) == ("2013-01-01T00:00:00.000000Z", "ann")
    assert (version.service, version.label_set, version.label_key) == ("flight_delay", "late_arrival", "flight_id")
    assert version.request == data.manifest["request"]
    assert version.request_definition == request_definition(data.manifest["request_definitions"])
    assert set(data.manifest["request_definitions"]) == {"hour", "weekday", "month"}
    assert {view.name: (view.definition, view.snapshot) for view in version.views} == {
        one["name"]: (one["definition"], one["snapshot"]) for one in data.manifest["views"]
    }
    for key in ("content_hash", "rows", "splits", "excluded", "curated", "views", "spec"):
        assert version.training[key] == data.manifest[key]
    assert version.training["sha256"] == data.manifest["file"]["sha256"]
    assert (version.training["name"], version.training["version"]) == (data.name, data.version)
    assert set(version.code) == {"ray_pipeline", "python", "scikit-learn", "skops", "numpy"}
    assert set(version.files) == {MODEL, BASELINE, BASELINE_COUNTS, PREDICTIONS, PAGE}
    assert version.spec == ASKED.to_json()
    assert trained.rows == {one["name"]: one["rows"] for one in data.manifest["splits"]}


def test_the_challenger_is_moved_and_nobody_is_champion(flight_lake: FlightLake, trained: TrainReport) -> None:
    (move,) = trained.moves
    assert (move.alias, move.version, move.previous, move.kind) == ("challenger", 1, None, "train")
    assert (move.who, move.reason, move.at) == ("ann", "the first", "2013-01-01T00:00:00.000000Z")
    assert trained.champion is None


def test_the_files_say_what_the_model_says(flight_lake: FlightLake, data: TrainingSet, trained: TrainReport) -> None:
    registry, version, table = open_registry(flight_lake.config), trained.version, data.table()
    model = open_model(registry.file(version, MODEL), version)
    said = pq.read_table(io.BytesIO(registry.file(version, PREDICTIONS)))
    assert said.column_names == ["flight_id", "asked_at", "split", "label", "probability"]
    held_out = pl.DataFrame(table).filter(pl.col("split") != "train")
    again = model.predict(encode_table(version.columns, held_out.to_arrow()))
    assert said["flight_id"].to_pylist() == held_out["flight_id"].to_list()
    assert said["label"].to_pylist() == held_out["label"].to_list()
    np.testing.assert_array_equal(said["probability"].to_numpy(), again)
    test = np.asarray(said["split"].to_pylist()) == "test"
    assert version.predictions_sha256 == hashlib.sha256(again[test].astype("<f8").tobytes()).hexdigest()


def test_the_baseline_counts_every_row_and_scores_only_where_nothing_was_fitted(
    flight_lake: FlightLake, data: TrainingSet, trained: TrainReport
) -> None:
    registry, version = open_registry(flight_lake.config), trained.version
    found = Baseline.from_files({name: registry.file(version, name) for name in (BASELINE, BASELINE_COUNTS)})
    assert found.names == tuple(column.name for column in version.columns)
    assert found.rows == data.manifest["rows"]
    assert found.fit_rows == trained.rows["train"]
    assert (found.fit_splits, found.score_splits) == (("train",), ("validation", "test"))
    assert found.of_score() is not None
    assert int(found.of_score().total.sum()) == trained.rows["validation"] + trained.rows["test"]  # type: ignore[union-attr]


def test_the_page_is_a_file_of_the_version(trained: TrainReport) -> None:
    page = Path(trained.page).read_text()
    assert hashlib.sha256(page.encode()).hexdigest() == trained.version.files[PAGE].sha256
    assert NAME in page
    assert trained.version.training["content_hash"] in page


def test_the_same_training_finds_its_version_again(flight_lake: FlightLake, trained: TrainReport) -> None:
    before = state(flight_lake, NAME)
    pipeline = Pipeline(flight_lake.config)
    again = pipeline.train(ASKED, who="bob")
    assert (again.created, again.version, again.moves) == (False, trained.version, ())
    assert state(flight_lake, NAME) == before
    assert NAME in pipeline.models().names()
    assert NAME in pipeline.model(NAME)._repr_html_()


def test_another_training_is_the_next_version_and_champion_only_where_it_can_answer(
    flight_lake: FlightLake, trained: TrainReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mismatch(*_args: object, **_options: object) -> None:
        raise ModelMismatchError(f"{NAME}/2", "view weather is defined otherwise now")

    other = replace(ASKED, seed=8, parameters={"max_iter": 12})
    with monkeypatch.context() as patched:
        patched.setattr(promotion, "_open", mismatch)
        with pytest.raises(ModelMismatchError):
            train(flight_lake.config, other, who="ann", promote=True)
    versions, aliases, _ = state(flight_lake, NAME)
    assert (versions, aliases) == ((1, 2), {"challenger": 2})
    found = train(flight_lake.config, other, who="ann", promote=True)
    assert (found.created, found.version.number, found.champion) == (False, 2, 2)
    assert [(move.alias, move.previous, move.version, move.kind) for move in found.moves] == [
        ("champion", None, 2, "promote")
    ]


# What goes wrong in the process of the fit


def die(_order: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(_order: object) -> None:
    time.sleep(600)


def stumble(_order: object) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("fate", "timeout", "message"),
    [
        (die, 60.0, "the process of the fit died"),
        (hang, 2.0, r"within 2 s"),  # a busy machine may not have begun by then
        (stumble, 60.0, "the fit raised ZeroDivisionError"),
    ],
)
def test_a_fit_that_comes_to_no_end_leaves_everything_as_it_is(
    flight_lake: FlightLake,
    trained: TrainReport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fate: Any,
    timeout: float,
    message: str,
) -> None:
    before = state(flight_lake, NAME)
    monkeypatch.setattr(job, "fit_model", fate)
    config = told_to(flight_lake, tmp_path)
    with pytest.raises(TrainingLostError, match=message):
        train(config, replace(ASKED, seed=99), timeout=timeout, promote=True)
    assert state(flight_lake, NAME) == before
    started, failed = events(tmp_path)
    assert (started["eventType"], failed["eventType"]) == ("START", "FAIL")
    assert message in failed["run"]["facets"]["errorMessage"]["message"]
    assert complaints(failed) == []


# What cannot be learned from, or asks wrongly


def saved(data: TrainingSet, table: pa.Table, folder: Path) -> Path:
    """Write another table as a training set into a folder, as ``training-set build --out`` does."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    file = {**data.manifest["file"], "sha256": hashlib.sha256(sink.getvalue()).hexdigest(), "bytes": sink.tell()}
    spec = {**data.manifest["spec"], "name": "late_otherwise"}
    changes = {"spec": spec, "file": file, "content_hash": content_hash(table), "rows": table.num_rows}
    folder.mkdir()
    (folder / DATA).write_bytes(sink.getvalue())
    (folder / MANIFEST).write_bytes(manifest_bytes({**data.manifest, **changes}))
    return folder


def test_rows_of_one_class_teach_nothing(flight_lake: FlightLake, data: TrainingSet, tmp_path: Path) -> None:
    table = data.table()
    place = table.column_names.index("label")
    folder = saved(data, table.set_column(place, "label", pa.array([False] * table.num_rows)), tmp_path / "set")
    with pytest.raises(TrainingError, match="is false: there is nothing to tell apart") as raised:
        train(flight_lake.config, replace(ASKED, name="late_never", training_set=str(folder)))
    assert not isinstance(raised.value, TrainingLostError)
    assert state(flight_lake, "late_never") == ((), {}, ())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keys": ("carier",)}, "carier: .*did you mean carrier"),
        ({"without": ("weather",)}, "without: weather"),
        ({"fit": "trane"}, "splits.fit: .*train"),
        ({"training_set": "nothing.yaml"}, "there is no file .*nothing.yaml"),
        ({"training_set": "nothing"}, "there is no training set 'nothing'"),
    ],
)
def test_a_spec_that_asks_wrongly_is_told_so(
    flight_lake: FlightLake, data: TrainingSet, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(flight_lake.config, replace(ASKED, name="late_wrong", **change))
    assert state(flight_lake, "late_wrong") == ((), {}, ())


def test_rows_that_are_not_the_manifests_are_refused(
    flight_lake: FlightLake, data: TrainingSet, tmp_path: Path
) -> None:
    folder = saved(data, data.table(), tmp_path / "set")
    (folder / DATA).write_bytes((folder / DATA).read_bytes() + b"x")
    with pytest.raises(FileCorruptError):
        train(flight_lake.config, replace(ASKED, name="late_changed", training_set=str(folder)))
    assert state(flight_lake, "late_changed") == ((), {}, ())


def test_a_saved_training_set_is_the_one_in_the_lake(
    flight_lake: FlightLake, data: TrainingSet, tmp_path: Path
) -> None:
    data.save(tmp_path / "set")
    (tmp_path / "alone.json").write_bytes((tmp_path / "set" / MANIFEST).read_bytes())
    store = Pipeline(flight_lake.config).store
    before = len(find_training_sets(flight_lake.config, store))
    for which in ("set", "set/manifest.json", "alone.json", f"late_in_thirds/{data.version}", str(tmp_path / "set")):
        found = training_data(
            flight_lake.config,
            store,
            which,
            tmp_path,
            ray_address=None,
            repo=None,
            on_message=print,
            clock=FrozenClock(),
        )
        assert (found.name, found.version, found.place) == (data.name, data.version, data.place)
        assert not found.created
    assert len(find_training_sets(flight_lake.config, store)) == before


# What others are told


def told_to(lake: FlightLake, folder: Path) -> Any:
    return lake.config.model_copy(update={"lineage": LineageConfig(transport="file", path=folder / "events.jsonl")})


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_a_training_tells_from_which_training_set_which_version_came(
    flight_lake: FlightLake, data: TrainingSet, tmp_path: Path
) -> None:
    spec = tmp_path / "late.json"
    spec.write_bytes(manifest_bytes(data.manifest))
    config = told_to(flight_lake, tmp_path)
    report = train(config, replace(ASKED, name="late_told", training_set=str(spec)), promote=True)
    found = events(tmp_path)
    assert [event["job"]["name"] for event in found] == [
        *["flights.training-set.late_in_thirds"] * 2,
        *["flights.train.late_told"] * 2,
    ]
    assert [problem for event in found for problem in complaints(event)] == []
    (built,), (read,) = found[1]["outputs"], found[3]["inputs"]
    assert (built["name"], built["facets"]["version"]) == (read["name"], read["facets"]["version"])
    (made,) = found[3]["outputs"]
    told = made["facets"]["rayPipeline_model"]
    assert (told["name"], told["number"], told["aliases"]) == ("late_told", 1, ["challenger", "champion"])
    assert told["sha256"] == report.version.files[MODEL].sha256
    assert told["metrics"]["test"]["auc"]["value"] == report.version.metrics["test"]["auc"]["value"]
    assert Path(made["name"]).joinpath("versions", "00000001.json").is_file()
