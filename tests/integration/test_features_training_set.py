"""A training set of real flights: what is in it, that it is built again byte for byte, and what it refuses."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ray_pipeline.cli.training_set import app
from ray_pipeline.errors import FileCorruptError, UsageError
from ray_pipeline.features.content_hash import content_hash
from ray_pipeline.features.training import NO_OUTCOME, TOO_LATE
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.training_sets import TrainingSet, find_training_sets, open_training_set
from ray_pipeline.runtime.training_text import compare
from tests.flight_lake import ROOT, SPEC, FlightLake

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def lake(flight_lake: FlightLake) -> FlightLake:
    return flight_lake


@pytest.fixture(scope="module")
def first(flight_lake: FlightLake) -> TrainingSet:
    """What was built when two of the three days were there."""
    assert flight_lake.first is not None
    return flight_lake.first


@pytest.fixture(scope="module")
def built(flight_lake: FlightLake) -> TrainingSet:
    return build_training_set(flight_lake.config, SPEC)


def test_every_row_is_a_question_whose_features_were_known_by_then(built: TrainingSet) -> None:
    rows = pl.from_arrow(built.table())
    assert isinstance(rows, pl.DataFrame)
    manifest = built.manifest
    assert rows.height == manifest["rows"] == manifest["questions"] - sum(manifest["excluded"].values())
    assert rows.height > 1000
    assert rows.select("asked_at", "flight_id").equals(rows.select("asked_at", "flight_id").sort(pl.all()))
    assert rows["flight_id"].n_unique() == rows.height
    assert rows.filter(pl.col("asked_at") != pl.col("scheduled_departure_at") - timedelta(hours=1)).is_empty()
    assert rows.filter(pl.col("label_known_at") <= pl.col("asked_at")).is_empty()
    assert set(manifest["excluded"]) >= {"cancelled", TOO_LATE}
    assert NO_OUTCOME not in manifest["excluded"]


def test_nothing_is_null_in_silence(built: TrainingSet) -> None:
    """A feature is null where its view's status says why, or where the value of a row that is there is null."""
    rows = pl.from_arrow(built.table())
    assert isinstance(rows, pl.DataFrame)
    counted = {"origin_last_2h__departures", "carrier_last_24h__departures", "route_last_24h__departures"}
    for view in built.manifest["views"]:
        status = pl.col(f"{view['name']}__status")
        assert set(rows[f"{view['name']}__status"].unique()) <= {"PRESENT", "NOT_FOUND", "OUTSIDE_MAX_AGE"}
        for name in counted & {one["name"] for one in built.manifest["features"] if one["view"] == view["name"]}:
            assert rows.filter((status == "PRESENT") != pl.col(name).is_not_null()).is_empty()
    shares = {one["name"]: one["null_share"] for one in built.manifest["features"]}
    assert shares == {name: rows[name].null_count() / rows.height for name in shares}


def test_a_split_has_no_label_that_was_published_after_its_end(built: TrainingSet) -> None:
    rows = pl.from_arrow(built.table())
    assert isinstance(rows, pl.DataFrame)
    train = rows.filter(pl.col("split") == "train")
    end = pl.lit("2013-02-06T00:00:00Z").str.to_datetime(time_zone="UTC")
    assert train.height > 400
    assert train.filter((pl.col("label_known_at") >= end) | (pl.col("asked_at") >= end)).is_empty()
    (said,) = [one for one in built.manifest["splits"] if one["name"] == "train"]
    assert said["rows"] == train.height
    assert said["label_rate"] == train["label"].sum() / train.height


@pytest.mark.parametrize("blocks", [1, 4])
def test_the_same_bytes_come_out_whatever_the_blocks(lake: FlightLake, built: TrainingSet, blocks: int) -> None:
    again = build_training_set(lake.config, SPEC, blocks=blocks)
    assert not again.created
    assert (again.version, again.data()) == (built.version, built.data())


def test_the_file_and_its_manifest_can_be_checked_by_anyone(built: TrainingSet, tmp_path: Path) -> None:
    folder = built.save(tmp_path / "set")
    table = pq.read_table(tmp_path / "set" / "data.parquet")
    assert content_hash(table) == built.manifest["content_hash"] == folder.manifest["content_hash"]
    text = (tmp_path / "set" / "manifest.json").read_text()
    for secret_of_a_run in (str(tmp_path), "lake", "localhost", "2026"):
        assert secret_of_a_run not in text
    (tmp_path / "set" / "data.parquet").write_bytes(b"x")
    with pytest.raises(FileCorruptError):
        folder.data()
    with pytest.raises(UsageError, match="another training set"):
        built.save(tmp_path / "set")


