"""``ray-pipeline predict``: one question, a file, a label set's questions; printed, written, published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from ray_pipeline.cli.main import command
from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.connectors.feast.repo import load_repo
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.online import online_settings
from ray_pipeline.errors import ModelFileError, ModelMismatchError, PredictionLogError
from ray_pipeline.features.reading import Status
from ray_pipeline.model.manifest import MODEL, ModelManifest
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions import batch
from ray_pipeline.runtime.predictions.batch import predict_batch, predict_versions
from ray_pipeline.runtime.predictions.policy import told_apart
from ray_pipeline.runtime.predictions.predictor import open_predictor
from ray_pipeline.runtime.predictions.publish import publish_predictions
from ray_pipeline.runtime.predictions.questions import questions
from tests.broker.kafka_records import read_topic
from tests.flight_lake import ROOT, FlightLake
from tests.prediction_models import SPEC, online_of, registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
NAME = "asked_by_command"
RANGE = ("--from", "2013-02-05T12:00:00Z", "--to", "2013-02-05T14:00:00Z")
QUESTION = (
    "origin=EWR",
    "destination=BOS",
    "carrier=B6",
    "tail_number=N184JB",
    "scheduled_departure_at=2013-02-06T13:00:00Z",
)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Say = Callable[..., Said]


@pytest.fixture(scope="module")
def manifest(flight_lake: FlightLake) -> ModelManifest:
    found = registered(flight_lake, spec=replace(SPEC, name=NAME))
    registry = ModelRegistry(flight_lake.store, flight_lake.config.pipeline)
    registry.move(NAME, "champion", found.number, expected=None, who="tests", reason="the only one", kind="promote")
    settings = online_settings(load_repo(flight_lake.config).folder, flight_lake.config)
    assert settings.path is not None
    online_of(flight_lake, settings.path, days=2).close()
    return found


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"predictions": 1}) as running:
        yield running


@pytest.fixture
def config(flight_lake: FlightLake, broker: EmbeddedBroker, tmp_path: Path) -> Path:
    """The lake's configuration with a topic of predictions."""
    text = flight_lake.file.read_text().replace("127.0.0.1:1", broker.bootstrap_servers)
    text = text.replace("store: ./lake", f"store: '{flight_lake.config.store}'")
    contract = ROOT / "contracts" / "flights" / "predictions.odcs.yaml"
    text = text.replace("datasets:\n", f"datasets:\n  predictions: {{contract: '{contract}'}}\n")
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return file


