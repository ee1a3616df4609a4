"""The baseline's own windows, against the plainest reading of what is said of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from ray_pipeline.config.drift import DriftConfig
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.block_family import by_blocks
from ray_pipeline.drift.block_null import member
from ray_pipeline.drift.circle import Circle
from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.edges import CategoryColumn
from ray_pipeline.drift.sides import Compared, Side, sides_of
from ray_pipeline.drift.step_down import step_down
from ray_pipeline.drift.verdict import Window

DAYS = tuple(f"2013-{1 + one // 28:02}-{1 + one % 28:02}" for one in range(60))


@st.composite
def circles(draw: st.DrawFn) -> Circle:
    days, size = draw(st.integers(4, 40)), draw(st.integers(1, 7))
    size = min(size, days // 2)
    return Circle(DAYS[:days], draw(st.integers(0, days - size)), size)


def days_of(circle: Circle, window: int) -> set[int]:
    return {(window + one) % len(circle.days) for one in range(circle.size)}


@given(circles(), st.integers(0, 2**32 - 1))
def test_a_window_is_measured_by_exactly_those_that_share_no_day_with_it(circle: Circle, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(3, 2, len(circle.days))
    values[rng.random(len(values)) < 0.1] = np.nan
    mean, spread = circle.others(values)
    for window in range(len(values)):
        apart = [one for one in range(len(values)) if not days_of(circle, window) & days_of(circle, one)]
        rest = values[apart][~np.isnan(values[apart])]
        if len(rest):
            assert mean[window] == pytest.approx(rest.mean())
            assert spread[window] == pytest.approx(rest.std(), abs=1e-6)
        else:
            assert np.isnan(mean[window])


@given(circles(), st.integers(0, 2**32 - 1))
def test_an_effect_is_the_distance_less_what_is_usual(circle: Circle, seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rng.gamma(2, 10, (len(circle.days), 5))) + 1
    found = member("x", "chi2", circle, counts)
    every = []
    for window in range(len(circle.days)):
        inside = sorted(days_of(circle, window))
        after = counts[inside, 1:].sum(axis=0)
        every.append(jensenshannon(after, counts[:, 1:].sum(axis=0) - after, base=2) ** 2)
    usual = np.median(every)
    assert found.apart == pytest.approx(every[circle.place] ** 0.5, abs=1e-7)
    assert found.beyond == pytest.approx(np.sqrt(np.maximum(0, every - usual)), abs=1e-7)


@given(st.integers(1, 6), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_the_farthest_is_held_against_all_and_the_next_against_the_rest(rows: int, windows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    far = rng.normal(size=(rows, windows)).round(1)
    counts = rng.random((rows, windows)) < 0.7
    place = int(rng.integers(windows))
    order = sorted(range(rows), key=lambda row: -far[row, place])
    least, said = 0.0, {}
    for rank, row in enumerate(order):
        as_far = sum(
            any(counts[other, window] and far[other, window] >= far[row, place] - 1e-9 for other in order[rank:])
            for window in range(windows)
            if window != place
        )
        least = said[row] = max(least, (1 + as_far) / windows)
    assert step_down(far, counts, place).tolist() == pytest.approx([said[row] for row in range(rows)])


def test_a_column_that_never_differs_enough_to_be_told_of_costs_the_others_nothing() -> None:
    policy = DriftConfig(family="max", alpha=0.5, window_days=2, min_rows=1, min_blocks=4, min_effect=0.1)
    days, size = 30, 2
    column = CategoryColumn("x", ("a", "b"), flag=False)
    told = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        steady = np.concatenate(
            [np.zeros((days, 1), int), 10**6 + rng.poisson(30_000 * rng.gamma(2, 1, (days, 3)))], axis=1
        )
        lively = np.concatenate([np.zeros((days, 1), int), rng.poisson(rng.gamma(2, 20, (days, 3)))], axis=1)
        both = [
            Compared(name, "category", column, counts[size:], counts[:size])
            for name, counts in (("lively", lively), ("steady", steady))
        ]
        alone, beside = (by_blocks([Side(DAYS[size:days], DAYS[:size], tuple(some), 0)], policy).values
                         for some in (both[:1], both))  # fmt: skip
        assert beside["lively"] == alone["lively"]
        told.append(beside["lively"].p)
    assert len(set(told)) > 5, "windows of all kinds were asked about"


def test_the_days_of_the_window_alone_are_compared_with_all_others_of_the_baseline() -> None:
    column = CategoryColumn("x", ("a", "b"), flag=False)
    counts = np.arange(6 * column.bins).reshape(6, column.bins) + 1
    days = DAYS[:6]
    baseline = Baseline((column,), days, (counts,), None, (), None, int(counts.sum()))
    window = Window(days[2], days[4])
    (side,) = sides_of("orders", baseline, {"x": BlockCounts(days, counts * 10)}, window)
    assert (side.days_before, side.days, side.shared) == ((*days[:2], *days[4:]), days[2:4], 2)
    assert side.columns[0].before.tolist() == counts[[0, 1, 4, 5]].tolist()
    assert side.columns[0].window.tolist() == (counts[2:4] * 10).tolist()
