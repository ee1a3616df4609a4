"""Real days to which nothing happened: flights and weather of January to March, days and weeks held out of them.

A test that takes rows for independent calls nearly every one of them different from the rest.
"""

from __future__ import annotations

import pytest

from ray_pipeline.drift.alarm import alarm
from tests.bench.drift_alarm import HeldOut, at_random, policy, rates, share
from tests.drift_quarter import Quarter, departures, grown, shifted, weather

BUDGET = 0.05
QUARTERS = {"departures": departures, "weather": weather}
SPLITS = {1: 8, 7: 20}


def held_out(quarter: Quarter, size: int) -> list[HeldOut]:
    return list(at_random(quarter, size, SPLITS[size]))


@pytest.mark.parametrize("size", SPLITS)
@pytest.mark.parametrize("name", QUARTERS)
def test_held_out_days_and_weeks_alarm_as_often_as_budgeted(name: str, size: int) -> None:
    held = held_out(QUARTERS[name](), size)
    assert len(held) >= 80
    assert rates(held, policy(size, BUDGET, min_effect=0)) <= 1.5 * BUDGET
    assert share([one.alarms_by_rows(BUDGET) for one in held]) >= 0.9, "rows are not independent"


@pytest.mark.parametrize("name", QUARTERS)
def test_each_column_by_itself_keeps_the_budget_too(name: str) -> None:
    assert rates(held_out(QUARTERS[name](), 7), policy(7, BUDGET, min_effect=0, family="bh")) <= 1.5 * BUDGET


def test_a_change_is_found_by_its_column_and_two_of_three_windows_are_an_alarm() -> None:
    quarter, settings = departures(), policy(7)
    baseline = quarter.baseline(range(69))
    changes = (
        ("carrier.code", grown("carrier.code", "UA", 0.15)),
        ("distance_miles", shifted("distance_miles", 1, 730)),
    )
    for column, change in changes:
        changed = [quarter.judge(baseline, first, 7, settings, change) for first in (69, 76, 83)]
        assert all(column in {one.name for one in verdict.moved} for verdict in changed)
        said = alarm(changed, settings)
        assert said.fired and column in said.columns
        assert not alarm(changed[:1], settings).fired, "one window is no alarm"
