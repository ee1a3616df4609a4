"""What a version keeps of its training set: the request's features that it sees, as they were defined then."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from ray_pipeline.features.requests import feature_definitions, request_definition, request_features
from ray_pipeline.model.columns import ColumnKind, ModelColumn
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.model.spec import ModelSpec
from ray_pipeline.runtime.jobs.train_fit import FitResult
from ray_pipeline.runtime.jobs.train_manifest import model_manifest
from ray_pipeline.runtime.training_sets import TrainingSet

DUE = pl.col("due").dt
CALENDAR = request_features("calendar", inputs={"due": "timestamp"}, features={"hour": DUE.hour(), "day": DUE.day()})
DEFINITIONS = feature_definitions(CALENDAR)
HOUR, DAY, DEPARTURES = "calendar__hour", "calendar__day", "live__n"


def version(*seen: str, **changed: Any) -> ModelManifest:
    said = {
        "spec": {"name": "set", "service": "asked", "labels": "late"},
        "file": {"sha256": "f" * 64},
        "label_key": "flight_id",
        "request": "calendar",
        "request_definitions": DEFINITIONS,
        "features": [{"name": HOUR, "view": None}, {"name": DAY, "view": None}, {"name": DEPARTURES, "view": "live"}],
        "views": [{"name": "live", "view": "live", "definition": "d" * 64, "snapshot": 7}],
    } | changed
    columns = tuple(ModelColumn(name, ColumnKind.NUMBER) for name in seen)
    fitted = FitResult(columns, {}, {}, {}, (), "0" * 64, (), {}, {}, {}, ())
    training_set = TrainingSet(said, "lake/set/v1", "", created=True, _read=None)
    return model_manifest(ModelSpec("late", "set"), training_set, fitted, created_at="", created_by="a test")


def test_the_features_of_the_request_that_it_sees_are_hashed() -> None:
    assert version(HOUR, DAY, DEPARTURES).request_definition == request_definition(DEFINITIONS)
    assert version(HOUR, DEPARTURES).request_definition == request_definition({"hour": DEFINITIONS["hour"]})


@pytest.mark.parametrize(
    ("seen", "changed"), [((DEPARTURES,), {}), ((HOUR,), {"request_definitions": None})], ids=["none seen", "not said"]
)
def test_where_there_is_nothing_to_hash_there_is_no_hash(seen: tuple[str, ...], changed: dict[str, Any]) -> None:
    assert version(*seen, **changed).request_definition is None


def test_a_version_from_before_there_was_one_is_read() -> None:
    made = version(HOUR, DAY, DEPARTURES)
    said = made.to_json()
    assert ModelManifest.from_json(said) == made
    del said["request_definition"]
    assert ModelManifest.from_json(said).request_definition is None
