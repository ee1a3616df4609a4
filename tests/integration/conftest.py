"""What several integration tests share: real flights, landed, gated and built once for all of them."""

from __future__ import annotations

import warnings

import pytest

from tests.flight_lake import FlightLake, three_days


@pytest.fixture(scope="session")
def flight_lake(tmp_path_factory: pytest.TempPathFactory) -> FlightLake:
    """Return a lake of three days; nobody changes it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast's own, while it is imported
        return three_days(tmp_path_factory.mktemp("flights"))
