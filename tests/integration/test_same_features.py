"""What the model saw live is what a training set rebuilds and what a batch answers, on clean and on spoiled days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from ray_pipeline.connectors.feast.repo import FeatureRepo, load_repo
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.demo.plan import DemoPlan
from ray_pipeline.features.reading import Status
from ray_pipeline.runtime.curated import curated_table
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.runtime.predictions.batch import predict_batch
from ray_pipeline.runtime.predictions.event import event_bytes
from ray_pipeline.runtime.predictions.kept_back import kept_back
from ray_pipeline.runtime.predictions.live import answer
from ray_pipeline.runtime.predictions.policy import Policies, Why, told_apart
from ray_pipeline.runtime.predictions.prediction import Prediction, PredictionRequest, Source
from ray_pipeline.runtime.predictions.predictor import Predictor, open_predictor
from ray_pipeline.runtime.predictions.questions import question_id, questions
from ray_pipeline.runtime.predictions.same import Rebuilt, compare
from ray_pipeline.types import Outcome
from tests.flight_lake import ROOT, FlightLake
from tests.prediction_models import MODEL_NAME, TRAINING, online_of, registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
START, END = datetime(2013, 2, 5, tzinfo=UTC), datetime(2013, 2, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """A lake whose questions were answered online, each as of its own moment."""

    lake: FlightLake
    predictor: Predictor
    repo: FeatureRepo
    requests: list[PredictionRequest]
    live: list[Prediction]
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def asked(flight_lake: FlightLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    repo = load_repo(flight_lake.config)
    manifest = registered(flight_lake, repo=repo)
    registry = ModelRegistry(flight_lake.store, flight_lake.config.pipeline)
    predictor = open_predictor(flight_lake.config, manifest, registry=registry, repo=repo)
    requests = questions(flight_lake.config, predictor, START, END, landed=True, repo=repo)
    online = online_of(flight_lake, tmp_path_factory.mktemp("online") / "online.db", days=5)
    live, refused = told_apart(answer(predictor, online, requests, Policies(), clock=ClockKind.REPLAY))
    assert not refused
    yield Asked(flight_lake, predictor, repo, requests, live, [orjson.loads(event_bytes(one)) for one in live])
    online.close()


def rebuilt_of(asked: Asked, lake: FlightLake, training: dict[str, Any]) -> dict[str, Rebuilt]:
    """The rows of a training set without splits, by the id of their question."""
    built = build_training_set(lake.config, {**training, "name": "again", "splits": {}}, repo=asked.repo)
    names = [name for one in asked.live[:1] for name in one.features]
    return {
        question_id(MODEL_NAME, row["flight_id"], row["asked_at"]): Rebuilt({name: row[name] for name in names})
        for row in built.table().to_pylist()
    }


def test_a_training_set_rebuilds_every_logged_feature(asked: Asked) -> None:
    rebuilt = rebuilt_of(asked, asked.lake, TRAINING)
    report = compare(asked.events, rebuilt)
    assert report.outcome is Outcome.HELD, "\n".join(report.as_lines())
    assert report.share == 1.0
    assert report.requests == len(rebuilt) > 1_000
    assert report.requests + report.not_rebuilt == len(asked.requests)  # cancelled ones have no label
    assert len(report.features) == 21
    assert all(counts.same == report.requests for counts in report.features.values())


def test_a_thousand_answers_online_are_those_of_the_batch_to_the_last_bit(asked: Asked) -> None:
    batch, refused = told_apart(predict_batch(asked.lake.config, asked.predictor, asked.requests))
    assert not refused
    assert len(batch) == len(asked.live) > 1_000
    for online, offline in zip(asked.live, batch, strict=True):
        assert offline == replace(online, source=Source.OFFLINE), online.request.request_id
        types = [(type(one.value), type(other.value)) for one, other in _pairs(online, offline)]
        assert all(one is other for one, other in types), types
    statuses = {one.status for answered in batch for one in answered.features.values()}
    assert statuses >= {Status.PRESENT, Status.NOT_FOUND}
    assert len({answered.probability for answered in batch}) > 100


def _pairs(one: Prediction, other: Prediction) -> list[tuple[Any, Any]]:
    return list(zip(one.features.values(), other.features.values(), strict=True))


def test_one_request_alone_gives_the_bits_that_it_gives_among_many(asked: Asked) -> None:
    again = [predict_batch(asked.lake.config, asked.predictor, [request])[0] for request in asked.requests[:3]]
    assert again == [replace(one, source=Source.OFFLINE) for one in asked.live[:3]]


def test_every_answer_is_an_event_that_its_contract_takes(asked: Asked) -> None:
    contract = load_contract(ROOT / "contracts" / "flights" / "predictions.odcs.yaml")
    verdicts = contract.validate([event_bytes(one) for one in asked.live])
    assert verdicts.by_rule() == {}
    assert len({event["request_id"] for event in asked.events}) == len(asked.events)


def test_a_cancelled_flight_is_asked_about_too(asked: Asked) -> None:
    """When it was asked nobody knew; and the ids of a range are the same each time."""
    curated = questions(asked.lake.config, asked.predictor, START, END, repo=asked.repo)
    assert [one for one in asked.requests if one in curated] == curated
    assert len(curated) > 1_000  # what landed of the day that is not over is not curated yet
    table = curated_table(asked.lake.config, "departures")
    assert table is not None
    rows = table.scan().select(["flight_id", "cancelled"]).to_pylist()
    cancelled = {row["flight_id"] for row in rows if row["cancelled"]} & {one.label_key for one in curated}
    assert len(cancelled) > 5
    assert not cancelled & {one.split("-", 1)[1][:-17] for one in rebuilt_of(asked, asked.lake, TRAINING)}


def test_a_request_that_is_later_than_the_tables_know_is_refused(asked: Asked) -> None:
    first = asked.requests[0]
    late = replace(first, request_id="late", as_of=datetime(2013, 6, 1, tzinfo=UTC))
    one, other = predict_batch(asked.lake.config, asked.predictor, [late, first])
    assert not isinstance(one, Prediction)
    assert one.why is Why.NOT_KNOWN_YET
    assert "later than view" in one.message
    assert isinstance(other, Prediction)


def test_one_changed_value_is_found_and_named(asked: Asked) -> None:
    rebuilt = {one.request.request_id: Rebuilt.of(one) for one in asked.live}
    name = "origin_last_2h__departures"
    chosen = asked.live[7].request.request_id
    other = rebuilt[chosen]
    rebuilt[chosen] = Rebuilt({**other.values, name: other.values[name] + 1}, other.statuses)
    report = compare(asked.events, rebuilt)
    assert report.outcome is Outcome.BROKEN
    assert (report.different, report.features[name].different) == (1, 1)
    assert [one.request_id for one in report.examples] == [chosen]
    assert f"{name}: 1 of {len(asked.live):,} differ" in "\n".join(report.as_lines())


def test_on_spoiled_days_only_events_that_the_gate_kept_back_make_a_difference(asked: Asked, tmp_path: Path) -> None:
    """A day in kilometres is held, flights that are told twice are set aside: the stream saw both.

    Once they are let through, there is no difference left.
    """
    plan = DemoPlan(days=4, start=date(2013, 2, 9), kilometres_on=date(2013, 2, 11))
    lake = FlightLake(tmp_path)
    lake.publish(plan.records())
    run_gate(lake.config, at=plan.ends_at)
    lake.build()
    end = datetime(2013, 2, 14, tzinfo=UTC)
    requests = questions(lake.config, asked.predictor, datetime(2013, 2, 10, tzinfo=UTC), end, landed=True,
                         repo=asked.repo)  # fmt: skip
    online = online_of(lake, tmp_path / "online.db", days=8)
    live, _ = told_apart(answer(asked.predictor, online, requests, Policies(), clock=ClockKind.REPLAY))
    online.close()
    batch, late = told_apart(predict_batch(lake.config, asked.predictor, requests))
    assert len(live) == len(requests) == len(batch) + len(late)
    kept = kept_back(lake.config, asked.predictor.service, asked.repo)
    assert kept.events > 0
    events = [orjson.loads(event_bytes(one)) for one in live]
    report = compare(events, {one.request.request_id: Rebuilt.of(one) for one in batch}, kept_back=kept)
    assert report.outcome is Outcome.HELD, "\n".join(report.as_lines())
    assert report.different == 0 < report.explained
    assert report.not_rebuilt == len(late) < 100
    assert report.requests > 2_000
    assert all(example.kept_back for example in report.examples)

    pipeline = open_pipeline(lake.config)
    for found in pipeline.held():
        if found.disposition == "held":
            pipeline.release_held(found.dataset, found.day, reason="the proof's other half")
    for dataset in ("departures", "arrivals", "weather"):
        for day in sorted({found.day for found in pipeline.quarantine(dataset, limit=10_000)}):
            pipeline.release_quarantine(dataset, day=day, reason="the proof's other half", waive=True)
    run_gate(lake.config, at=plan.ends_at + timedelta(days=1))
    lake.build()
    batch, late = told_apart(predict_batch(lake.config, asked.predictor, requests))
    report = compare(events, {one.request.request_id: Rebuilt.of(one) for one in batch})
    assert report.share == 1.0, "\n".join(report.as_lines())
