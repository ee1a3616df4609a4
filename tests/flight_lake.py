"""A few real days of flights, landed and gated, with the example's features over them; no Kafka and no Ray."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ray_pipeline.demo.events import TOPICS, Event, streams
from ray_pipeline.demo.flights import Days
from ray_pipeline.runtime.jobs.features_build import build_features
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.training_set import build_training_set
from ray_pipeline.runtime.training_sets import TrainingSet
from ray_pipeline.testing.clock import FrozenClock
from tests.gate_lake import GateLake
from tests.gate_shop import LATER

ROOT = Path(__file__).parent.parent
PARTITIONS = 3
FIRST = date(2013, 2, 4)
SPEC: dict[str, Any] = {
    "name": "late",
    "labels": "late_arrival",
    "service": "flight_delay",
    "from": "2013-02-05T00:00:00Z",
    "to": "2013-02-07T00:00:00Z",
    "splits": {"train": "2013-02-06T00:00:00Z", "test": "2013-02-07T00:00:00Z"},
}
"""A training set of the second and the third day."""


class FlightLake(GateLake):
    """The three topics of the example in three partitions each, as they were published."""

    first: TrainingSet | None = None
    """What was built before the last day came."""

    def __init__(self, folder: Path) -> None:
        contracts = {topic: ROOT / "contracts" / "flights" / f"{topic}.odcs.yaml" for topic in TOPICS}
        more = f"features: {{repo: '{ROOT / 'configs' / 'flights'}'}}"
        super().__init__(folder, contracts, pipeline="flights", more=more)
        self.clock = FrozenClock(LATER)  # everything is published before it lands

    def publish(self, events: Iterable[Event]) -> None:
        """Land events; each topic's go to its partitions by their key."""
        shares: dict[tuple[str, int], list[Event]] = {}
        for event in events:
            shares.setdefault((event.topic, sum(event.key) % PARTITIONS), []).append(event)
        for (topic, partition), share in sorted(shares.items()):
            self.land(
                topic,
                [event.value or b"" for event in share],
                partition=partition,
                published=[event.timestamp_ms for event in share],
            )

    def publish_days(self, first: date, count: int) -> None:
        """Land every event of some days."""
        for stream in streams(Days(first, count)).values():
            self.publish(stream.events())

    def gate(self) -> None:
        """Publish whatever holds."""
        run_gate(self.config, tuple(self.config.datasets), at=LATER)

    def build(self, **options: Any) -> Any:
        """Build all features."""
        return build_features(self.config, **options)


def three_days(folder: Path) -> FlightLake:
    """Return a lake of three days, of which the last came when two were built and a training set was made of them."""
    lake = FlightLake(folder)
    lake.publish_days(FIRST, 2)
    lake.gate()
    lake.build()
    lake.first = build_training_set(lake.config, {**SPEC, "splits": {}})
    lake.publish_days(FIRST + timedelta(days=2), 1)
    lake.gate()
    lake.build()
    return lake
