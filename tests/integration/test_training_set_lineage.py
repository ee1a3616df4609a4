"""What a build of a training set tells an OpenLineage receiver, read back from the file that it wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.config.lineage import LineageConfig
from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.testing.clock import FrozenClock
from tests.flight_lake import SPEC, FlightLake
from tests.unit.lineage.valid_events import complaints

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def told(lake: FlightLake, file: Path, **change: Any) -> list[dict[str, Any]]:
    config = lake.config.model_copy(update={"lineage": LineageConfig(transport="file", path=file)})
    try:
        build_training_set(config, {**SPEC, **change}, clock=FrozenClock())
    finally:
        events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return events


def test_a_build_tells_what_it_reads_and_what_each_column_is_made_of(flight_lake: FlightLake, tmp_path: Path) -> None:
    started, ended = told(flight_lake, tmp_path / "events.jsonl")
    assert [problem for event in (started, ended) for problem in complaints(event)] == []
    assert (started["eventType"], ended["eventType"]) == ("START", "COMPLETE")
    assert ended["eventTime"] == "2013-01-01T00:00:00.000000Z"
    assert ended["job"]["name"] == "flights.training-set.late"
    (made,) = ended["outputs"]
    built = build_training_set(flight_lake.config, SPEC)
    assert made["facets"]["version"]["datasetVersion"] == built.version
    assert Path(built.uri).parents[1] == Path(made["name"])
    read = {one["name"]: one["facets"]["version"]["datasetVersion"] for one in ended["inputs"]}
    named = {str(one["snapshot"]) for one in (*built.manifest["curated"].values(), *built.manifest["views"])}
    assert set(read.values()) == named
    assert all(Path(name).is_dir() for name in read)
    fields = made["facets"]["columnLineage"]["fields"]
    without = {name for name in built.table().column_names if name not in fields}
    assert without == {"split", *(name for name in built.table().column_names if name.endswith("__status"))}
    (source,) = fields["origin_last_2h__departures"]["inputFields"]
    assert source["field"] == "departures"
    assert source["name"] in read


def test_a_build_that_fails_says_so(flight_lake: FlightLake, tmp_path: Path) -> None:
    never = {"from": "2014-01-01T00:00:00Z", "to": "2014-01-02T00:00:00Z", "splits": {}}
    file = tmp_path / "events.jsonl"
    with pytest.raises(UsageError, match="no rows"):
        told(flight_lake, file, **never)
    events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "FAIL"]
    assert "no rows" in events[1]["run"]["facets"]["errorMessage"]["message"]
    assert [problem for event in events for problem in complaints(event)] == []
