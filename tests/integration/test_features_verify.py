"""Online against offline on real flights: no skew where both computed the same, and every injected one found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ray_pipeline.cli.features_verify import verify
from ray_pipeline.connectors.feast.repo import load_repo
from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog
from ray_pipeline.connectors.online import online_settings, open_online
from ray_pipeline.errors import UsageError
from ray_pipeline.features.ports import ValueRow
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.online_backfill import backfill
from ray_pipeline.runtime.features.read import read_features
from ray_pipeline.runtime.features.skew import ViewSkew
from ray_pipeline.runtime.features.verify import verify_features, verify_view
from ray_pipeline.types import Outcome
from tests.flight_lake import FlightLake

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
STREAMED = ("weather_at_origin", "origin_last_2h", "carrier_last_24h", "route_last_24h", "aircraft_last_arrival")


@pytest.fixture(scope="module")
def lake(flight_lake: FlightLake) -> FlightLake:
    """The same, with online states that reach back as far as the gate, which waits for a day to end, lags behind."""
    config = flight_lake.config
    views, settings = stream_fed(config)
    assert settings is not None
    kept = replace(settings, retain_seconds=2 * 86_400)
    store = open_online(kept)
    backfill(config, views, kept, store, flight_lake.store)
    store.close()
    return flight_lake


@pytest.fixture
def online(lake: FlightLake) -> Iterator[Any]:
    store = open_online(online_settings(load_repo(lake.config).folder, lake.config))
    yield store
    store.close()


def test_what_was_streamed_is_what_was_built(lake: FlightLake) -> None:
    report = verify_features(lake.config, views=STREAMED)
    assert report.outcome is Outcome.HELD, "\n".join(report.lines())
    for view in report.views:
        assert view.compared == view.entities == view.same > 0
        assert view.certainty == 1


def test_features_that_are_listed_answer_as_those_of_a_service_do(lake: FlightLake) -> None:
    whole = {"origin": "EWR", "destination": "BOS", "carrier": "B6", "tail_number": "N184JB"}
    whole["scheduled_departure_at"] = datetime(2013, 2, 6, 12, tzinfo=UTC)
    [service] = read_features(lake.config, "flight_delay", [whole]).rows
    listed = ["origin_last_2h:departures", "carrier_last_24h:mean_delay", "origin_last_2h:share_late"]
    [answer] = read_features(lake.config, listed, [{"origin": "EWR", "carrier": "B6"}]).rows
    assert answer.features == {name: service.features[name] for name in answer.features}
    assert {name.replace("__", ":") for name in answer.features} == set(listed)


@pytest.mark.parametrize(
    ("reference", "advice"),
    [
        ("orgin_last_2h:departures", "unknown view; did you mean origin_last_2h"),
        ("origin_last_2h:departure", "unknown feature; did you mean departures"),
        ("origin_last_2h", "write VIEW:FEATURE"),
    ],
)
def test_a_listed_feature_that_is_none_is_named(lake: FlightLake, reference: str, advice: str) -> None:
    with pytest.raises(UsageError, match=advice):
        read_features(lake.config, [reference], [{"origin": "EWR"}])


class Skewed:
    """A store that answers another state for one of a hundred entities."""

    def __init__(self, store: Any, share: int = 100) -> None:
        self._store, self._share = store, share
        self.skewed: set[str] = set()

    def read_states(self, view: str, definition: str, entities: list[str]) -> Any:
        found = self._store.read_states(view, definition, entities)
        everyone = sorted(self._store.entities(view, 1 << 31))
        for i, entity in enumerate(entities):
            place = everyone.index(entity)
            if place % self._share == 7:
                other = self._store.read_states(view, definition, [everyone[place - 1]])[0]
                found[i] = [replace(row, entity=entity) for row in other]
                self.skewed.add(entity)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_a_skew_of_one_percent_is_found_for_certain(lake: FlightLake, online: Any) -> None:
    """Every entity is compared, so that none can hide."""
    shape = load_repo(lake.config).view("aircraft_last_arrival").shape
    table = open_feature_catalog(lake.config).table(shape.name)
    store: Any = Skewed(online)
    found = verify_view(shape, store, table)
    assert found.outcome is Outcome.BROKEN
    assert 10 <= found.different <= len(store.skewed)
    assert len(store.skewed) == pytest.approx(found.entities / 100, abs=1)
    assert found.same + found.different == found.compared == found.entities
    rate = found.rate("landed_at")
    assert rate is not None
    assert 0.005 < rate <= 0.011
    assert found.examples
    assert all('["' not in example.entity and example.values is None for example in found.examples)


def test_a_sample_says_how_likely_it_is_to_see_a_skew(lake: FlightLake) -> None:
    (view,) = verify_features(lake.config, views=["aircraft_last_arrival"], sample=300).views
    assert view.compared == 300 < view.entities
    assert 0.8 < view.certainty < 1
    (few,) = verify_features(lake.config, views=["aircraft_last_arrival"], sample=1).views
    assert few.certainty == pytest.approx(0.01, abs=0.002)
    skew = ViewSkew("v", 0, 0, 0, entities=1000, compared=100)
    assert skew.certainty == pytest.approx(1 - 0.9**10, abs=0.01)


def test_a_side_that_is_behind_is_not_called_different(lake: FlightLake, online: Any) -> None:
    shape = load_repo(lake.config).view("carrier_last_24h").shape
    table = open_feature_catalog(lake.config).table(shape.name)

    class Lagging(Skewed):
        """One partition is online, and the others have not begun."""

        def marks(self, view: str | None = None) -> Any:
            return [one for one in self._store.marks(view) if one.source.endswith("/0")]

        def read_states(self, view: str, definition: str, entities: list[str]) -> Any:
            found = self._store.read_states(view, definition, entities)
            return [[row for row in rows if row.source.endswith("/0")] for rows in found]

    store: Any = Lagging(online)
    found = verify_view(shape, store, table)
    assert found.different == 0
    assert found.online_behind > 0
    assert found.outcome is Outcome.UNKNOWN


def test_a_materialised_view_is_compared_by_its_rows(lake: FlightLake, online: Any) -> None:
    from datetime import UTC, datetime

    from ray_pipeline.connectors.feast.repo import apply_repo, feature_store

    name = "destination_last_7d"
    shape = load_repo(lake.config).view(name).shape
    table = open_feature_catalog(lake.config).table(name)
    assert table is not None
    (empty,) = verify_features(lake.config, views=[name]).views
    assert empty.online_behind == empty.compared > 50
    horizon = table.info().horizon_us
    assert horizon is not None
    apply_repo(lake.config)
    end = datetime.fromtimestamp(horizon / 1_000_000, UTC)
    feature_store(lake.config).materialize(datetime(2013, 1, 1, tzinfo=UTC), end, feature_views=[name])
    found = verify_view(shape, online, table)
    assert found.outcome is Outcome.HELD, list(found.lines())
    assert found.same == found.compared > 50

    entity = online.entities(name, 1)[0]
    row = online.read_rows(name, [entity])[0]
    online.write_rows(name, [ValueRow(entity, row.event_us, row.created_us + 1, b"{}")])
    skewed = verify_view(shape, online, table)
    assert (skewed.different, skewed.outcome) == (1, Outcome.BROKEN)
    assert set(skewed.features) <= {"arrivals", "mean_arrival_delay", "share_arrived_late"}


def test_a_view_that_was_never_built_cannot_be_told(lake: FlightLake, online: Any) -> None:
    shape = load_repo(lake.config).view("carrier_last_24h").shape
    found = verify_view(shape, online, None)
    assert (found.outcome, found.compared) == (Outcome.UNKNOWN, 0)
    other = verify_view(
        replace(shape, definition="0" * 64), online, open_feature_catalog(lake.config).table(shape.name)
    )
    assert "another definition" in other.why


def test_the_command_says_it_by_its_exit_code(lake: FlightLake, tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(verify)
    runner = CliRunner()
    held = runner.invoke(app, ["carrier_last_24h", "--config", str(lake.file), "--output", "json"])
    assert held.exit_code == 0, held.output
    assert json.loads(held.stdout)["views"][0]["different"] == 0
    text = runner.invoke(app, ["carrier_last_24h", "--config", str(lake.file)])
    assert "carrier_last_24h: no skew" in text.stdout
    assert runner.invoke(app, ["--at", "yesterday", "--config", str(lake.file)]).exit_code == 2
