"""The topic of our own answers is made where it is missing; nobody else's topic is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ray_pipeline.config import PipelineConfig, load_config
from ray_pipeline.errors import SourceDeniedError
from ray_pipeline.runtime.wiring import ensure_predictions_topic
from tests.e2e.readme_blocks import REPOSITORY


@dataclass
class Described:
    partitions: int


@dataclass
class Brokers:
    """Some topics, by name."""

    topics: dict[str, int]
    made: list[str] = field(default_factory=list)

    def describe(self, topic: str) -> Described:
        if topic not in self.topics:
            raise SourceDeniedError(f"topic {topic}", "does not exist")
        return Described(self.topics[topic])

    def create_topic(self, topic: str, partitions: int) -> None:
        self.made.append(topic)
        self.topics[topic] = partitions


@pytest.fixture
def config() -> PipelineConfig:
    return load_config(REPOSITORY / "configs/local.yaml", environ={"LAKE": "lake"})


def ensure(config: PipelineConfig, brokers: Any) -> list[str]:
    said: list[str] = []
    ensure_predictions_topic(config, brokers, said.append)
    return said


def test_it_is_as_wide_as_the_widest_and_made_once(config: PipelineConfig) -> None:
    brokers = Brokers({"departures": 4, "weather": 2})
    assert ensure(config, brokers) == ["created the topic predictions (4 partitions)"]
    assert ensure(config, brokers) == []
    assert brokers.made == ["predictions"]


def test_a_pipeline_that_serves_no_model_makes_none(config: PipelineConfig) -> None:
    brokers = Brokers({"departures": 4})
    serve = config.serve.model_copy(update={"model": None})
    assert ensure(config.model_copy(update={"serve": serve}), brokers) == []
    assert brokers.made == []
