"""Events of training sets and models keep OpenLineage's schemas and ours, and meet at the training set."""

from __future__ import annotations

import json
from dataclasses import replace

from ray_pipeline.lineage.training import train_ended, train_failed, train_started
from ray_pipeline.lineage.training_sets import training_set_ended, training_set_failed
from tests.unit.lineage.training_runs import (
    BUILD,
    BUILT,
    DEPARTURES,
    FINISHED,
    MODEL,
    TRAINED,
    TRAINING,
    TRAINING_SET,
    VIEW,
    events,
)
from tests.unit.lineage.valid_events import complaints

BUILD_START, BUILD_END, TRAIN_START, TRAIN_END = events()


def test_realistic_runs_keep_every_schema() -> None:
    failed = [
        training_set_failed(BUILD, FINISHED, "the store did not answer"),
        train_failed(TRAINING, FINISHED, "x" * 10_000),
    ]
    assert [complaint for event in (*events(), *failed) for complaint in complaints(event)] == []
    assert [event["eventType"] for event in (*events(), *failed)] == ["START", "COMPLETE"] * 2 + ["FAIL"] * 2
    assert len(failed[1]["run"]["facets"]["errorMessage"]["message"]) == 4_000


def test_our_schema_is_sharp_enough_to_refuse() -> None:
    wrong = json.loads(json.dumps(TRAIN_END))
    told = wrong["outputs"][0]["facets"]["rayPipeline_model"]
    told |= {"number": 0, "sha256": "abc", "aliases": ["winner"], "colour": "red"}
    told["metrics"]["test"]["auc"]["value"] = "good"
    found = " ".join(complaints(wrong))
    assert all(what in found for what in ("number", "sha256", "aliases", "colour", "auc"))


def test_the_training_set_is_the_same_dataset_where_it_is_written_and_where_it_is_read() -> None:
    (written,) = BUILD_END["outputs"]
    (read,) = TRAIN_END["inputs"]
    assert (written["namespace"], written["name"]) == (read["namespace"], read["name"])
    assert (read["namespace"], read["name"]) == (TRAINING_SET.namespace, TRAINING_SET.name)
    assert written["facets"]["version"] == read["facets"]["version"]
    assert written["facets"]["version"]["datasetVersion"] == "00af-12"
    assert "version" not in BUILD_START["outputs"][0]["facets"]


def test_a_build_names_the_snapshots_that_it_reads_from_its_start() -> None:
    for event in (BUILD_START, BUILD_END):
        read = {(one["namespace"], one["name"]): one["facets"]["version"]["datasetVersion"] for one in event["inputs"]}
        assert read == {
            (DEPARTURES.namespace, DEPARTURES.name): "3055729675574597004",
            (VIEW.namespace, VIEW.name): "2337640153391374208",
        }


def test_each_column_leads_back_to_what_it_is_made_of() -> None:
    fields = BUILD_END["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert list(fields) == ["carrier", "asked_at", "origin_last_2h__departures"]
    (source,) = fields["origin_last_2h__departures"]["inputFields"]
    assert (source["name"], source["field"]) == (VIEW.name, "departures")
    kinds = {name: one["inputFields"][0]["transformations"][0]["subtype"] for name, one in fields.items()}
    assert kinds == {"carrier": "IDENTITY", "asked_at": "TRANSFORMATION", "origin_last_2h__departures": "IDENTITY"}


def test_what_was_there_already_was_not_written_again() -> None:
    again = training_set_ended(BUILD, FINISHED, replace(BUILT, created=False))
    assert "outputFacets" not in again["outputs"][0]
    assert BUILD_END["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 17_000
    found = train_ended(TRAINING, FINISHED, replace(TRAINED, created=False, aliases=()))
    assert "outputFacets" not in found["outputs"][0]
    assert complaints(again) == complaints(found) == []


def test_a_model_is_a_dataset_whose_version_is_its_number() -> None:
    (made,) = TRAIN_END["outputs"]
    assert (made["namespace"], made["name"]) == (MODEL.namespace, MODEL.name)
    assert made["facets"]["version"]["datasetVersion"] == "3"
    told = made["facets"]["rayPipeline_model"]
    assert told["sha256"] == "ab" * 32
    assert told["metrics"] == {
        "test": {
            "auc": {"value": 0.71, "low": 0.69, "high": 0.73},
            "brier": {"value": 0.15, "low": 0.14, "high": 0.16},
        },
        "one_class": {"auc": {"value": None}},
    }
    assert made["outputFacets"]["outputStatistics"] == TRAIN_END["outputs"][0]["outputFacets"]["outputStatistics"]
    assert "rayPipeline_model" not in TRAIN_START["outputs"][0]["facets"]


def test_one_run_has_one_id_and_another_run_or_job_another() -> None:
    assert len({event["run"]["runId"] for event in events()}) == 2
    other = replace(TRAINING, run=replace(TRAINING.run, run_id="5b"))
    assert train_started(other)["run"]["runId"] != TRAIN_START["run"]["runId"]
    assert TRAIN_START["job"]["name"] == "flights.train.late_arrival"
    named = replace(TRAINING, run=replace(TRAINING.run, namespace="staging"))
    assert train_started(named)["job"]["namespace"] == "staging"
