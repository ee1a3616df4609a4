"""Answers judged by what came true, on real flights: labels that come, are corrected, come twice or never."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from typer.testing import CliRunner

from ray_pipeline.cli.errors import exit_codes
from ray_pipeline.cli.predictions import app
from ray_pipeline.config import load_config
from ray_pipeline.connectors.feast.repo import FeatureRepo, load_repo
from ray_pipeline.demo.events import streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.errors import NoModelError, UsageError
from ray_pipeline.model.labelled import State
from ray_pipeline.runtime.predictions.performance import PerformanceReport, measure_performance
from ray_pipeline.runtime.predictions.recent import recent_predictions
from ray_pipeline.runtime.predictions.show import show_prediction
from ray_pipeline.types import Outcome
from tests.flight_lake import FIRST, FlightLake
from tests.prediction_lake import PredictionLake, events_of, utc
from tests.prediction_models import registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
START, END = utc(5, 12), utc(6, 15)
MODEL = "late_arrival"
Event = dict[str, Any]


@pytest.fixture(scope="module")
def answered(flight_lake: FlightLake, tmp_path_factory: pytest.TempPathFactory) -> tuple[FlightLake, Any, list[Event]]:
    """The lake with a model, and the events of its answers to a day's questions."""
    manifest = registered(flight_lake)
    first = PredictionLake(tmp_path_factory.mktemp("first"), flight_lake, manifest)
    events = events_of(first.predict(START, END))
    assert len(events) > 300
    return flight_lake, manifest, events


@pytest.fixture
def lake(answered: tuple[FlightLake, Any, list[Event]], tmp_path: Path) -> PredictionLake:
    source, manifest, events = answered
    found = PredictionLake(tmp_path, source, manifest)
    found.land_predictions(events)
    return found


@pytest.fixture
def events(answered: tuple[FlightLake, Any, list[Event]]) -> list[Event]:
    return answered[2]


def published(topic: str) -> Iterator[Event]:
    for event in streams(Days(FIRST, 3))[topic].events():
        if event.value is not None:
            yield json.loads(event.value)


def truth(events: list[Event]) -> dict[str, tuple[State, str | None, bool | None]]:
    """Say by request id what became of it, from the topics as they were published."""
    cancelled = {one["flight_id"]: one["cancelled"] for one in published("departures")}
    arrived = {one["flight_id"]: one for one in published("arrivals")}
    found: dict[str, tuple[State, str | None, bool | None]] = {}
    for event in events:
        key = event["label_key"]
        arrival = arrived.get(key)
        if cancelled[key]:
            found[event["request_id"]] = (State.UNLABELLED, "cancelled", None)
        elif arrival is None:
            found[event["request_id"]] = (State.OVERDUE, None, None)
        elif arrival["diverted"]:
            found[event["request_id"]] = (State.UNLABELLED, "diverted", None)
        else:
            found[event["request_id"]] = (State.LABELLED, None, arrival["arrival_delay_minutes"] > 15)
    return found


@cache
def definitions(repo: str) -> FeatureRepo:
    """Read once: what the flights' features are is not what is tested here."""
    return load_repo(load_config(repo))


def measured(lake: PredictionLake, **options: Any) -> PerformanceReport:
    repo = definitions("configs/local.yaml")
    return measure_performance(lake.config, MODEL, repo=repo, **options)


def parts(report: PerformanceReport) -> int:
    fates = report.total.fates
    never = sum(fates.without_label().values())
    return fates.labelled + fates.waiting + fates.overdue + never


def without_performance(report: PerformanceReport) -> Mapping[str, Any]:
    return {k: v for k, v in report.to_json().items() if k not in ("repeated_answers", "repeated_outcomes")}


def an_arrival(key: str) -> Event:
    return next(one for one in published("arrivals") if one["flight_id"] == key)


def labelled_key(events: list[Event], *, late: bool) -> str:
    fates = truth(events)
    return next(one["label_key"] for one in events if fates[one["request_id"]][2] is late)