@pytest.fixture
def say(config: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    def call(*args: Any) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            command().main(["predict", *map(str, args), "--config", str(config)], prog_name="ray-pipeline")
        printed = capsys.readouterr()
        return Said(int(ended.value.code or 0), printed.out, printed.err)

    return call


def test_one_question_is_answered_now_and_as_of_a_moment(manifest: ModelManifest, say: Say) -> None:
    now = say(NAME, *QUESTION, "-o", "json")
    assert now.code == 0, now.err
    found = now.document
    assert found["model"] == {"name": NAME, "version": manifest.number}
    assert 0 < found["probability"] < 1
    assert found["features"]["calendar__hour"] == {"value": 8, "status": "PRESENT"}
    assert len(found["features"]) == 21
    then = say(f"{NAME}/latest", *QUESTION, "--as-of", "2013-02-06T12:00:00Z", "-o", "json").document
    assert then["as_of"] == "2013-02-06T12:00:00Z" < found["as_of"]
    text = say(NAME, *QUESTION)
    assert text.code == 0
    assert text.out.startswith(f"{NAME}/{manifest.number}: ")
    assert "origin_last_2h__departures" in text.out


def test_an_aircraft_that_nobody_knows_is_answered_with_that_status_or_refused(
    manifest: ModelManifest, say: Say
) -> None:
    other = [one for one in QUESTION if not one.startswith("tail")]
    found = say(NAME, *other, "tail_number=", "-o", "json").document
    assert found["status"] == "degraded"
    assert found["features"]["aircraft_last_arrival__landed_in"] == {"value": None, "status": "NOT_FOUND"}
    refused = say(NAME, *other, "tail_number=N0", "--set", "serve.on_missing=refuse")
    assert refused.code == 3
    assert "serve.on_missing is refuse" in refused.err


def test_the_questions_of_a_range_are_printed_written_and_published(
    manifest: ModelManifest, say: Say, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    found = say(NAME, *RANGE, "--out", tmp_path / "a.parquet", "--publish", "-o", "json")
    assert found.code == 0, found.err
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert found.document["answered"] == len(rows) == found.document["published"]["events"] > 50
    records = read_topic(broker.bootstrap_servers, "predictions")
    events = {record.key().decode(): orjson.loads(record.value()) for record in records}
    assert events.keys() == {row["request_id"] for row in rows}
    assert all(events[row["request_id"]]["probability"] == row["probability"] for row in rows)
    stamps = [record.timestamp()[1] for record in records]
    asked = [
        int(datetime.fromisoformat(orjson.loads(one.value())["occurred_at"]).timestamp() * 1000) for one in records
    ]
    assert stamps == asked == sorted(asked)  # the store's clock is a replay's
    again = say(NAME, *RANGE, "--out", tmp_path / "a.jsonl")
    assert f"{len(rows)} answers" in again.out
    lines = [orjson.loads(line) for line in (tmp_path / "a.jsonl").read_bytes().splitlines()]
    assert {line["request_id"]: line["probability"] for line in lines} == {
        row["request_id"]: row["probability"] for row in rows
    }


def test_a_file_is_answered_row_by_row_and_a_late_row_is_refused(
    manifest: ModelManifest, say: Say, tmp_path: Path
) -> None:
    names = [one.partition("=")[0] for one in QUESTION]
    values = [one.partition("=")[2] for one in QUESTION]
    file = tmp_path / "in.csv"
    head = ",".join([*names, "request_id", "as_of"])
    file.write_text(
        f"{head}\n{','.join(values)},early,2013-02-06T12:00:00Z\n{','.join(values)},late,2014-01-01T00:00:00Z\n"
    )
    found = say(NAME, "--batch", file, "--out", tmp_path / "out.csv")
    assert found.code == 3
    assert "1 answer, " in found.out
    assert "no answer to late: asked as of 2014-01-01T00:00:00Z, later than view" in found.err
    written = (tmp_path / "out.csv").read_text().splitlines()
    assert len(written) == 3
    single = say(NAME, *QUESTION, "--as-of", "2013-02-06T12:00:00Z", "-o", "json").document
    many = say(NAME, "--batch", file, "-o", "json").document
    assert many["answers"][0] | {"request_id": ""} == single | {"request_id": ""}  # online and offline
    assert [one["request_id"] for one in many["refused"]] == ["late"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "say what to ask"),
        (["origin"], "write KEY=VALUE"),
        (["origin=EWR", "origin=LGA"], "origin is said twice"),
        (["origin=EWR"], "is missing"),
        ([*QUESTION, "orgin=EWR"], "did you mean origin"),
        ([*QUESTION, "--from", "2013-02-05T00:00:00Z"], "a range needs both"),
        ([*QUESTION, *RANGE], "ask one way"),
        ([*RANGE, "--as-of", "2013-02-05T00:00:00Z"], "leave --as-of out"),
        (["--from", "2013-02-06T00:00:00Z", "--to", "2013-02-05T00:00:00Z"], "--to must be after"),
        (["--from", "yesterday", "--to", "2013-02-05T00:00:00Z"], "--from must be a moment"),
        ([*RANGE, "--out", "answers.txt"], "must end with one of .jsonl, .csv, .parquet"),
        ([*RANGE, "--out", "no/such/folder/a.csv"], "there is no such folder"),
        (["--batch", "none.csv"], "there is no such file"),
    ],
)
def test_what_is_asked_wrongly_is_said(manifest: ModelManifest, say: Say, args: list[str], sentence: str) -> None:
    found = say(NAME, *args)
    assert found.code == 2, found.err
    assert sentence in found.err
    assert not found.out


