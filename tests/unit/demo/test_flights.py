from __future__ import annotations

import sys
from datetime import date

import pytest

from ray_pipeline.demo import flights
from ray_pipeline.demo.flights import Days, read_airlines, read_flights, read_planes, read_weather, read_zones
from ray_pipeline.errors import UsageError


def test_the_whole_year_is_read() -> None:
    assert read_flights(Days()).height == 336_776
    assert read_weather(Days()).height == 26_115


def test_days_are_those_of_the_timetable() -> None:
    read = read_flights(Days(date(2013, 2, 8), 2))
    assert read.group_by("month", "day").len().sort("day").rows() == [(2, 8, 930), (2, 9, 684)]


def test_every_carrier_has_a_name_and_every_destination_a_zone() -> None:
    read = read_flights(Days())
    assert set(read["carrier"]) <= set(read_airlines())
    assert set(read["dest"]) <= set(read_zones())
    assert not read_planes()["tailnum"].is_duplicated().any()


def test_the_package_is_read_and_not_imported() -> None:
    read_weather(Days(count=1))
    assert flights.PACKAGE not in sys.modules


def test_without_the_extra_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'ray-pipeline\[demo\]'"):
        read_flights(Days())


@pytest.mark.parametrize(("first", "count"), [(date(2012, 12, 31), 2), (date(2013, 12, 31), 2), (date(2013, 5, 1), 0)])
def test_days_outside_the_year_are_refused(first: date, count: int) -> None:
    with pytest.raises(UsageError, match="do not lie in the flights' year"):
        Days(first, count)
