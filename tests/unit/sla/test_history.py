"""The false-alarm budget of volume against its own history is kept, whatever the volumes look like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from ray_pipeline.sla.history import comparable, needed_days, rank_test

Draw = Callable[[np.random.Generator, int], np.ndarray]
SHAPES: dict[str, Draw] = {
    "even": lambda random, days: random.normal(920, 95, days).round(),
    "heavy tails": lambda random, days: (900 * random.pareto(1.5, days)).round(),
    "few different": lambda random, days: random.choice([70.0, 71.0, 72.0], days, p=[0.01, 0.04, 0.95]),
    "two kinds of days": lambda random, days: (
        np.where(random.random(days) < 2 / 7, 680, 950) + random.normal(0, 9, days)
    ),
}


@pytest.mark.parametrize("budget", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("shape", SHAPES)
def test_ordinary_days_alarm_no_more_often_than_the_budget_says(shape: str, budget: float) -> None:
    random = np.random.default_rng(20130208)
    days, trials = needed_days(budget) + 11, 4_000
    alarms = 0
    for _ in range(trials):
        *earlier, new = SHAPES[shape](random, days + 1).tolist()
        alarms += rank_test(new, earlier, budget).alarms(budget)
    four_sigma = 4 * (budget * (1 - budget) / trials) ** 0.5
    assert alarms / trials <= budget + four_sigma
    if shape in ("even", "heavy tails"):  # without ties the test spends what it was given
        steps = np.floor(budget * (days + 1)) / (days + 1)
        assert alarms / trials >= steps - four_sigma


@pytest.mark.parametrize("budget", [0.01, 0.02, 0.05, 0.1, 1 / 3])
def test_an_alarm_is_possible_with_just_as_many_days_as_are_asked_for(budget: float) -> None:
    days = needed_days(budget)
    assert rank_test(0, [900.0 + i for i in range(days)], budget).alarms(budget)
    too_few = rank_test(0, [900.0 + i for i in range(days - 1)], budget)
    assert not too_few.enough
    assert too_few.needed == days


def test_a_day_as_far_out_as_others_is_ordinary() -> None:
    assert rank_test(100, [100.0] * 60, 0.02).p == 1
    assert not rank_test(80, [100.0] * 30 + [80.0] * 30, 0.02).alarms(0.02)


def test_days_are_compared_with_earlier_ones_of_their_kind() -> None:
    start = date(2013, 1, 1)
    days = [((start + timedelta(n)).isoformat(), float(n)) for n in range(30)]
    assert comparable(days, "2013-01-22") == [float(n) for n in range(21)]
    assert comparable(days, "2013-01-22", same_weekday=True) == [0, 7, 14]
    assert comparable(days, "2013-01-22", days=3) == [18, 19, 20]
    assert comparable(days, "2013-01-22", same_weekday=True, days=2) == [7, 14]
