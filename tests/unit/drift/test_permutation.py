"""p-values by permutation: exact where all ways can be listed, the same in any order, of no more draws than needed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.stats import fisher_exact

from ray_pipeline.drift import permutation
from ray_pipeline.drift.distance import ks
from ray_pipeline.drift.family import benjamini_hochberg
from ray_pipeline.drift.permutation import Blocks, Rows, Trial, exceedances_for, family_p, permutation_p


def _rows(random: np.random.Generator, *, moved: bool = False) -> Rows:
    even = np.full(10, 0.1)
    window = np.linspace(0.02, 0.18, 10) if moved else even
    return Rows(np.r_[0, random.multinomial(2_000, even)], np.r_[0, random.multinomial(500, window)])


def test_two_categories_have_the_p_value_of_the_exact_test() -> None:
    before, after = np.array([0, 40, 10]), np.array([0, 12, 8])
    exact = fisher_exact([[40, 10], [12, 8]]).pvalue
    found = np.mean([permutation_p("chi2", before, after, permutations=1_999, seed=seed) for seed in range(40)])
    assert found < exact  # the coin gives to a tie half its weight on average …
    assert found == pytest.approx(exact, abs=0.05)  # … and there are few statistics here


def test_blocks_have_the_p_value_of_all_ways_to_split_them() -> None:
    random = np.random.default_rng(5)
    blocks = np.pad(random.multinomial(40, np.full(4, 0.25), size=9), ((0, 0), (1, 0)))
    blocks[6:, 1] += random.integers(0, 60, 3)
    observed = ks(blocks[:6].sum(axis=0), blocks[6:].sum(axis=0))
    ways = [
        ks(blocks.sum(axis=0) - blocks[list(chosen)].sum(axis=0), blocks[list(chosen)].sum(axis=0))
        for chosen in itertools.combinations(range(9), 3)
    ]
    farther, same = (np.mean(np.array(ways) > observed + 1e-9), np.mean(np.isclose(ways, observed)))
    trial = Trial("x", "ks", Blocks(blocks[:6], blocks[6:]))
    found = [float(family_p([trial], seed=seed, exceedances=400)[0]) for seed in range(10)]
    assert Blocks(blocks[:6], blocks[6:]).assignments == len(ways) == 84
    assert np.mean(found) == pytest.approx(farther + same / 2, abs=same / 2 + 0.02)


def test_the_same_seed_gives_the_same_p_and_another_one_another() -> None:
    before, after = np.array([0, 30, 30, 40]), np.array([0, 30, 35, 20])
    found = [permutation_p("ks", before, after, seed=seed) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]


def test_neither_order_nor_company_changes_a_test_that_ends_by_itself() -> None:
    random = np.random.default_rng(6)
    trials = [Trial(f"c{place}", "chi2", _rows(random)) for place in range(6)]
    forth = family_p(trials, seed=3, exceedances=20)
    back = family_p(trials[::-1], seed=3, exceedances=20)[::-1]
    assert forth.tolist() == back.tolist()
    alone = [float(family_p([trial], seed=3, exceedances=20)[0]) for trial in trials]
    assert [p for p in forth if p > 0.05] == [p for p in alone if p > 0.05]


def test_a_family_calls_different_what_it_would_with_all_draws() -> None:
    random = np.random.default_rng(7)
    for moved in (0, 2, 20):
        trials = [Trial(f"c{place}", "ks", _rows(random, moved=place < moved)) for place in range(20)]
        few = benjamini_hochberg(family_p(trials, seed=1, exceedances=10)) <= 0.05
        all_draws = [permutation_p(one.kind, one.null.reference, one.null.window, permutations=3_999) for one in trials]
        assert few.tolist() == (benjamini_hochberg(np.array(all_draws)) <= 0.05).tolist()


def test_a_single_column_of_two_hundred_can_be_found() -> None:
    random = np.random.default_rng(8)
    trials = [Trial(f"c{place}", "ks", _rows(random, moved=place == 0)) for place in range(200)]
    p = family_p(trials)
    assert p[0] < 0.05 / 200
    assert np.flatnonzero(benjamini_hochberg(p) <= 0.05).tolist() == [0]


def test_draws_are_no_more_than_the_family_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    statistics = permutation.statistics

    def counted(kind: object, reference: object, window: np.ndarray) -> object:
        drawn.append(len(window) if window.ndim == 2 else 0)
        return statistics(kind, reference, window)  # type: ignore[arg-type]

    monkeypatch.setattr(permutation, "statistics", counted)
    random = np.random.default_rng(9)
    family_p([Trial(f"c{place}", "ks", _rows(random, moved=True)) for place in range(200)])
    assert sum(drawn) < 200 * 2 * 8 / 0.05  # where all moved, each is below alpha soon


def test_both_ways_of_drawing_draw_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    null = Rows(np.array([7, 40, 0, 60]), np.array([9, 20, 5, 5]))
    for cost in (0, 10**9):
        monkeypatch.setattr(permutation, "_COUNT_NS", cost)
        before, after = null.draw(np.random.default_rng(1), 4_000)
        assert (after[:, 1:].sum(axis=1) == 30).all() and not after[:, 0].any()
        assert (before + after == np.array([0, 60, 5, 65])).all()
        assert after.mean(axis=0).tolist() == pytest.approx([0, 30 * 60 / 130, 30 * 5 / 130, 30 * 65 / 130], abs=0.1)


def test_a_side_without_values_has_no_p_and_one_bin_is_surely_the_same() -> None:
    assert math.isnan(permutation_p("ks", np.array([5, 0, 0]), np.array([0, 1, 2])))
    assert permutation_p("chi2", np.array([0, 9, 0]), np.array([0, 4, 0])) == 1.0
    p = family_p([Trial("none", "ks", Rows(np.array([5, 0]), np.array([0, 1]))), *_trial("same", [0, 9], [0, 9])])
    assert np.isnan(p[0]) and p[1] == 1.0
    assert family_p([]).tolist() == []


def test_two_tests_of_one_column_share_its_budget() -> None:
    random = np.random.default_rng(10)
    rows = _rows(random, moved=True)
    whole = family_p([Trial("x", "ks", rows)], exceedances=50)
    halves = family_p([Trial("x", "ks", rows, share=0.5), Trial("x", "chi2", rows, "missing", 0.5)], exceedances=50)
    assert whole[0] == pytest.approx(0.05 / 50)
    assert (halves == 0.05 / 50 / 2).all()  # twice the draws, so that the half of alpha can be reached


def test_the_more_columns_the_fewer_draws_for_each() -> None:
    enough = [exceedances_for(columns, 0.05) for columns in (1, 10, 50, 200, 5_000)]
    assert enough == sorted(enough, reverse=True) and enough[0] == 200 and enough[-1] >= 1


def _trial(name: str, before: list[int], after: list[int]) -> list[Trial]:
    return [Trial(name, "chi2", Rows(np.array(before), np.array(after)))]