def test_every_answer_is_judged_by_what_came_true(lake: PredictionLake, events: list[Event]) -> None:
    report = measured(lake, deadline_hours=6)
    fates, expected = report.total.fates, truth(events)
    assert report.outcome is Outcome.HELD
    assert parts(report) == fates.predictions == len(events)
    counts = Counter((state, reason) for state, reason, _ in expected.values())
    assert fates.labelled == counts[State.LABELLED, None]
    assert fates.unlabelled == {name: counts[State.UNLABELLED, name] for name in ("cancelled", "diverted")}
    labels = [expected[one["request_id"]][2] for one in events if expected[one["request_id"]][2] is not None]
    said = [one["probability"] for one in events if expected[one["request_id"]][2] is not None]
    metrics = report.total.metrics
    assert metrics is not None
    assert metrics.auc.value == pytest.approx(roc_auc_score(labels, said), abs=1e-12)
    assert metrics.log_loss.value == pytest.approx(log_loss(labels, said), abs=1e-9)
    assert metrics.brier.value == pytest.approx(brier_score_loss(np.asarray(labels, bool), said), abs=1e-12)
    assert metrics.auc.low is not None
    assert metrics.auc.high is not None
    assert metrics.auc.low <= metrics.auc.high


def test_days_and_versions_are_parts_of_the_whole(lake: PredictionLake) -> None:
    report = measured(lake)
    assert [one.name for one in report.days] == ["2013-02-05", "2013-02-06"]
    assert sum(one.fates.predictions for one in report.days) == report.total.fates.predictions
    assert [one.name for one in report.versions] == [str(lake.manifest.number)]
    assert report.versions[0].fates == report.total.fates
    assert report.versions[0].metrics == report.total.metrics
    one_day = measured(lake, since="2013-02-06")
    assert one_day.days == report.days[1:]
    assert measured(lake, until=utc(6)).days == report.days[:1]


def test_the_same_lake_says_the_same_twice(lake: PredictionLake) -> None:
    first, second = (measured(lake).to_json() for _ in range(2))
    assert first == second
    assert json.loads(json.dumps(first)) == first


def test_an_answer_that_was_given_twice_counts_as_it_was_first_given(lake: PredictionLake, events: list[Event]) -> None:
    before = measured(lake)
    lake.land_predictions([{**events[0], "probability": 0.999, "label_key": "nothing"}], at=utc(9))
    after = measured(lake)
    assert without_performance(after) == without_performance(before)
    assert (before.repeated, after.repeated) == (0, 1)
    assert show_prediction(lake.config, events[0]["request_id"]).found.answers == 2


def test_a_correction_replaces_the_label_once(lake: PredictionLake, events: list[Event]) -> None:
    key = labelled_key(events, late=False)
    before = measured(lake)
    corrected = {**an_arrival(key), "arrival_delay_minutes": 300}
    lake.land("arrivals", [corrected], published=[int(utc(9).timestamp() * 1000)])
    after = measured(lake)
    assert after.total.fates.labelled == before.total.fates.labelled
    assert before.total.metrics is not None
    assert after.total.metrics is not None
    assert after.total.metrics.positives == before.total.metrics.positives + 1
    assert (before.replaced, after.replaced) == (0, 1)
    lake.land("arrivals", [corrected], published=[int(utc(10).timestamp() * 1000)])
    again = measured(lake)
    assert (again.replaced, again.repeated_outcomes) == (1, 1)
    assert (again.total, again.days) == (after.total, after.days)


def test_a_label_that_never_comes_is_waited_for_and_then_overdue(lake: PredictionLake, events: list[Event]) -> None:
    keys = {"lost": "2013-02-06.UA9998.EWR.0200", "coming": "2013-02-08.UA9999.EWR.2300"}
    moments = {"lost": utc(6, 1), "coming": utc(8, 22)}
    lost = [
        {**events[0], "request_id": name, "label_key": key, "occurred_at": moments[name].isoformat()}
        for name, key in keys.items()
    ]
    lake.land_predictions(lost)
    before = measured(lake, until=utc(6), deadline_hours=12)
    report = measured(lake, deadline_hours=12)
    fates = report.total.fates
    assert parts(report) == fates.predictions == len(events) + 2
    assert fates.overdue - before.total.fates.overdue >= 1
    assert fates.waiting == 1
    assert any("overdue" in notice and "2013-02-06" in notice for notice in report.notices)
    assert report.outcome is Outcome.HELD
    shown = show_prediction(lake.config, "coming")
    assert shown.fate is not None
    assert shown.fate.state is State.WAITING
    # An outcome that comes at last is a label, however late.
    arrival = {**an_arrival(labelled_key(events, late=True)), "flight_id": keys["lost"]}
    assert lake.land("arrivals", [arrival], published=[int(utc(8).timestamp() * 1000)]).good == 1
    late = measured(lake, deadline_hours=12).total.fates
    assert (late.labelled, late.overdue, late.waiting) == (fates.labelled + 1, fates.overdue - 1, 1)


