"""Ours notices a drift at least as soon as river's ADWIN that was tuned to cry wolf equally often, not at weather."""

from __future__ import annotations

import math

import pytest

from tests.bench import drift_errors
from tests.bench.drift_sequential import ADWIN, KINDS, NEEDED, OURS, contest, wins


def test_on_three_streams_ours_is_at_least_as_quick_as_tuned_adwin() -> None:
    rows = [
        row
        for kind in ("STAGGER", "Friedman", "digits")
        for row in contest(kind, (ADWIN, OURS), tuning=(10, 11), judging=(20, 21), each=5, wanted=())
    ]
    assert wins(rows) >= 2
    assert all(row.alarms <= 2.5 for row in rows if row.name == "ours")


@pytest.mark.slow
def test_on_all_six_streams_it_wins_as_often_as_needed() -> None:
    rows = [row for kind in KINDS for row in contest(kind, (ADWIN, OURS), each=5, wanted=())]
    assert wins(rows) >= NEEDED


def test_real_days_that_differ_alarm_no_more_than_stated() -> None:
    for one in drift_errors.run():
        assert one.with_days <= math.ceil(one.expected), one
        assert one.without_days > 10 * one.expected, one
