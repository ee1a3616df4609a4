"""Logged features against rebuilt ones: the same, not the same, explained by what the gate kept back, or not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ray_pipeline.cli.predictions import app
from ray_pipeline.config.serve import Policy
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.demo.events import streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.errors import OnlineStoreUnavailableError, UsageError
from ray_pipeline.runtime.predictions.live import answer
from ray_pipeline.runtime.predictions.policy import Policies, told_apart
from ray_pipeline.runtime.predictions.questions import questions
from ray_pipeline.runtime.predictions.rebuilt import NOT_KNOWN_YET, verify_predictions
from ray_pipeline.types import Outcome
from tests.flight_lake import FIRST, FlightLake
from tests.prediction_lake import PredictionLake, events_of, utc
from tests.prediction_models import MATERIALIZED, SPEC, online_of, registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
START, END = utc(6, 13), utc(6, 14)
Event = dict[str, Any]


@pytest.fixture(scope="module")
def answered(flight_lake: FlightLake, tmp_path_factory: pytest.TempPathFactory) -> tuple[FlightLake, Any, list[Event]]:
    """The lake with a model, and the events of its answers from the offline tables."""
    manifest = registered(flight_lake)
    first = PredictionLake(tmp_path_factory.mktemp("first"), flight_lake, manifest)
    return flight_lake, manifest, events_of(first.predict(START, END))


@pytest.fixture
def events(answered: tuple[FlightLake, Any, list[Event]]) -> list[Event]:
    return answered[2]


@pytest.fixture
def lake(answered: tuple[FlightLake, Any, list[Event]], tmp_path: Path) -> PredictionLake:
    return PredictionLake(tmp_path, answered[0], answered[1])


def departures() -> Iterator[Event]:
    for event in streams(Days(FIRST, 3))["departures"].events():
        if event.value is not None:
            yield json.loads(event.value)


def live(lake: PredictionLake, folder: Path) -> list[Event]:
    """Answer the questions online, from all that landed."""
    asked = questions(lake.config, lake.predictor, START, END, landed=True)
    store = online_of(lake, folder / "online.db", days=5)
    try:
        found = answer(lake.predictor, store, asked, Policies(), clock=ClockKind.REPLAY)
    finally:
        store.close()
    predictions, refused = told_apart(found)
    assert not refused
    return events_of(predictions)


def test_what_was_read_online_is_what_offline_tables_hold(lake: PredictionLake, tmp_path: Path) -> None:
    events = live(lake, tmp_path)
    lake.land_predictions(events)
    report = verify_predictions(lake.config)
    assert report.outcome is Outcome.HELD, "\n".join(report.as_lines())
    assert report.predictions == report.landed == len(events)
    assert report.compared == sum(len(one["features"]) for one in events)
    assert report.versions[0].same.share == 1.0
    assert "is what they would have been trained on" in next(iter(report.as_lines()))


def test_an_event_that_the_gate_kept_back_explains_what_differs(lake: PredictionLake, tmp_path: Path) -> None:
    # It lands after the gate has run, and was published between the questions: some of them saw it, and some did not.
    taken = next(one for one in departures() if not one["cancelled"] and one["occurred_at"] > "2013-02-06T12:30")
    flight = {**taken, "flight_id": "2013-02-06.UA9999.EWR.0730", "departure_delay_minutes": 241}
    moment = utc(6, 13, 20)
    assert taken["occurred_at"] <= "2013-02-06T13:20"
    assert lake.land("departures", [flight], published=[int(moment.timestamp() * 1000)]).good == 1
    lake.land_predictions(live(lake, tmp_path))
    report = verify_predictions(lake.config)
    assert report.explained > 0
    assert report.different == 0, "\n".join(report.as_lines())
    assert report.outcome is Outcome.HELD
    features = {name for name, one in report.versions[0].same.features.items() if one.explained}
    assert "origin_last_2h__departures" in features
    assert all(example.kept_back for example in report.versions[0].same.examples)
    assert all(one.same > 0 for one in report.versions[0].same.features.values())


class AwayStore:
    """A store that answers nobody."""

    def __getattr__(self, name: str) -> Any:
        raise OnlineStoreUnavailableError("online", "read", "connection refused")


def test_an_answer_that_was_given_without_the_store_is_no_difference(lake: PredictionLake, events: list[Event]) -> None:
    asked = questions(lake.config, lake.predictor, START, END, landed=True)[:5]
    policies = Policies(on_unavailable=Policy.ANSWER)
    store: Any = AwayStore()
    found, refused = told_apart(answer(lake.predictor, store, asked, policies, clock=ClockKind.REPLAY))
    assert not refused
    away = {one.request.request_id for one in found}
    lake.land_predictions([*events_of(found), *(one for one in events if one["request_id"] not in away)])
    report = verify_predictions(lake.config)
    assert report.outcome is Outcome.HELD, "\n".join(report.as_lines())
    assert (report.not_read, report.different, report.predictions) == (5, 0, len(events))
    assert "  5 requests not read: the store did not answer" in report.as_lines()
    assert report.to_json()["not_read"] == 5


def test_a_view_that_feast_writes_is_named_where_it_differs(
    answered: tuple[FlightLake, Any, list[Event]], tmp_path: Path
) -> None:
    lake = PredictionLake(tmp_path, answered[0], registered(answered[0], spec=replace(SPEC, name="whole", without=())))
    events = events_of(lake.predict(START, END))
    features = [one for event in events for one in event["features"] if one["name"].startswith(f"{MATERIALIZED}__")]
    next(one for one in features if "number" in one)["number"] += 1
    lake.land_predictions(events)
    report = verify_predictions(lake.config, model="whole")
    assert (report.outcome, report.different) == (Outcome.BROKEN, 1)
    said = f"  {MATERIALIZED} is written by `feast materialize`: its online values are as old as that"
    assert said in report.as_lines()


def test_a_value_that_nobody_can_explain_is_found(lake: PredictionLake, events: list[Event]) -> None:
    changed = json.loads(json.dumps(events[3]))
    feature = next(one for one in changed["features"] if one["name"] == "origin_last_2h__departures")
    feature["number"] += 1
    lake.land_predictions([*events[:3], changed, *events[4:]])
    report = verify_predictions(lake.config)
    assert report.outcome is Outcome.BROKEN
    assert (report.different, report.explained) == (1, 0)
    [example] = report.versions[0].same.examples
    assert (example.request_id, example.feature) == (changed["request_id"], "origin_last_2h__departures")
    found = CliRunner().invoke(app, ["verify", "--config", str(lake.file), "--output", "json"])
    assert found.exit_code == 1, found.output
    assert json.loads(found.stdout) == report.to_json()
    held = verify_predictions(lake.config, since="2013-02-07")
    assert held.outcome is Outcome.UNKNOWN


def test_what_offline_does_not_know_yet_cannot_be_told(lake: PredictionLake, events: list[Event]) -> None:
    lake.land_predictions([{**events[0], "request_id": "tomorrow", "occurred_at": "2013-02-20T12:00:00Z"}])
    report = verify_predictions(lake.config)
    assert report.outcome is Outcome.UNKNOWN
    assert dict(report.versions[0].not_rebuilt) == {NOT_KNOWN_YET: 1}
    found = CliRunner().invoke(app, ["verify", "--config", str(lake.file)])
    assert found.exit_code == 3, found.output
    assert "could not tell" in found.stdout


def test_a_version_that_is_not_registered_cannot_be_told(lake: PredictionLake, events: list[Event]) -> None:
    lake.land_predictions([{**events[0], "model": {**events[0]["model"], "version": 99}}])
    report = verify_predictions(lake.config)
    assert report.outcome is Outcome.UNKNOWN
    assert report.versions[0].version == "late_arrival/99"
    assert sum(report.versions[0].not_rebuilt.values()) == 1


def test_a_sample_is_the_same_each_time_and_an_answer_given_twice_is_looked_at_once(
    lake: PredictionLake, events: list[Event]
) -> None:
    lake.land_predictions(events)
    lake.land_predictions(events[:5], at=utc(9))
    some = [verify_predictions(lake.config, limit=7) for _ in range(2)]
    assert some[0].to_json() == some[1].to_json()
    assert (some[0].predictions, some[0].landed, some[0].repeated) == (7, len(events), 5)
    with pytest.raises(UsageError, match="at least 1"):
        verify_predictions(lake.config, limit=0)