def test_a_notebook_shows_null_shares_and_label_rate(built: TrainingSet) -> None:
    html = built._repr_html_()
    assert "weather_at_origin__pressure_millibars" in html
    assert "train" in html
    assert html.startswith("<div>")
    assert built.preview(3).height == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": "flight_dely"}, "did you mean flight_delay"),
        ({"labels": "nothing"}, "label set"),
        ({"snapshots": {"curated": {"weathr": 1}}}, "snapshots.curated.weathr: unknown dataset"),
        ({"snapshots": {"features": {"origin_last_2h": 1}}}, "has no snapshot 1"),
        ({"snapshots": {"curated": {"departures": 1}}}, "has no snapshot 1"),
        ({"from": "2014-01-01T00:00:00Z", "to": "2014-01-02T00:00:00Z", "splits": {}}, "would have no rows"),
    ],
)
def test_what_cannot_be_built_is_told(lake: FlightLake, change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build_training_set(lake.config, {**SPEC, **change})


def test_the_specs_of_the_example_are_sound() -> None:
    from ray_pipeline.features.training_spec import read_spec

    assert [one.name for one in read_spec(ROOT / "configs" / "flights" / "late_arrival.yaml").splits] == [
        "train",
        "validation",
        "test",
    ]


def test_the_commands_build_show_and_compare(lake: FlightLake, built: TrainingSet, tmp_path: Path) -> None:
    spec = tmp_path / "late.yaml"
    spec.write_text(json.dumps(SPEC))
    runner = CliRunner()
    options = ["--config", str(lake.file)]
    made = runner.invoke(app, ["build", str(spec), "--out", str(tmp_path / "out"), *options])
    assert made.exit_code == 0, made.output
    assert "it is there already, byte for byte" in made.stdout
    listed = json.loads(runner.invoke(app, ["show", "--output", "json", *options]).stdout)
    assert built.version in [one["version"] for one in listed]
    shown = runner.invoke(app, ["show", f"late/{built.version}", *options])
    assert "split         train" in shown.stdout
    same = runner.invoke(app, ["diff", f"late/{built.version}", str(tmp_path / "out"), *options])
    assert (same.exit_code, same.stdout) == (0, "the same: manifest and rows\n")


def test_the_manifest_builds_the_same_bytes_again_after_later_days(lake: FlightLake, first: TrainingSet) -> None:
    again = build_training_set(lake.config, dict(first.manifest))
    assert (again.created, again.version, again.data()) == (False, first.version, first.data())


def test_later_days_change_no_row_that_was_asked_before(lake: FlightLake, first: TrainingSet) -> None:
    newest = build_training_set(lake.config, {**first.manifest["spec"], "snapshots": {}})
    found = compare(first, newest)
    assert newest.version != first.version
    assert newest.manifest["rows"] > first.manifest["rows"]
    assert (found.only_first, dict(found.changed)) == (0, {})
    assert not found.same
    versions = {one.version for one in find_training_sets(lake.config, lake.store, "late")}
    assert versions >= {first.version, newest.version}
    assert open_training_set(lake.config, lake.store, f"late/{first.version[:9]}").version == first.version
    with pytest.raises(UsageError, match="one of several"):
        open_training_set(lake.config, lake.store, "late")


def test_a_question_that_a_view_is_behind_of_is_left_out_counted_and_told(
    lake: FlightLake, first: TrainingSet, built: TrainingSet
) -> None:
    """Features of two days for questions of three: they could be older than what was known."""
    told: list[str] = []
    pinned = {"features": first.manifest["spec"]["snapshots"]["features"]}
    found = build_training_set(lake.config, {**SPEC, "snapshots": pinned}, on_message=told.append)
    behind = {what: n for what, n in found.manifest["excluded"].items() if what.startswith("asked later than")}
    assert sum(behind.values()) == built.manifest["rows"] - found.manifest["rows"] > 400
    assert len(told) == len(behind)
    assert not compare(found, built).only_first
