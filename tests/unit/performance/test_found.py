"""One answer among many files: found, or said not to be there; the first one counts wherever it landed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.model.labelled import State
from ray_pipeline.model.manifest import ModelManifest, TrainedView
from ray_pipeline.runtime.predictions import found as under_test
from ray_pipeline.runtime.predictions.found import find_prediction
from ray_pipeline.runtime.predictions.landed import landed_predictions, read_landed
from ray_pipeline.runtime.predictions.show import Fate, ShownPrediction, show_prediction
from tests.gate_lake import GateLake

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "contracts" / "flights" / "predictions.odcs.yaml"
OTHER = ROOT / "contracts" / "flights" / "weather.odcs.yaml"
FIRST = int(datetime(2013, 2, 4, tzinfo=UTC).timestamp() * 1000)


def event(request_id: str, **more: Any) -> dict[str, Any]:
    model = {"name": "late", "version": 1, "file": "0" * 64, "training_set": "late/abc"}
    return {
        "request_id": request_id,
        "occurred_at": "2013-02-04T12:00:00Z",
        "model": model,
        "request": '{"origin":"EWR"}',
        "probability": 0.25,
        "complete": False,
        "source": "online",
        "features": [
            {"name": "origin_last_2h__departures", "number": 12},
            {"name": "aircraft_last_arrival__landed_at", "status": "NOT_FOUND"},
        ],
        "views": [
            {
                "name": "origin_last_2h",
                "dataset": "departures",
                "changed_at": "2013-02-04T11:58:00Z",
                "offsets": [{"partition": 1, "first": 40, "last": 52}, {"partition": 2, "first": 7, "last": 7}],
            },
            {"name": "aircraft_last_arrival", "dataset": "arrivals", "offsets": []},
        ],
        **more,
    }


@pytest.fixture
def lake(tmp_path: Path) -> GateLake:
    return GateLake(tmp_path, {"predictions": CONTRACT, "weather": OTHER}, pipeline="flights")


def test_the_first_answer_counts_wherever_it_landed(lake: GateLake) -> None:
    lake.land("predictions", [event("a"), event("b", probability=0.5)], partition=0, published=[FIRST + 9, FIRST + 9])
    lake.land("predictions", [event("b", probability=0.75)], partition=1, published=[FIRST + 5])
    found = find_prediction(lake.config, "b")
    assert (found.event["probability"], found.event["_partition"], found.answers) == (0.75, 1, 2)
    kept = landed_predictions(lake.config, "late")
    assert kept.repeated == 1
    assert dict(kept.frame.select("request_id", "probability").iter_rows()) == {"b": 0.75, "a": 0.25}


def test_two_answers_of_one_moment_are_told_apart_by_their_place(lake: GateLake) -> None:
    lake.land("predictions", [event("a", probability=0.1), event("a", probability=0.2)], published=[FIRST, FIRST])
    assert find_prediction(lake.config, "a").event["probability"] == 0.1
    assert landed_predictions(lake.config, None).frame["probability"].to_list() == [0.1]


def test_files_whose_ids_cannot_be_the_one_are_not_unpacked(lake: GateLake, monkeypatch: pytest.MonkeyPatch) -> None:
    for first, last in (("a1", "a9"), ("b1", "b9"), ("c1", "c9")):
        lake.land("predictions", [event(first), event(last)], published=[FIRST, FIRST])
    unpacked: list[str] = []
    reading = under_test.read_batches
    monkeypatch.setattr(under_test, "read_batches", lambda *args: unpacked.append(args[1]) or reading(*args))
    assert find_prediction(lake.config, "b9").event["request_id"] == "b9"
    assert len(set(unpacked)) == 1
    with pytest.raises(UsageError, match=r"no prediction b5 has landed in predictions \(of 6\)"):
        find_prediction(lake.config, "b5")


def test_nothing_landed_is_no_trouble(lake: GateLake) -> None:
    with pytest.raises(UsageError, match="has landed"):
        find_prediction(lake.config, "a")
    assert landed_predictions(lake.config, "late").frame.height == 0


def test_a_file_that_changed_is_not_believed(lake: GateLake) -> None:
    [file] = lake.land("predictions", [event("a")], published=[FIRST]).files
    data = lake.store.get(file.key)
    assert data is not None
    lake.store.put(file.key, data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    with pytest.raises(FileCorruptError):
        find_prediction(lake.config, "a")
    with pytest.raises(FileCorruptError):
        read_landed(lake.config, "predictions", ("request_id",))


def test_a_dataset_of_something_else_is_refused_by_name(lake: GateLake) -> None:
    serve = lake.config.serve.model_copy(update={"predictions": "weather"})
    config = lake.config.model_copy(update={"serve": serve})
    with pytest.raises(UsageError, match="dataset weather holds no predictions: its contract has no request_id"):
        find_prediction(config, "a")


def test_an_answer_of_a_model_that_nobody_knows_is_shown_as_far_as_it_is_known(lake: GateLake) -> None:
    lake.land("predictions", [event("a")], published=[FIRST])
    shown = show_prediction(lake.config, "a")
    assert shown.manifest is None
    assert shown.fate is None
    text = "\n".join(shown.as_lines())
    for said in (
        "request       a, asked at 2013-02-04T12:00:00Z",
        "  origin: EWR",
        "probability   0.2500",
        "model         late/1, file 000000000000",
        "the registry does not know it",
        "NOT all there",
        "  origin_last_2h__departures        12\n",
        "  aircraft_last_arrival__landed_at  NOT_FOUND",
        "  origin_last_2h: changed at 2013-02-04T11:58:00Z, from departures [1] 40-52, [2] 7",
        "  aircraft_last_arrival: nothing is known",
        "landed        predictions[0] offset 0, published at 2013-02-04T00:00:00Z, flights.predictions 1.0.0",
    ):
        assert said in text, said
    assert "<pre>" in shown._repr_html_()


def test_the_model_is_shown_with_what_it_was_trained_on(lake: GateLake) -> None:
    lake.land("predictions", [event("a", label_key="f1")], published=[FIRST])
    contract = {"id": "flights.departures", "version": "1.2.0", "digest": "d"}
    curated = {"departures": {"snapshot": 77, "decision": 3, "contract": contract, "rows": 9, "offsets": []}}
    training = {"name": "late", "version": "abc", "content_hash": "c" * 64, "rows": 1234, "curated": curated}
    manifest = ModelManifest(
        name="late",
        number=1,
        created_at="2013-02-03T00:00:00Z",
        created_by="ann",
        estimator="sklearn.ensemble.HistGradientBoostingClassifier",
        parameters={},
        seed=0,
        columns=(),
        calibrator={},
        service="flight_delay",
        views=(TrainedView("origin_last_2h", "origin_last_2h", "e" * 64, 88),),
        request=None,
        request_definition=None,
        label_set="late_arrival",
        label_key="flight_id",
        training=training,
        metrics={"test": {"rows": 99, "auc": {"value": 0.7, "low": 0.6, "high": 0.8}}},
        importance=(),
        predictions_sha256="",
        files={},
        types=(),
        code={},
    )
    fate = Fate(State.LABELLED, None, label=True, known_at="2013-02-04T18:00:00Z")
    shown = ShownPrediction(find_prediction(lake.config, "a"), manifest, "", fate)
    text = "\n".join(shown.as_lines())
    for said in (
        "outcome (f1)  true, known since 2013-02-04T18:00:00Z",
        "1,234 rows, content hash cccccccccccc",
        "departures: curated snapshot 77, contract flights.departures 1.2.0",
        "origin_last_2h: offline snapshot 88, definition eeeeeeeeeeee",
        "metrics       test: 99 rows, AUC 0.700 [0.600, 0.800]",
    ):
        assert said in text, said
    registry = shown.to_json()["registry"]
    assert registry["curated"]["departures"]["contract"] == contract
    assert registry["metrics"] == manifest.metrics


def test_values_are_shown_in_the_words_of_json(lake: GateLake) -> None:
    said = '{"holiday":true,"origin":null,"seats":180}'
    features = [{"name": "origin_last_2h__mean"}, {"name": "origin_last_2h__wet", "flag": False}]
    lake.land("predictions", [event("a", request=said, features=features)], published=[FIRST])
    lines = list(show_prediction(lake.config, "a").as_lines())
    for line in ("  holiday: true", "  origin: null", "  seats: 180", "  origin_last_2h__mean  null",
                 "  origin_last_2h__wet   false"):  # fmt: skip
        assert line in lines, lines
    assert not any("None" in line or "True" in line for line in lines)


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        (Fate(State.LABELLED, label=False, known_at="T"), "false, known since T"),
        (Fate(State.UNLABELLED, "cancelled"), "never a label: cancelled"),
        (Fate(State.WAITING, judged_at="T"), "waiting: no outcome by T"),
        (Fate(State.OVERDUE, judged_at="T"), "overdue: no outcome by T"),
        (Fate(State.WAITING), "waiting: no outcome by now; nothing of it has landed"),
        (Fate(State.NO_KEY), "no label key"),
    ],
)
def test_what_became_of_it_is_one_sentence(fate: Fate, said: str) -> None:
    assert str(fate) == said
