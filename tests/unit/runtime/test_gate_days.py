"""What becomes of a day: published when it holds, held while it does not or may not yet, let through by people."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.errors import UsageError
from ray_pipeline.runtime.curated import let_through
from ray_pipeline.sla.result import Disposition
from ray_pipeline.types import Outcome
from tests.gate_shop import LATER, NEXT_DAY, Shop, day_of, order, orders_contract, verdict_of

DAY = "2026-03-01"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_what_landed_is_published(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.land("orders", [order(i, day=2) for i in range(4, 8)], partition=1)
    report = shop.gate("orders")
    (found,) = report.datasets
    assert report.outcome is Outcome.HELD
    assert shop.published() == [f"o{i}" for i in range(8)]
    assert (found.landed, found.published, found.quarantined, found.held) == (8, 8, 0, 0)
    assert (found.files_added, found.files_rewritten) == (2, 0)
    assert sorted((r.partition, r.start, r.end) for r in found.offsets) == [(0, 0, 4), (1, 0, 4)]
    assert shop.breaches() == []


def test_what_was_published_once_is_not_published_again(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    first = shop.orders()
    second = shop.orders()
    assert (second.days, second.decision) == ((), None)
    assert (second.snapshot_id, second.table) == (first.snapshot_id, first.table)


def test_rows_that_come_later_join_their_day_in_a_further_snapshot(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    first = shop.orders()
    shop.land("orders", [order(4), order(5, day=2), order(6, day=2), order(7, day=2)])
    second = shop.orders()
    assert day_of(second).rows == 5
    assert day_of(second).new_rows == 1
    assert shop.published() == [f"o{i}" for i in range(8)]
    assert shop.published(snapshot_id=first.snapshot_id) == ["o0", "o1", "o2", "o3"]


def test_an_empty_lake_is_nothing_to_decide(shop: Shop) -> None:
    found = shop.orders()
    assert (found.days, found.decision, found.table) == ((), None, None)


def test_a_day_that_breaks_an_error_check_is_held_until_what_landed_since_mends_it(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1)])
    shop.land("orders", [order(i, day=2) for i in range(10, 14)])
    report = shop.gate("orders", at=NEXT_DAY)
    assert report.outcome is Outcome.BROKEN
    assert shop.held() == {DAY: ("volume",)}
    assert shop.published() == ["o10", "o11", "o12", "o13"]
    assert shop.breaches() == []
    shop.land("orders", [order(2)])
    mended = shop.gate("orders", at=NEXT_DAY)
    assert mended.outcome is Outcome.HELD
    assert (day_of(mended.datasets[0]).new_rows, day_of(mended.datasets[0]).published) == (1, 3)
    assert shop.held() == {}
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o13", "o2"]
    assert shop.breaches() == []


def test_a_held_day_stays_held_while_nothing_changes_and_no_entry_is_wasted_on_it(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1)])
    shop.gate("orders")
    before = shop.state().n
    again = shop.gate("orders")
    assert again.outcome is Outcome.BROKEN
    assert again.datasets[0].held == 2
    assert shop.state().n == before


def test_a_day_below_its_minimum_waits_as_long_as_rows_may_come(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1)])
    early = shop.gate("orders", at=NEXT_DAY)
    assert early.outcome is Outcome.HELD, "pending does not count"
    assert verdict_of(early.datasets[0], "volume") == "pending"
    assert day_of(early.datasets[0]).disposition is Disposition.PENDING
    assert not day_of(early.datasets[0]).complete
    assert shop.held() == {DAY: ("volume",)}
    late = shop.gate("orders", at=LATER)
    assert late.outcome is Outcome.BROKEN
    assert day_of(late.datasets[0]).disposition is Disposition.HELD


def test_a_day_in_bounds_is_published_before_it_is_over_and_what_was_published_stays(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(99)])
    shop.gate("orders", at=NEXT_DAY)
    assert len(shop.published()) == 99
    shop.land("orders", [order(i) for i in range(99, 102)])
    broken = shop.gate("orders", at=NEXT_DAY)
    assert broken.outcome is Outcome.BROKEN
    assert (day_of(broken.datasets[0]).published, day_of(broken.datasets[0]).held) == (0, 3)
    assert len(shop.published()) == 99
    assert shop.breaches() == []


def test_a_released_day_is_published_by_the_next_gate_but_for_rows_that_break_a_rule(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1, amount=-1.0)])
    shop.gate("orders")
    assert shop.quarantined() == {}, "nothing of a held day is set aside"
    let_through(shop.config, shop.store, "orders", DAY, "the shop was closed")
    assert shop.published() == [], "a release alone publishes nothing"
    report = shop.gate("orders")
    assert report.outcome is Outcome.BROKEN, "a row broke a rule"
    assert shop.published() == ["o0"]
    assert shop.quarantined() == {"o1": ["positive"]}
    assert shop.held() == {}
    assert shop.breaches() == []
    assert shop.state().pending_held == ()


def test_a_day_that_somebody_answers_for_breaks_nothing_any_more(shop: Shop) -> None:
    shop.land("orders", [order(0)])
    shop.gate("orders")
    let_through(shop.config, shop.store, "orders", DAY, "the shop was closed")
    report = shop.gate("orders", run_id="nightly")
    assert report.outcome is Outcome.HELD
    (check,) = [one for one in day_of(report.datasets[0]).checks if one.check == "volume"]
    assert check.waived is not None
    assert "the shop was closed" in check.waived
    assert shop.gate("orders", run_id="nightly").outcome is Outcome.HELD


def test_a_release_lets_through_what_was_held_and_judges_what_came_since(shop: Shop) -> None:
    shop.land("orders", [order(0)])
    shop.gate("orders")
    let_through(shop.config, shop.store, "orders", DAY, "known")
    shop.land("orders", [order(1)])
    assert shop.gate("orders").outcome is Outcome.BROKEN
    assert shop.published() == ["o0"]
    assert shop.held() == {DAY: ("volume",)}
    assert shop.breaches() == []


def test_a_day_that_is_not_held_is_not_released(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    with pytest.raises(UsageError, match="is not held"):
        let_through(shop.config, shop.store, "orders", DAY, "because")


def test_a_day_is_released_once(shop: Shop) -> None:
    shop.land("orders", [order(0)])
    shop.gate("orders")
    let_through(shop.config, shop.store, "orders", DAY, "known")
    with pytest.raises(UsageError, match="released 2026-03-01 already"):
        let_through(shop.config, shop.store, "orders", DAY, "known")
    assert shop.state().n == 1


def test_too_little_history_is_a_verdict_that_holds_nothing_back(tmp_path: Path) -> None:
    usual = (
        "- {id: usual, type: custom, engine: ray-pipeline, severity: error, "
        "implementation: {metric: rowCountHistory, arguments: {falseAlarmBudget: 0.02}}}"
    )
    shop = Shop(tmp_path, orders_contract(more=usual))
    shop.land("orders", [order(i) for i in range(4)])
    report = shop.gate("orders")
    assert report.outcome is Outcome.HELD
    assert verdict_of(report.datasets[0], "usual") == "not enough history"
    assert len(shop.published()) == 4


def test_values_of_earlier_days_are_remembered_and_a_day_judged_again_gets_the_newer_one(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1)])
    shop.gate("orders", at=NEXT_DAY)
    shop.land("orders", [order(2), *(order(i, day=2) for i in range(10, 15))])
    shop.gate("orders")
    assert shop.state().history["volume"] == ((DAY, 3.0), ("2026-03-02", 5.0))


def test_a_clock_that_was_set_back_undoes_nothing(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    shop.land("orders", [order(4), order(10, day=2)])
    shop.gate("orders", at=NEXT_DAY.replace(year=2020))
    assert shop.published() == ["o0", "o1", "o2", "o3", "o4"]
    assert shop.held() == {"2026-03-02": ("volume",)}
    assert shop.breaches() == []
