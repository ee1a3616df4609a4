"""What becomes of single rows: set aside with their reasons, judged again when a person asks, published once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.errors import UsageError
from ray_pipeline.gate.entries import OffsetSpan, Selection
from ray_pipeline.runtime.curated import judge_again
from ray_pipeline.types import Outcome
from tests.gate_shop import LATER, NEXT_DAY, Shop, customer, day_of, order, orders_contract, verdict_of

DAY = "2026-03-01"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def family(tmp_path: Path) -> Shop:
    """Orders, each of which has a customer."""
    return Shop(tmp_path, customers=True)


def release(shop: Shop, *, waive: bool = False, **selection: object) -> None:
    judge_again(shop.config, shop.store, "orders", Selection(**selection), "because", waive=waive)  # type: ignore[arg-type]


def test_exactly_the_rows_that_break_a_rule_are_set_aside(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1, amount=-1.0), order(2), order(3, amount=-0.01), order(4)])
    shop.land("orders", [order(5)])
    report = shop.gate("orders")
    (found,) = report.datasets
    assert report.outcome is Outcome.BROKEN
    assert shop.published() == ["o0", "o2", "o4", "o5"]
    assert shop.quarantined() == {"o1": ["positive"], "o3": ["positive"]}
    assert (found.files_added, found.files_rewritten) == (1, 1)
    assert shop.breaches() == []


def test_a_row_keeps_all_its_reasons(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1), order(2), order(0, amount=-1.0)])
    shop.gate("orders")
    assert {key: sorted(reasons) for key, reasons in shop.quarantined().items()} == {
        "o0": ["positive", "unique.order_id"]
    }
    assert shop.published() == ["o0", "o1", "o2"]


def test_a_file_all_of_whose_rows_are_set_aside_leaves_no_empty_file_in_the_table(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.land("orders", [order(5, amount=-1.0)])
    found = shop.orders()
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    assert found.quarantined == 1
    assert shop.breaches() == []


def test_a_day_all_of_whose_rows_are_set_aside_makes_no_table(shop: Shop) -> None:
    shop.land("orders", [order(i, amount=-1.0) for i in range(4)])
    found = shop.orders()
    assert (found.published, found.quarantined, found.problems) == (0, 4, ())
    assert shop.breaches() == []


def test_a_warning_reports_and_holds_nothing_back(shop: Shop) -> None:
    shop.land("orders", [order(0, note=None), order(1), order(2)])
    report = shop.gate("orders")
    assert report.outcome is Outcome.HELD
    assert verdict_of(report.datasets[0], "notes") == "failed"
    assert shop.published() == ["o0", "o1", "o2"]


def test_of_a_key_that_comes_again_the_first_to_land_is_published(shop: Shop) -> None:
    shop.land(
        "orders", [order(0), order(1), order(0, note="again in one batch"), order(2)], published="2026-03-01T10:00Z"
    )
    shop.land("orders", [order(1, note="in a later file")], published="2026-03-01T11:00Z")
    shop.land("orders", [order(2, note="published earlier")], partition=1, published="2026-03-01T09:00Z")
    shop.gate("orders")
    assert shop.published() == ["o0", "o1", "o2"]
    notes = dict(zip(*(shop.rows().column(name).to_pylist() for name in ("order_id", "note")), strict=True))
    assert notes == {"o0": "n", "o1": "n", "o2": "published earlier"}
    assert shop.state().quarantined == 3
    assert shop.breaches() == []


def test_a_key_of_another_day_and_of_an_earlier_gate_is_a_duplicate_all_the_same(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    shop.land(
        "orders", [order(0), order(1, day=2), *(order(i, day=2) for i in range(10, 13))], published="2020-01-01T00:00Z"
    )
    report = shop.gate("orders")
    assert report.outcome is Outcome.BROKEN
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o2", "o3"]
    assert shop.quarantined() == {"o0": ["unique.order_id"], "o1": ["unique.order_id"]}
    assert shop.breaches() == []


def test_a_row_in_quarantine_takes_no_key_from_those_that_come_after_it(shop: Shop) -> None:
    shop.land("orders", [order(0, amount=-1.0), order(1), order(2), order(3)])
    shop.gate("orders")
    shop.land("orders", [order(0, note="corrected")])
    shop.gate("orders")
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    release(shop, day=DAY, waive=True)
    shop.gate("orders")
    assert shop.breaches() == []


def test_a_child_waits_until_its_parent_is_overdue(family: Shop) -> None:
    family.land("customers", [customer("c1")])
    family.land("orders", [order(0), order(1), order(2, customer_id="late"), order(3)])
    report = family.gate(at=NEXT_DAY)
    assert report.outcome is Outcome.HELD
    assert family.held() == {DAY: ("has-customer",)}
    assert verdict_of(report.datasets[0], "has-customer") == "pending"
    assert family.published() == []
    family.land("customers", [customer("late", hour=23), customer("c9", day=3)])
    assert family.gate(at=NEXT_DAY).outcome is Outcome.HELD
    assert family.published() == ["o0", "o1", "o2", "o3"]
    assert family.breaches() == []


def test_a_child_whose_parent_never_came_is_set_aside_once_the_watermark_has_passed_it(family: Shop) -> None:
    family.land("customers", [customer("c1")])
    family.land("orders", [order(0), order(1), order(2, customer_id="never"), order(3)])
    family.gate(at=NEXT_DAY)
    family.land("customers", [customer("c9", day=3)])
    assert family.gate(at=NEXT_DAY).outcome is Outcome.BROKEN
    assert family.published() == ["o0", "o1", "o3"]
    assert family.quarantined() == {"o2": ["has-customer"]}
    assert family.breaches() == []


def test_a_child_without_a_foreign_key_needs_no_parent(family: Shop) -> None:
    family.land("customers", [customer("c1", day=3)])
    family.land("orders", [order(i, customer_id=None) for i in range(3)])
    family.gate("orders")
    assert family.published() == ["o0", "o1", "o2"]


def test_a_parent_that_is_itself_not_gated_yet_counts_once_it_landed(family: Shop) -> None:
    family.land("customers", [customer("c1"), customer("c2", day=3)])
    family.land("orders", [order(i) for i in range(3)])
    family.gate("orders")
    assert family.published() == ["o0", "o1", "o2"]
    assert family.published("customers") == []


def test_a_row_whose_parent_came_after_all_is_published_once_in_a_later_snapshot(family: Shop) -> None:
    family.land("customers", [customer("c1"), customer("c9", day=3)])
    family.land("orders", [order(0), order(1), order(2, customer_id="late"), order(3), order(4, customer_id="never")])
    first = family.orders()
    assert set(family.quarantined()) == {"o2", "o4"}
    family.land("customers", [customer("late", hour=23)])
    release(family, check="has-customer")
    assert family.published() == ["o0", "o1", "o3"], "a release alone publishes nothing"
    second = family.orders()
    assert family.published() == ["o0", "o1", "o2", "o3"]
    assert family.quarantined() == {"o4": ["has-customer"]}, "it was judged again, and breaks it still"
    assert second.snapshot_id != first.snapshot_id
    assert family.published(snapshot_id=first.snapshot_id) == ["o0", "o1", "o3"]
    assert family.breaches() == []
    assert family.orders().decision is None, "the release is carried out, and not again"
    assert family.published() == ["o0", "o1", "o2", "o3"]


def test_waived_rows_are_published_though_they_break_their_check(shop: Shop) -> None:
    shop.land("orders", [order(0, amount=-1.0), order(1), order(2, amount=-2.0), order(3)])
    shop.gate("orders")
    release(shop, offsets=(OffsetSpan(0, 2, 3),), waive=True)
    shop.gate("orders")
    assert shop.published() == ["o1", "o2", "o3"]
    assert shop.quarantined() == {"o0": ["positive"]}
    release(shop, day=DAY, waive=True)
    shop.gate("orders")
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    assert shop.quarantined() == {}
    assert shop.breaches() == []


def test_rows_that_two_releases_choose_are_published_once(shop: Shop) -> None:
    shop.land("orders", [order(0, amount=-1.0), order(1), order(2, amount=-2.0), order(3)])
    shop.gate("orders")
    release(shop, day=DAY, waive=True)
    release(shop, check="positive", waive=True)
    shop.gate("orders")
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    assert shop.breaches() == []


def test_of_two_quarantined_rows_of_one_key_a_release_publishes_one(shop: Shop) -> None:
    shop.land("orders", [order(0, amount=-1.0), order(1), order(2), order(3)])
    shop.gate("orders")
    shop.land("orders", [order(0, amount=-2.0)])
    shop.gate("orders")
    assert shop.state().quarantined == 2
    lenient = Shop(shop.folder, orders_contract().replace("amount < 0", "amount < -9"))
    release(lenient, day=DAY)
    lenient.gate("orders")
    assert lenient.published() == ["o0", "o1", "o2", "o3"]
    assert lenient.state().quarantined == 1
    assert lenient.breaches() == []


def test_of_two_releases_that_choose_rows_of_one_key_one_row_is_published(shop: Shop) -> None:
    shop.land("orders", [order(0, amount=-1.0), order(1), order(2), order(3)])
    shop.gate("orders")
    shop.land("orders", [order(0, amount=-2.0)])
    shop.gate("orders")
    lenient = Shop(shop.folder, orders_contract().replace("amount < 0", "amount < -9"))
    release(lenient, offsets=(OffsetSpan(0, 0, 1),))
    release(lenient, offsets=(OffsetSpan(0, 4, 5),))
    lenient.gate("orders")
    assert lenient.published() == ["o0", "o1", "o2", "o3"]
    assert lenient.breaches() == []


def test_a_released_row_and_a_new_one_of_its_key_are_not_both_published(shop: Shop) -> None:
    shop.land("orders", [order(0, amount=-1.0), order(1), order(2), order(3)])
    shop.gate("orders")
    lenient = Shop(shop.folder, orders_contract().replace("amount < 0", "amount < -9"))
    lenient.land("orders", [order(0)])
    release(lenient, day=DAY)
    lenient.gate("orders")
    assert lenient.published() == ["o0", "o1", "o2", "o3"]
    assert lenient.state().quarantined == 1
    assert lenient.breaches() == []


def test_a_release_that_means_no_row_is_refused(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    with pytest.raises(UsageError, match="no quarantined row"):
        release(shop, day=DAY)
    with pytest.raises(UsageError, match="say which rows"):
        release(shop)


def test_the_rows_of_a_day_are_judged_together_wherever_they_came_from(shop: Shop) -> None:
    shop.land("orders", [order(0), order(1)], partition=0)
    shop.land("orders", [order(2)], partition=1)
    found = shop.orders(at=LATER)
    assert day_of(found).rows == 3
    assert shop.published() == ["o0", "o1", "o2"]