def test_what_has_no_label_key_is_not_looked_for(lake: PredictionLake, events: list[Event]) -> None:
    anonymous = {name: value for name, value in events[0].items() if name != "label_key"}
    lake.land_predictions([{**anonymous, "request_id": "anonymous"}])
    fates = measured(lake).total.fates
    assert fates.no_key == 1
    assert fates.predictions == len(events) + 1


def test_nothing_is_known_where_no_answer_is_in_the_range(lake: PredictionLake) -> None:
    report = measured(lake, since="2013-03-01")
    assert report.outcome is Outcome.UNKNOWN
    assert report.total.metrics is None
    assert report.total.fates.matured is None
    assert next(iter(report.as_lines())).endswith("0 predictions")
    assert "<div>" in report._repr_html_()


def test_who_asks_wrongly_is_told(lake: PredictionLake) -> None:
    with pytest.raises(NoModelError):
        measure_performance(lake.config, "late_arivals")
    with pytest.raises(NoModelError):
        measured(lake, version=77)
    with pytest.raises(UsageError, match=r"since .* a day is midnight UTC"):
        measured(lake, since="yesterday")
    with pytest.raises(UsageError, match="no negative number of hours"):
        measured(lake, deadline_hours=-1)


def test_a_version_that_the_registry_lost_is_named(lake: PredictionLake, events: list[Event]) -> None:
    lake.land_predictions(
        [{**events[0], "request_id": "odd", "model": {**events[0]["model"], "version": 99}}], at=utc(7)
    )
    report = measured(lake)
    assert [one.name for one in report.versions] == [str(lake.manifest.number), "99"]
    assert any("version 99 is not in the registry" in notice for notice in report.notices)
    shown = show_prediction(lake.config, "odd")
    assert shown.manifest is None
    assert "registry does not know it" in shown.model_note


def test_lines_and_page_say_what_the_numbers_are(lake: PredictionLake) -> None:
    report = measured(lake)
    text = "\n".join(report.as_lines())
    assert "24 hours after the moment asked, judged at 2013-02-0" in text
    assert "one day by one over its rows" in text
    assert "2013-02-06" in text
    assert "2013-02-06" in report._repr_html_()


def test_one_answer_is_shown_with_everything_behind_it(lake: PredictionLake, events: list[Event]) -> None:
    wanted = next(one for one in events if truth([one])[one["request_id"]][2])
    shown = show_prediction(lake.config, wanted["request_id"])
    said = shown.to_json()
    assert said["request"] == json.loads(wanted["request"])
    assert said["probability"] == wanted["probability"]
    assert said["asked_at"] == wanted["occurred_at"]
    assert said["model"] == wanted["model"]
    assert set(said["features"]) == {one["name"] for one in wanted["features"]}
    assert [one["name"] for one in said["views"]] == [one["name"] for one in wanted["views"]]
    assert said["views"][0]["offsets"] == wanted["views"][0]["offsets"]
    assert said["outcome"]["state"] == "labelled"
    assert said["outcome"]["label"] is True
    assert said["registry"]["content_hash"] == lake.manifest.training["content_hash"]
    assert {one["snapshot"] for one in said["registry"]["views"].values()} == {
        one.snapshot for one in lake.manifest.views
    }
    text = "\n".join(shown.as_lines())
    for name in (wanted["request_id"], "origin_last_2h__departures", "offline snapshot", "true, known since"):
        assert name in text
    assert json.loads(json.dumps(said)) == said


def test_an_answer_that_has_not_landed_is_not_shown(lake: PredictionLake) -> None:
    with pytest.raises(UsageError, match="no prediction nobody-asked has landed in predictions"):
        show_prediction(lake.config, "nobody-asked")
    with pytest.raises(UsageError, match="no request id"):
        show_prediction(lake.config, "; drop table")


def test_the_commands_print_both_ways(lake: PredictionLake, events: list[Event]) -> None:
    runner = CliRunner()
    one = events[0]["request_id"]
    shown = runner.invoke(app, ["show", one, "--config", str(lake.file), "--output", "json"])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["request_id"] == one
    listed = runner.invoke(app, ["list", "--config", str(lake.file), "--limit", "3"])
    assert listed.exit_code == 0, listed.output
    assert len(listed.stdout.splitlines()) == 4
    newest = recent_predictions(lake.config, limit=1).latest[0]
    assert newest.asked_at == max(event["occurred_at"] for event in events)
    with pytest.raises(Exception) as left, exit_codes():
        runner.invoke(app, ["show", "nobody-asked", "--config", str(lake.file)], catch_exceptions=False)
    assert getattr(left.value, "exit_code", None) == 2
