"""The two models are compared on the same flights, and a difference has an interval only where there are two models."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ray_pipeline.demo.year_score import compare, compare_all

DAY = 86_400_000_000


def rows(days: int, seed: int, *, same: bool = False) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    count = days * 50
    truth = rng.random(count)
    label = rng.random(count) < truth
    frozen = np.clip(truth + rng.normal(0, 0.4, count), 0.01, 0.99)
    loop = frozen if same else np.clip(truth + rng.normal(0, 0.05, count), 0.01, 0.99)
    asked = 15_800 * DAY + np.sort(rng.integers(0, days * DAY, count))
    return pl.DataFrame({"asked_us": asked, "label": label, "frozen": frozen, "probability": loop})


def test_the_better_model_is_better_beyond_its_interval() -> None:
    found = compare(rows(20, 1), 1000)
    assert found.frozen is not None and found.loop is not None and found.difference is not None
    assert found.difference.auc.low is not None and found.difference.auc.low > 0
    assert found.difference.log_loss.high is not None and found.difference.log_loss.high < 0
    assert found.loop.auc.value == pytest.approx((found.frozen.auc.value or 0) + (found.difference.auc.value or 0))
    assert (found.loop.rows, found.frozen.rows, found.landed) == (1000, 1000, 1000)


def test_one_model_has_nothing_to_be_compared_with() -> None:
    found = compare(rows(5, 2, same=True), 250)
    assert found.difference is None
    assert found.loop == found.frozen


def test_no_label_is_no_number() -> None:
    found = compare(rows(1, 3).clear(), 7)
    assert (found.frozen, found.loop, found.difference, found.landed) == (None, None, None, 7)


def test_all_months_are_their_rows_together() -> None:
    first, second = compare(rows(6, 4), 300), compare(rows(7, 5), 360)
    whole = compare_all([first, second])
    assert whole.loop is not None
    assert (whole.loop.rows, whole.landed) == (650, 660)
