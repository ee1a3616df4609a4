"""Two versions on the same rows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import log_loss

from ray_pipeline.retrain.judge import judge, nothing_to_judge, upper_bound


def rows(seed: int, days: int = 14, per_day: int = 150, noise: float = 1.0) -> tuple[np.ndarray, ...]:
    """Labels, a good model, one with noise of its own, days: a day's rows share their luck."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), per_day)
    true_logit = rng.normal(-1.2, 0.8, days * per_day) + rng.normal(0, 0.6, days)[day]
    labels = rng.random(days * per_day) < 1 / (1 + np.exp(-true_logit))
    said = [1 / (1 + np.exp(-(true_logit + rng.normal(0, s, days * per_day)))) for s in (noise, 0.1)]
    return labels, said[0], said[1], day


def test_a_better_version_wins_and_the_figures_are_its_log_loss() -> None:
    labels, worse, better, days = rows(1)
    found = judge(labels, worse, better, days, level=0.95, resamples=500, min_rows=1000)
    assert found.win
    assert found.bound is not None
    assert found.bound < 0
    assert found.first["log_loss"] == pytest.approx(log_loss(labels, worse))
    assert found.second["log_loss"] == pytest.approx(log_loss(labels, better))
    assert found.difference["log_loss"]["value"] == pytest.approx(log_loss(labels, better) - log_loss(labels, worse))
    assert "better" in found.reason
    assert json.loads(json.dumps(found.to_json()))["win"] is True
    assert not judge(labels, better, worse, days, level=0.95, resamples=500, min_rows=1000).win
    assert not judge(labels, worse, worse, days, level=0.95, resamples=500, min_rows=1000).win


def test_too_few_rows_or_days_win_nothing() -> None:
    labels, worse, better, days = rows(1)
    few = judge(labels, worse, better, days, level=0.95, resamples=100, min_rows=3000)
    assert (few.enough, few.win) == (False, False)
    assert "3,000 rows" in few.reason
    four = days < 4
    short = judge(labels[four], worse[four], better[four], days[four], level=0.95, resamples=100, min_rows=1)
    assert (short.enough, short.win) == (False, False)
    assert nothing_to_judge(0.95, 100).to_json()["enough"] is False


def test_what_is_no_probability_is_refused() -> None:
    labels, worse, better, days = rows(1)
    better[3] = np.nan
    with pytest.raises(ValueError, match="between 0 and 1"):
        judge(labels, worse, better, days, level=0.95, resamples=100, min_rows=1)


@pytest.mark.parametrize("days", [5, 14])
def test_of_two_equal_versions_few_win(days: int) -> None:
    """400 worlds without a difference: wins at a level of 95 % are 5 % and not many more."""
    rng = np.random.default_rng(days)
    wins = 0
    for world in range(400):
        day = np.repeat(np.arange(days), 40)
        differences = rng.normal(0, 0.3, len(day)) + rng.normal(0, 0.05, days)[day]
        bound = upper_bound(differences, day, 0.95, 300, world)
        wins += bound is not None and bound < 0
    assert wins <= 34


def test_the_same_rows_give_the_same_bound_and_one_day_none() -> None:
    labels, worse, better, days = rows(3)
    said = [judge(labels, worse, better, days, level=0.9, resamples=200, min_rows=1, seed=7) for _ in range(2)]
    assert said[0] == said[1]
    assert upper_bound(np.ones(10), np.zeros(10), 0.95, 100, 0) is None


@pytest.mark.parametrize("level", [0.95, 0.975, 0.99, 0.999])
@pytest.mark.parametrize("days", [5, 7, 13])
def test_the_bound_keeps_its_confidence_with_few_days(level: float, days: int) -> None:
    rng, repeats = np.random.default_rng(days), 3000
    wins = sum(upper_bound(rng.normal(size=days), np.arange(days), level, 1000, 7) < 0 for _ in range(repeats))
    least = 1.25 * (1 - level) * repeats
    assert wins <= least + 3 * np.sqrt(least)


def test_rows_count_alike_whatever_their_day() -> None:
    """A great day on which the second one is worse outweighs five small ones on which it is better."""
    days = np.repeat(np.arange(6), [900, 20, 20, 20, 20, 20])
    labels = np.ones(len(days), bool)
    first = np.full(len(days), 0.6)
    second = np.where(days == 0, 0.55, 0.7)
    found = judge(labels, first, second, days, level=0.95, resamples=2000, min_rows=1000)
    assert found.enough
    assert not found.win
    assert found.bound is not None
    assert found.bound >= found.difference["log_loss"]["value"] > 0


def test_as_many_rows_as_are_asked_for_are_enough() -> None:
    labels, worse, better, days = rows(1)
    asked = len(labels)
    assert judge(labels, worse, better, days, level=0.95, resamples=200, min_rows=asked).win
    assert not judge(labels, worse, better, days, level=0.95, resamples=200, min_rows=asked + 1).win
