"""What ingest lands is counted where there is a baseline, by every partition, and the logs say the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.kafka.publisher import Publisher
from ray_pipeline.demo.events import DEPARTURES, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.runtime.drift.baselines import BaselineLog, dataset_baseline
from ray_pipeline.runtime.drift.read_counts import places, read_counts
from ray_pipeline.runtime.wiring import open_lake
from tests.broker.solo import run_solo

ROOT = Path(__file__).parents[2]
ALL = {"first_day": "2013-01-01", "until_day": "2014-01-01"}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({DEPARTURES: 3, f"{DEPARTURES}.dead-letters": 3}) as running:
        yield running


@pytest.fixture
def config(broker: EmbeddedBroker, tmp_path: Path) -> PipelineConfig:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"pipeline: flights\nkafka: {{bootstrap.servers: '{broker.bootstrap_servers}'}}\nstore: {tmp_path / 'lake'}\n"
        f"ingest: {{commit_every: {{records: 400}}}}\ndrift: {{min_blocks: 4}}\n"
        f"datasets: {{departures: {{contract: {ROOT / 'contracts' / 'flights' / 'departures.odcs.yaml'}}}}}\n"
    )
    return load_config(file)


def publish(broker: EmbeddedBroker, first: date, days: int) -> int:
    events = [one for one in streams(Days(first, days))[DEPARTURES].events() if one.value is not None]
    with Publisher({"bootstrap.servers": broker.bootstrap_servers}) as publisher:
        for event in events:
            publisher.publish(DEPARTURES, event.key, event.value, event.timestamp_ms)
    return len(events)


def test_ingest_counts_what_it_lands_and_any_number_of_readers_adds_it_up(
    broker: EmbeddedBroker, config: PipelineConfig
) -> None:
    before = publish(broker, date(2013, 2, 4), 5)
    run_solo(config)
    watched = dataset_baseline(config, DEPARTURES, "2013-02-01", "2013-02-10", who="tests")
    assert {"carrier.code", "departure_delay_minutes", "cancelled", "aircraft.seats"} <= set(watched.baseline.names)
    files = read_counts(config, watched, **ALL)
    assert files.counted_files == 0
    assert sum(files.rows.values()) == before

    after = publish(broker, date(2013, 2, 11), 3)
    run_solo(config)
    found = read_counts(config, watched, **ALL)
    assert found.recounted_files == files.recounted_files
    assert found.counted_files >= 3
    assert sum(found.rows.values()) == before + after
    assert all(column.rows == before + after for column in found.columns.values())
    for parts in (3, 32):
        assert read_counts(config, watched, **ALL, parts=parts) == found
    # The same bins under another digest: nothing is believed, everything is counted, and all numbers are the same.
    log = BaselineLog(open_lake(config), config.pipeline)
    other = log.add(
        DEPARTURES, replace(watched.baseline, fit_rows=1), first_day="2013-02-01", until_day="2013-02-10", who="tests"
    )
    recounted = read_counts(config, other, **ALL)
    assert recounted.counted_files == 0
    assert (recounted.columns, recounted.rows) == (found.columns, found.rows)
    where = places(config, DEPARTURES)
    assert where == found.places
    assert len(where) == 3
    assert all(one.released for one in where)
    assert max(one.event_time_max_us or 0 for one in where) > datetime(2013, 2, 13, tzinfo=UTC).timestamp() * 1e6
