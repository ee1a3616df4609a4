from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.demo.events import TOPICS, Stream, streams
from ray_pipeline.demo.flights import Days

CONTRACTS = Path(__file__).parents[3] / "contracts" / "flights"


@pytest.fixture(scope="session")
def year() -> Mapping[str, Stream]:
    return streams(Days())


@pytest.fixture(scope="session")
def some_days() -> Mapping[str, Stream]:
    """Four days around the blizzard: cancelled, diverted and late flights, and the wind of 1,048 mph."""
    return streams(Days(date(2013, 2, 9), 4))


@pytest.fixture(scope="session")
def contracts() -> Mapping[str, DataContract]:
    return {topic: load_contract(CONTRACTS / f"{topic}.odcs.yaml") for topic in TOPICS}