def test_the_file_of_the_questions_is_not_written_over(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "questions.csv"
    file.write_text("origin\nEWR\n")
    found = say(NAME, "--batch", str(file), "--out", f"{tmp_path}/../{tmp_path.name}/questions.csv")
    assert (found.code, file.read_text()) == (2, "origin\nEWR\n")
    assert "this is the file of the questions" in found.err


def test_a_model_that_is_not_there_is_said(manifest: ModelManifest, say: Say) -> None:
    for name in ("nobody", f"{NAME}/99", f"{NAME}/challenger"):
        found = say(name, *QUESTION)
        assert found.code == 2
        assert f"model {name.partition('/')[0]}: " in found.err


def test_an_offline_batch_keeps_the_policies(manifest: ModelManifest, config: Path) -> None:
    settings = load_config(config, ["serve.on_missing=refuse"])
    predictor = _predictor(settings, manifest)
    start, end = datetime(2013, 2, 5, 12, tzinfo=UTC), datetime(2013, 2, 5, 14, tzinfo=UTC)
    asked = questions(settings, predictor, start, end)
    predictions, refusals = told_apart(predict_batch(settings, predictor, asked))
    assert len(predictions) + len(refusals) == len(asked)
    assert refusals
    assert all(found.status is not Status.NOT_FOUND for one in predictions for found in one.features.values())


def test_into_how_many_blocks_a_batch_is_cut_changes_no_answer(manifest: ModelManifest, config: Path) -> None:
    settings = load_config(config)
    predictor = _predictor(settings, manifest)
    start, end = datetime(2013, 2, 5, 12, tzinfo=UTC), datetime(2013, 2, 5, 15, tzinfo=UTC)
    asked = questions(settings, predictor, start, end)
    assert predict_batch(settings, predictor, asked, blocks=3) == predict_batch(settings, predictor, asked)


def test_versions_that_see_the_same_have_their_features_read_once(
    manifest: ModelManifest, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_config(config)
    first = _predictor(settings, manifest)
    second = replace(first, manifest=replace(manifest, number=manifest.number + 1))
    narrower = replace(
        first, shapes={**first.shapes, "a view of another definition": next(iter(first.shapes.values()))}
    )
    start, end = datetime(2013, 2, 5, 12, tzinfo=UTC), datetime(2013, 2, 5, 13, tzinfo=UTC)
    asked = questions(settings, first, start, end)
    reads: list[Any] = []

    def read_offline(config: PipelineConfig, predictor: Any, *args: Any, **options: Any) -> Any:
        reads.append(predictor)
        return offline(config, predictor, *args, **options)

    offline = batch.read_offline
    monkeypatch.setattr(batch, "read_offline", read_offline)
    answers = predict_versions(settings, (first, second, narrower), asked)
    assert reads == [first, narrower]
    assert answers == [predict_batch(settings, one, asked) for one in (first, second, narrower)]
    assert {one.version for one in told_apart(answers[1])[0]} == {manifest.number + 1}


def test_a_topic_that_takes_no_events_is_an_error_that_may_be_tried_again(
    manifest: ModelManifest, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray_pipeline.connectors.kafka import publisher

    monkeypatch.setattr(publisher, "FLUSH_SECONDS", 0.5)
    settings = load_config(config)
    away: PipelineConfig = load_config(config, ["kafka={bootstrap.servers: '127.0.0.1:1'}"])
    predictor = _predictor(settings, manifest)
    start, end = datetime(2013, 2, 5, 12, tzinfo=UTC), datetime(2013, 2, 5, 13, tzinfo=UTC)
    predictions, _ = told_apart(predict_batch(settings, predictor, questions(settings, predictor, start, end)))
    with pytest.raises(PredictionLogError, match="topic predictions does not take predictions") as caught:
        publish_predictions(away, predictions)
    assert caught.value.retryable


def test_a_version_whose_file_or_definitions_are_others_does_not_open(
    flight_lake: FlightLake, manifest: ModelManifest
) -> None:
    registry = ModelRegistry(flight_lake.store, flight_lake.config.pipeline)
    repo = load_repo(flight_lake.config)
    changed = replace(manifest, views=(replace(manifest.views[0], definition="0" * 64), *manifest.views[1:]))
    with pytest.raises(ModelMismatchError, match="is defined otherwise now"):
        open_predictor(flight_lake.config, changed, registry=registry, repo=repo)
    lost = replace(manifest, files={MODEL: replace(manifest.files[MODEL], sha256="0" * 64)})
    with pytest.raises(ModelFileError):
        open_predictor(flight_lake.config, lost, registry=registry, repo=repo)


def _predictor(settings: PipelineConfig, manifest: ModelManifest) -> Any:
    from ray_pipeline.runtime.wiring import open_lake

    return open_predictor(settings, manifest, registry=ModelRegistry(open_lake(settings), settings.pipeline))
