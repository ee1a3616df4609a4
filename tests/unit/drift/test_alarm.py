"""A window against its baseline's own days: what fires, what cannot be said, and what changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ray_pipeline.config.drift import DriftConfig
from ray_pipeline.drift.alarm import alarm, judge_window
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.verdict import ColumnVerdict, Window, WindowVerdict
from tests.bench.drift_alarm import made_up, split_off

DIGEST = "0" * 64
DAYS, SIZE = 40, 2
Counts = dict[str, BlockCounts]


def policy(**settings: object) -> DriftConfig:
    return DriftConfig.model_validate({"window_days": SIZE, "min_rows": 50, **settings})


@pytest.fixture(scope="module")
def usual() -> tuple[Baseline, Counts, Window]:
    """Four columns of forty days, and two days more to which nothing happened."""
    return split_off(made_up(np.random.default_rng(4), 4, DAYS + SIZE), SIZE)


def judge(usual: tuple[Baseline, Counts, Window], counts: Counts, **settings: object) -> WindowVerdict:
    baseline, _, window = usual
    return judge_window("orders", baseline, DIGEST, counts, window, policy(**settings))


def column(verdict: WindowVerdict, name: str) -> ColumnVerdict:
    return next(one for one in verdict.columns if one.name == name)


def turned(counts: Counts, name: str) -> Counts:
    """Let the commonest bin of a column be the rarest."""
    found = counts[name]
    values = found.counts[:, 1:]
    order = np.argsort(values.sum(axis=0))
    swapped = values.copy()
    swapped[:, order] = values[:, order[::-1]]
    return counts | {name: BlockCounts(found.blocks, np.concatenate([found.counts[:, :1], swapped], axis=1))}


def test_nothing_moved_is_as_usual_and_one_column_that_did_is_named(usual: tuple[Baseline, Counts, Window]) -> None:
    _, counts, _ = usual
    assert judge(usual, counts).drift is False
    verdict = judge(usual, turned(counts, "column_002"))
    assert verdict.drift is True
    assert [one.name for one in verdict.moved] == ["column_002"]
    assert column(verdict, "column_002").reason


def test_parts_of_the_counts_in_any_order_give_the_same_bits(usual: tuple[Baseline, Counts, Window]) -> None:
    _, counts, _ = usual
    backwards = {
        name: BlockCounts(one.blocks[::-1], one.counts[::-1].copy()) for name, one in reversed(list(counts.items()))
    }
    assert judge(usual, counts) == judge(usual, backwards)


def test_the_missing_share_fires_by_itself(usual: tuple[Baseline, Counts, Window]) -> None:
    _, counts, _ = usual
    gone = counts["column_001"].counts.copy()
    taken = gone[:, 1:] // 2
    gone[:, 1:] -= taken
    gone[:, 0] += taken.sum(axis=1)
    found = column(judge(usual, counts | {"column_001": BlockCounts(counts["column_001"].blocks, gone)}), "column_001")
    assert found.drift is True
    assert found.missing is not None and found.missing > 0.4
    assert found.p is not None and found.p > 0.05, "its values are as before"


def test_a_column_without_any_value_moved_and_says_why(usual: tuple[Baseline, Counts, Window]) -> None:
    _, counts, _ = usual
    found = counts["column_000"].counts
    none = np.zeros_like(found)
    none[:, 0] = found.sum(axis=1)
    said = column(judge(usual, counts | {"column_000": BlockCounts(counts["column_000"].blocks, none)}), "column_000")
    assert (said.drift, said.missing, said.p) == (True, 1.0, None)
    assert said.reason


def test_a_constant_column_never_moves_until_it_does(usual: tuple[Baseline, Counts, Window]) -> None:
    baseline, counts, window = usual
    place = baseline.names.index("column_003")
    constant = np.zeros_like(baseline.counts[place])
    constant[:, 3] = 1000
    same = replace(baseline, counts=tuple(constant if at == place else one for at, one in enumerate(baseline.counts)))
    still = np.zeros_like(counts["column_003"].counts)
    still[:, 3] = 1000
    told = {}
    for what, bin_of in (("still", 3), ("moved", 9)):
        now = np.roll(still, bin_of - 3, axis=1)
        given = counts | {"column_003": BlockCounts(counts["column_003"].blocks, now)}
        told[what] = column(judge_window("orders", same, DIGEST, given, window, policy()), "column_003")
    assert (told["still"].drift, told["still"].effect) == (False, 0.0)
    assert (told["moved"].drift, told["moved"].effect) == (True, 1.0)


def test_a_window_with_ten_rows_and_one_without_counts_say_nothing_and_why(
    usual: tuple[Baseline, Counts, Window],
) -> None:
    _, counts, _ = usual
    ten = {name: BlockCounts(one.blocks[:1], np.eye(1, one.counts.shape[1], 1, dtype=np.int64) * 10) for name, one in
           counts.items()}  # fmt: skip
    few = judge(usual, ten)
    assert few.drift is None and any("nothing can be said" in one for one in few.notices)
    assert all(one.drift is None and one.reason for one in few.columns)
    assert judge(usual, {}).drift is None


def test_a_baseline_of_too_few_days_says_nothing_and_why(usual: tuple[Baseline, Counts, Window]) -> None:
    baseline, counts, window = usual
    short = replace(baseline, blocks=baseline.blocks[:6], counts=tuple(one[:6] for one in baseline.counts))
    verdict = judge_window("orders", short, DIGEST, counts, window, policy())
    assert verdict.drift is None
    assert any("nothing can be said" in one for one in verdict.notices)


def test_a_difference_below_the_least_effect_is_none(usual: tuple[Baseline, Counts, Window]) -> None:
    _, counts, _ = usual
    moved = turned(counts, "column_002")
    assert judge(usual, moved, min_effect=0.0).drift is True
    assert judge(usual, moved, min_effect=1.0).drift is False


@pytest.mark.parametrize("settings", [{"family": "bh"}, {"same": "weekday", "alpha": 0.2}])
def test_each_way_to_compare_finds_what_moved(
    usual: tuple[Baseline, Counts, Window], settings: dict[str, object]
) -> None:
    _, counts, _ = usual
    assert "column_002" in {one.name for one in judge(usual, turned(counts, "column_002"), **settings).moved}


def test_rows_that_are_independent_are_tested_as_such(usual: tuple[Baseline, Counts, Window]) -> None:
    baseline, counts, window = usual
    moved = turned(counts, "column_002")
    first, again = (
        judge_window("orders", baseline, DIGEST, moved, window, policy(), independent=True, seed=7) for _ in range(2)
    )
    assert first == again
    assert first.null == "rows" and "column_002" in {one.name for one in first.moved}


def test_an_alarm_takes_k_of_n_and_what_cannot_be_said_neither_makes_nor_ends_one(
    usual: tuple[Baseline, Counts, Window],
) -> None:
    _, counts, _ = usual
    moved, still, unknown = judge(usual, turned(counts, "column_002")), judge(usual, counts), judge(usual, {})

    def week(number: int, verdict: WindowVerdict) -> WindowVerdict:
        return replace(verdict, window=Window(f"2014-01-{number:02}", f"2014-01-{number + 1:02}"))

    def fired(*verdicts: WindowVerdict) -> bool:
        return alarm([week(number, one) for number, one in enumerate(verdicts, 1)], policy()).fired

    assert not fired() and not fired(moved) and not fired(still, moved, still)
    assert fired(moved, moved) and fired(moved, still, moved) and fired(moved, unknown, unknown, moved)
    assert fired(moved, moved, unknown) and not fired(moved, moved, still, still)
    said = alarm([week(1, still), week(2, moved), week(3, moved)], policy())
    assert (said.since, said.columns, said.windows) == (Window("2014-01-02", "2014-01-03"), ("column_002",), 2)
