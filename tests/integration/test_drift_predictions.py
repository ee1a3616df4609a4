"""Answers counted in the bins of their model's baseline: what counting the same rows of its training set gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ray_pipeline.connectors.feast.repo import load_repo
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.lens import count_table, lens_of
from ray_pipeline.errors import BaselineError, ModelFileError
from ray_pipeline.model.fitting import fit
from ray_pipeline.model.manifest import BASELINE, MODEL, ModelManifest
from ray_pipeline.runtime.drift.baselines import BaselineLog, follow_champion, model_baseline
from ray_pipeline.runtime.drift.counting import FileCounting
from ray_pipeline.runtime.drift.read_counts import read_counts
from ray_pipeline.runtime.jobs.train_fit import baseline_of
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.models.keys import file_key
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.landed import read_landed
from tests.flight_lake import FlightLake
from tests.prediction_lake import PredictionLake, events_of, utc
from tests.prediction_models import SPEC, TRAINING, registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
NAME = "watched_model"


@pytest.fixture(scope="module")
def trained(flight_lake: FlightLake) -> tuple[ModelManifest, Baseline, pa.Table]:
    """Return a version with its baseline, as ``train`` registers it, and its training set."""
    config = flight_lake.config
    manifest = registered(flight_lake)
    built = build_training_set(config, dict(TRAINING), repo=load_repo(config))
    fitted = fit(SPEC, built.table(), label_key=built.manifest["label_key"])
    baseline = baseline_of(SPEC, built.table(), fitted)
    registry = ModelRegistry(flight_lake.store, config.pipeline)
    files = {MODEL: registry.file(manifest, MODEL), **baseline.to_files()}
    found, _ = registry.add(replace(manifest, name=NAME, number=0, files={}), files)
    return found, baseline, built.table()


@pytest.fixture
def lake(flight_lake: FlightLake, trained: tuple[ModelManifest, Baseline, pa.Table], tmp_path: Path) -> PredictionLake:
    return PredictionLake(tmp_path, flight_lake, trained[0])


def test_answers_to_the_rows_of_the_training_set_are_counted_as_these_rows_were(
    lake: PredictionLake, trained: tuple[ModelManifest, Baseline, pa.Table]
) -> None:
    manifest, baseline, table = trained
    watched = model_baseline(lake.config, manifest, who="tests")
    assert (watched.subject, watched.model, watched.first_day) == ("predictions", manifest.shown, baseline.blocks[0])
    assert watched.baseline == baseline
    counting = FileCounting(lake.store, lake.config.pipeline, "predictions", clock=lake.clock)
    lake.describe["predictions"] = counting.footer
    known = set(table.column(manifest.label_key).to_pylist())
    answers = [one for one in lake.predict(utc(5), utc(7)) if one.request.label_key in known]
    assert len(answers) == len(known) == table.num_rows
    events = events_of(answers)
    other = [event | {"model": event["model"] | {"version": 99}} for event in events[:20]]
    for event in other:
        event["request_id"] += "-again"
    lake.land_predictions([*events, *other])

    found = read_counts(lake.config, watched, first_day="2013-02-05", until_day="2013-02-07")
    assert found.recounted_files == 0
    assert sum(found.rows.values()) == baseline.rows == len(events)
    for name in baseline.names:
        assert found.columns[name] == baseline.of(name), name
    keys = [column.name for column in manifest.columns if "__" not in column.name]
    assert {"carrier", "origin"} <= set(keys)  # those that only the request has

    landed = read_landed(lake.config, "predictions", (*lens_of(baseline, manifest.shown).needs, "label_key"))
    held_out = table.filter(pc.is_in(table["split"], pa.array(baseline.score_splits))).column(manifest.label_key)
    rows = landed.filter(pc.is_in(landed["label_key"], held_out.combine_chunks()))
    scored, of_score = count_table(lens_of(baseline, manifest.shown), baseline, rows), baseline.of_score()
    assert of_score is not None
    assert np.array_equal(scored.columns["score"], of_score.total)

    lake.describe.clear()
    days = {"first_day": "2013-02-05", "until_day": "2013-02-07"}
    log = BaselineLog(lake.store, lake.config.pipeline)  # of another digest: every file is counted from its rows
    again = log.add("predictions", replace(baseline, fit_rows=1), model=watched.model, who="tests", **days)
    recounted = read_counts(lake.config, again, parts=32, **days)
    assert (recounted.counted_files, recounted.columns, recounted.rows) == (0, found.columns, found.rows)


def test_everything_follows_the_champion_once(
    lake: PredictionLake, trained: tuple[ModelManifest, Baseline, pa.Table]
) -> None:
    drift = lake.config.drift.model_copy(update={"min_blocks": 2})
    config = lake.config.model_copy(update={"drift": drift})
    said: list[str] = []
    found = follow_champion(config, who="tests", manifest=trained[0], clock=lake.clock, on_message=said.append)
    assert {one.subject: one.number for one in found} == {
        "predictions": 1, "departures": 1, "arrivals": 1, "weather": 1,
    }  # fmt: skip
    assert {(one.first_day, one.until_day) for one in found} == {("2013-02-05", "2013-02-07")}
    assert all(one.reason == f"{trained[0].shown} is champion" for one in found)
    assert said == []
    assert follow_champion(config, who="tests", manifest=trained[0]) == found
    few = follow_champion(lake.config, who="tests", manifest=trained[0], first_day="2013-02-06", on_message=said.append)
    assert [one.subject for one in few] == ["predictions"]
    assert len(said) == 3
    assert "rows landed of 1 days only" in said[0]


def test_a_version_without_its_baseline_cannot_be_followed(
    lake: PredictionLake, trained: tuple[ModelManifest, Baseline, pa.Table]
) -> None:
    manifest = trained[0]
    bare = replace(manifest, files={MODEL: manifest.files[MODEL]})
    with pytest.raises(BaselineError, match=rf"version {manifest.shown} has no baseline\.json; train it again"):
        model_baseline(lake.config, bare, who="tests")
    lake.store.put(file_key(lake.config.pipeline, NAME, manifest.files[BASELINE].sha256, BASELINE), b"{}")
    with pytest.raises(ModelFileError, match="has changed"):
        model_baseline(lake.config, manifest, who="tests")
