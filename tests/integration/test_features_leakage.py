"""No training row knows what came after it was asked: on real flights, and in lakes whose later days are otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import polars as pl
import pytest

from ray_pipeline.connectors.feast.ray_join import join_views
from ray_pipeline.connectors.feast.repo import load_repo
from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog
from ray_pipeline.connectors.iceberg.pinned import pinned_plan
from ray_pipeline.demo.events import ARRIVALS, DEPARTURES, Event, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.features.history import offline_schema
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.open import open_pipeline
from tests.flight_lake import FIRST, SPEC, FlightLake

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def _own_events(lake: FlightLake, dataset: str) -> dict[str, tuple[int, int]]:
    """Return where each flight's own event of a dataset is."""
    from ray_pipeline.runtime.curated import curated_table

    table = curated_table(lake.config, dataset)
    assert table is not None
    rows = table.scan().select(["flight_id", "_partition", "_offset"]).to_pylist()
    return {row["flight_id"]: (row["_partition"], row["_offset"]) for row in rows}


@pytest.mark.parametrize("dataset", [DEPARTURES, ARRIVALS])
def test_no_event_of_the_asked_flight_is_among_those_that_its_features_rest_on(
    flight_lake: FlightLake, dataset: str
) -> None:
    built = build_training_set(flight_lake.config, SPEC)
    own = _own_events(flight_lake, dataset)
    rows = built.table()
    repo, catalog = load_repo(flight_lake.config), open_feature_catalog(flight_lake.config)
    looked_at = rested = 0
    for said in built.manifest["views"]:
        if said["dataset"] != dataset:
            continue
        shape = repo.view(said["view"]).shape
        table = catalog.table(said["view"])
        assert table is not None
        plan = pinned_plan(
            table,
            said["snapshot"],
            name="view",
            keys={key.name: key.name for key in shape.keys},
            features={"_offsets": "offsets"},
            schema=offline_schema(shape),
            ttl_us=shape.ttl,
            days=None,
        )
        found = join_views(rows, [plan], at="asked_at").select(["flight_id", "offsets"]).to_pylist()
        for row in found:
            partition, offset = own[row["flight_id"]]
            ranges = row["offsets"] or []
            rested += bool(ranges)
            assert not any(one["partition"] == partition and one["first"] <= offset <= one["last"] for one in ranges)
        looked_at += 1
    assert looked_at >= 2
    assert rested > 1000


class World(FlightLake):
    """One airline's flights of a day, and a later day that a seed makes otherwise."""

    def __init__(self, folder: Path, cut: datetime, seed: int) -> None:
        folder.mkdir()
        super().__init__(folder)
        random = Random(seed)
        before, after = [], []
        for stream in streams(Days(FIRST, 2)).values():
            for event in stream.events():
                if event.topic == "weather" or b".UA" in event.key:
                    (before if event.timestamp_ms <= cut.timestamp() * 1000 else after).append(event)
        self.publish(before)
        self.let_through()
        self.publish(_otherwise(after, before, random) if seed else after)
        self.let_through()
        self.build()

    def let_through(self) -> None:
        """Gate, and let days through that are held because one airline is not all of them."""
        self.gate()
        pipeline = open_pipeline(self.config)
        for held in pipeline.held():
            pipeline.release_held(held.dataset, held.day, reason="one airline alone")
        self.gate()


def _otherwise(after: list[Event], before: list[Event], random: Random) -> list[Event]:
    """Lose some later events, change some, and correct some that were there: published later, as they must be."""
    kept = [_changed(event, random) if random.random() < 0.3 else event for event in after if random.random() > 0.2]
    late = after[0].timestamp_ms
    corrected = [event for event in before if event.topic != "weather" and random.random() < 0.1]
    again = [_changed(event, random, late + random.randrange(3_000_000)) for event in corrected]
    return sorted([*kept, *again], key=lambda event: event.timestamp_ms)


def _changed(event: Event, random: Random, at_ms: int | None = None) -> Event:
    value: dict[str, Any] = orjson.loads(event.value or b"{}")
    for name in ("departure_delay_minutes", "arrival_delay_minutes"):
        if value.get(name) is not None:
            value[name] += random.randrange(1, 90)
    if value.get("temperature_f") is not None:
        value["temperature_f"] += 1
    return Event(event.topic, event.key, orjson.dumps(value), at_ms or event.timestamp_ms)


def _asked_by(rows: pl.DataFrame, cut: datetime) -> Mapping[str, tuple[Any, ...]]:
    features = [name for name in rows.columns if "__" in name]
    known = rows.filter(pl.col("asked_at") <= cut).select("flight_id", "asked_at", *features)
    return {row[0]: row[1:] for row in known.iter_rows()}


@pytest.mark.slow
def test_rows_asked_before_a_moment_are_the_same_whatever_was_published_after_it(tmp_path: Path) -> None:
    """Whether a question has a label may change, for that is known later; what its features say may not."""
    cut = datetime(2013, 2, 4, 22, tzinfo=UTC)
    spec = {**SPEC, "from": "2013-02-04T10:00:00Z", "to": "2013-02-06T00:00:00Z", "splits": {}}
    seen = []
    for seed in range(3):
        world = World(tmp_path / str(seed), cut, seed)
        table = pl.from_arrow(build_training_set(world.config, spec).table())
        assert isinstance(table, pl.DataFrame)
        seen.append((_asked_by(table, cut), table.filter(pl.col("asked_at") > cut + timedelta(hours=2)).hash_rows()))
    (first, later), *others = seen
    assert len(first) > 60
    for other, otherwise in others:
        both = first.keys() & other.keys()
        assert len(both) > 60
        assert {flight: other[flight] for flight in both} == {flight: first[flight] for flight in both}
        assert set(otherwise) != set(later)
