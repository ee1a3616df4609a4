"""Dates and times compare exactly, as the calendar says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ray_pipeline.contracts.instants import day, is_zone, time_of_day, timestamp

offsets = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
aware = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=offsets)


@given(a=aware, b=aware)
def test_timestamps_order_as_their_instants(a: datetime, b: datetime) -> None:
    left, right = timestamp(a.isoformat()), timestamp(b.isoformat())
    assert left is not None
    assert right is not None
    assert (left < right, left == right) == (a < b, a == b)


@given(a=st.decimals(0, 59, places=12), b=st.decimals(0, 59, places=12))
def test_no_digit_of_a_fraction_is_lost(a: Decimal, b: Decimal) -> None:
    left, right = (timestamp(f"2013-01-01T00:00:{x:015.12f}Z") for x in (a, b))
    assert left is not None
    assert right is not None
    assert (left < right, left == right) == (a < b, a == b)


@given(local=st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1)), zone=st.sampled_from(["Europe/Berlin", "UTC"]))
def test_a_local_time_means_the_same_in_its_zone(local: datetime, zone: str) -> None:
    read = timestamp(local.isoformat(), zone)
    meant = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    exists = meant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
    assert read == (timestamp(meant.isoformat()) if exists else None)


def test_the_first_of_two_equal_local_times_is_meant() -> None:
    assert timestamp("2024-10-27T02:30:00", "Europe/Berlin") == timestamp("2024-10-27T00:30:00Z")


@pytest.mark.parametrize(
    "text",
    ["", "2013-01-01", "2013-01-01 00:00:00Z", "2013-01-01T00:00Z", "2013-13-01T00:00:00Z", "2013-01-01T24:00:00Z",
     "2013-01-01T00:00:00", "2013-01-01T00:00:00+24:00", "2013-01-01T00:00:00+0100", "2013-01-01T00:00:00.Z",
     "2013-01-01T00:00:00Z ", "２013-01-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_timestamp_is_none(text: str) -> None:
    assert timestamp(text) is None


def test_the_calendar_begins_in_the_year_zero() -> None:
    first, second = day("0000-12-31"), day("0001-01-01")
    assert first is not None
    assert second is not None
    assert second[0] - first[0] == 1
    assert day("0000-02-29") is not None
    assert day("0001-02-29") is None


@pytest.mark.parametrize("text", ["24:00:00", "00:60:00", "00:00:60", "1:00:00", "00:00:00.", "00:00:00Z"])
def test_what_is_no_time_of_day_is_none(text: str) -> None:
    assert time_of_day(text) is None


@pytest.mark.parametrize("name", ["", "Europe/Bonn", "/etc/passwd", "../UTC", "Europe", "UTC\x00"])
def test_only_the_database_knows_zones(name: str) -> None:
    assert not is_zone(name)
    assert is_zone("Europe/Berlin")
