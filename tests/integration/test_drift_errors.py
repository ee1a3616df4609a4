"""Whether a model errs more than it did, on real flights: labels in the order of their publication, each once."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ray_pipeline.config import PipelineConfig
from ray_pipeline.connectors.feast.repo import FeatureRepo, load_repo
from ray_pipeline.demo.events import streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.drift.error_reference import ErrorReference
from ray_pipeline.drift.sequential import make_detector
from ray_pipeline.errors import NoModelError, UsageError
from ray_pipeline.model.labelled import KNOWN, KNOWN_OFFSET, KNOWN_PARTITION, STATE, State
from ray_pipeline.model.manifest import MODEL, PREDICTIONS, ModelManifest
from ray_pipeline.runtime.drift.concept import ConceptReport
from ray_pipeline.runtime.drift.errors_watch import concept, losses
from ray_pipeline.runtime.drift.status import status
from ray_pipeline.runtime.models.registry import ModelRegistry
from ray_pipeline.runtime.predictions.landed import landed_predictions
from ray_pipeline.runtime.predictions.outcomes import join_outcomes
from ray_pipeline.types import Outcome
from tests.flight_lake import FIRST, FlightLake
from tests.prediction_lake import PredictionLake, events_of, utc
from tests.prediction_models import MODEL_NAME, registered

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
START, END = utc(5, 12), utc(6, 12)
NOW = utc(20)
Event = dict[str, Any]


def held_out(loss: float, rows: int = 3000, days: int = 6) -> bytes:
    """Answers to rows that a model was not fitted to, whose log loss is about so much."""
    random = np.random.default_rng(3)
    labels = random.random(rows) < 0.3
    right = np.clip(np.exp(-random.gamma(2, loss / 2, rows)), 0.001, 0.999)
    asked = np.sort(random.integers(0, days * 86_400, rows)) * 1_000_000 + int(utc(1).timestamp()) * 1_000_000
    table = pa.table(
        {
            "asked_at": pa.array(asked, pa.timestamp("us", "UTC")),
            "split": ["test"] * rows,
            "label": labels,
            "probability": np.where(labels, right, 1 - right),
        }
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def version(lake: FlightLake, source: ModelManifest, told: str, files: Mapping[str, bytes]) -> ModelManifest:
    """Register the same model with other files."""
    registry = ModelRegistry(lake.store, lake.config.pipeline)
    data = {MODEL: registry.file(source, MODEL)} | dict(files)
    made = replace(source, number=0, files={}, spec={**source.spec, "told_apart": told})
    return registry.add(made, data)[0]


@dataclass(frozen=True)
class World:
    """A lake with a model's answers to a day's questions, as answers of several versions."""

    lake: PredictionLake
    versions: Mapping[str, ModelManifest]
    answers: int
    repo: FeatureRepo

    def look(self, which: str, **options: Any) -> ConceptReport:
        number = self.versions[which].number
        return concept(hasty(self.lake), model=MODEL_NAME, version=number, repo=self.repo, **({"now": NOW} | options))


@pytest.fixture(scope="module")
def world(flight_lake: FlightLake, tmp_path_factory: pytest.TempPathFactory) -> World:
    source = registered(flight_lake)
    lake = PredictionLake(tmp_path_factory.mktemp("watched"), flight_lake, source)
    events = events_of(lake.predict(START, END))
    versions = {"without": source} | {
        name: version(lake, source, name, {PREDICTIONS: data})
        for name, data in {
            "worse": held_out(2.0),
            "better": held_out(0.12),
            "never": held_out(0.1),
            "constant": _constant(),
        }.items()
    }
    for name, made in versions.items():
        mine = [event | {"request_id": f"{name}-{event['request_id']}"} for event in of_version(events, made)]
        if name == "never":
            mine = [event | {"label_key": f"no-{number}"} for number, event in enumerate(mine)]
        lake.land_predictions(mine)
    return World(lake, versions, len(events), load_repo(lake.config))


def hasty(lake: PredictionLake) -> PipelineConfig:
    """The lake is three days: a day is over once event time has passed it."""
    return lake.config.model_copy(
        update={"drift": lake.config.drift.model_copy(update={"lateness_hours": 0.0, "run_length": 2000.0})}
    )


def of_version(events: list[Event], made: ModelManifest) -> list[Event]:
    return [{**event, "model": {**event["model"], "version": made.number}} for event in events]


def test_errors_that_are_no_more_than_they_were_make_no_alarm_and_more_of_them_do(world: World) -> None:
    as_before, more = world.look("worse"), world.look("better")
    assert as_before.loss == more.loss is not None
    assert (as_before.outcome, more.outcome) == (Outcome.HELD, Outcome.BROKEN)
    alarm = more.first_alarm
    assert alarm is not None and 0 < alarm.labels <= more.watched
    assert alarm.published_day in ("2013-02-05", "2013-02-06") and more.headline().startswith("ALARM on 2013-02-0")
    assert more.reference is not None and more.reference.design >= 1
    assert "expected" in "\n".join(more.as_lines()) and "ALARM" in more._repr_html_()
    assert [one.day for one in more.days] == ["2013-02-05", "2013-02-06"]
    assert sum(one.answers for one in more.days) == more.answers == world.answers
    assert sum(one.labels for one in more.days) == more.labels
    for one in more.days:
        assert one.misses is not None and one.misses.log_loss is not None
        assert one.loss == pytest.approx(one.misses.log_loss.realised)
        assert one.misses.log_loss.error == pytest.approx(one.loss - one.expected)


def test_labels_are_read_in_the_order_of_their_publication_each_once(world: World) -> None:
    config, made = hasty(world.lake), world.versions["better"]
    landed = landed_predictions(config, MODEL_NAME, version=made.number)
    rows = join_outcomes(config, world.repo.label_set(made.label_set), landed.frame, 24.0).labelled.frame
    frame = rows.filter(rows[STATE] == State.LABELLED).sort(KNOWN, KNOWN_PARTITION, KNOWN_OFFSET)
    frame = frame.filter(frame[KNOWN] < int(utc(7).timestamp()) * 1_000_000)
    table = pq.read_table(io.BytesIO(held_out(0.12)))
    days = table["asked_at"].cast(pa.int64()).to_numpy() // 86_400_000_000
    said, true = table["probability"].to_numpy(), table["label"].to_numpy()
    reference = ErrorReference.of(-np.log(np.where(true, said, 1 - said)), days=days)
    expected = make_detector("cusum", reference, run_length=2000.0).alarms(losses(frame))
    found = world.look("better")
    assert found.watched == frame.height and expected
    assert [one.labels for one in found.alarms] == [one.index + 1 for one in expected]
    early = world.look("better", now=utc(6, 1))
    assert 0 < early.watched < found.watched, "a day that is not over waits"
    assert early.alarms == found.alarms[: len(early.alarms)]
    late = set(frame.tail(40)["label_key"].to_list())
    arrivals = [one for one in _arrivals() if one["flight_id"] in late]
    world.lake.land("arrivals", arrivals, partition=1, published="2013-02-07T12:00:00Z")
    before, again = found.to_json(), world.look("better").to_json()
    assert again.pop("repeated_outcomes") == len(arrivals) == 40 and before.pop("repeated_outcomes") == 0
    assert again == before, "what is published again and says the same changes nothing"


def test_labels_that_never_come_are_estimated_and_no_alarm(world: World) -> None:
    found = world.look("never")
    assert (found.labels, found.watched, found.alarms, found.outcome) == (0, 0, (), Outcome.UNKNOWN)
    assert found.unlabelled is not None and found.unlabelled.rows == world.answers
    assert found.unlabelled.log_loss is not None and found.unlabelled.log_loss.value > 0.1
    assert f"no label came yet for its {world.answers} answers" in found.headline()
    assert all(one.unlabelled is not None and one.misses is None for one in found.days)


def test_who_cannot_be_judged_is_told_why(world: World) -> None:
    found = world.look("without")
    assert found.reference is None and "keeps no answers to rows" in found.reason
    assert found.outcome is Outcome.UNKNOWN and found.labels
    assert "cannot be compared with" in world.look("constant").reason
    with pytest.raises(NoModelError, match="no version is champion"):
        concept(hasty(world.lake), model=MODEL_NAME, repo=world.repo)
    with pytest.raises(UsageError, match="there is no detector"):
        world.look("worse", detector="dowsing")
    served = hasty(world.lake)  # other tests left other models in this lake
    served = served.model_copy(update={"serve": served.serve.model_copy(update={"model": MODEL_NAME})})
    assert "no version is champion" in status(served, now=NOW).concept_reason


def _constant() -> bytes:
    table = pq.read_table(io.BytesIO(held_out(0.3)))
    same = table.set_column(2, "label", pa.array([True] * table.num_rows))
    same = same.set_column(3, "probability", pa.array([0.5] * table.num_rows))
    sink = io.BytesIO()
    pq.write_table(same, sink)
    return sink.getvalue()


def _arrivals() -> list[Event]:
    return [json.loads(one.value) for one in streams(Days(FIRST, 3))["arrivals"].events() if one.value is not None]
