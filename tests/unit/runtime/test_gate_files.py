"""Files that are not what they should be hold their day alone; those of older contracts are judged by the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from ray_pipeline.gate.entries import Selection
from ray_pipeline.runtime.curated import judge_again, let_through
from ray_pipeline.types import Outcome
from tests.gate_shop import Shop, customer, day_of, order, orders_contract, verdict_of

DAY = "2026-03-01"
COUPON = "- {name: coupon, logicalType: string}"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Two days, gated never."""
    shop = Shop(tmp_path)
    shop.land("orders", [order(i) for i in range(4)])
    shop.land("orders", [order(i, day=2) for i in range(10, 14)])
    return shop


def path_of(shop: Shop, number: int, dataset: str = "orders") -> Path:
    return Path(shop.config.store, shop.landed_files(dataset)[number].key)


@pytest.mark.parametrize("damage", ["changed", "cut", "empty", "gone"])
def test_an_unreadable_file_holds_its_day_until_it_is_restored(shop: Shop, damage: str) -> None:
    path = path_of(shop, 0)
    good = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"changed": good[:50] + b"X" + good[51:], "cut": good[:-9], "empty": b""}[damage])
    report = shop.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    assert shop.published() == ["o10", "o11", "o12", "o13"]
    assert verdict_of(report.datasets[0], "readable-files") == "could not be judged"
    (check,) = [one for one in day_of(report.datasets[0]).checks if one.check == "readable-files"]
    assert path.name in check.detail
    assert "\n" not in check.detail
    assert set(shop.held()) == {DAY}
    again = shop.gate("orders")
    assert again.outcome is Outcome.UNKNOWN
    path.write_bytes(good)
    assert shop.gate("orders").outcome is Outcome.HELD
    assert len(shop.published()) == 8
    assert shop.breaches() == []


def test_a_release_waits_for_a_file_that_cannot_be_read(shop: Shop) -> None:
    path = path_of(shop, 0)
    good = path.read_bytes()
    shop.land("orders", [order(4), order(5), order(10), order(6, amount=-1.0)])
    path.write_bytes(b"")
    shop.gate("orders")
    let_through(shop.config, shop.store, "orders", DAY, "go on")
    report = shop.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    assert shop.published() == ["o10", "o11", "o12", "o13"], "which rows to set aside cannot be said yet"
    path.write_bytes(good)
    shop.gate("orders")
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o13", "o2", "o3", "o4", "o5"]
    assert shop.quarantined() == {"o10": ["unique.order_id"], "o6": ["positive"]}
    assert shop.breaches() == []


def test_a_file_that_was_damaged_after_it_was_measured_holds_its_day(shop: Shop) -> None:
    small = Shop(shop.folder, orders_contract().replace("[3, 100]", "[5, 100]"))
    small.gate("orders")
    assert set(small.held()) == {DAY, "2026-03-02"}
    path = path_of(small, 0)
    good = path.read_bytes()
    path.write_bytes(good[:-4])
    small.land("orders", [order(5), order(15, day=2)])
    report = small.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    assert set(small.held()) == {DAY}
    assert small.published() == ["o10", "o11", "o12", "o13", "o15"]
    path.write_bytes(good)
    assert small.gate("orders").outcome is Outcome.HELD
    assert len(small.published()) == 10
    assert small.breaches() == []


def test_a_file_with_a_row_to_set_aside_that_was_damaged_after_it_was_measured_holds_its_day(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land("orders", [order(0), order(1, amount=-1.0)])
    shop.gate("orders")
    path = path_of(shop, 0)
    good = path.read_bytes()
    path.write_bytes(b"PAR1")
    shop.land("orders", [order(2), *(order(i, day=2) for i in range(10, 13))])
    assert shop.gate("orders").outcome is Outcome.UNKNOWN
    assert shop.published() == ["o10", "o11", "o12"]
    path.write_bytes(good)
    shop.gate("orders")
    assert shop.published() == ["o0", "o10", "o11", "o12", "o2"]
    assert shop.breaches() == []


def test_a_query_over_a_day_one_of_whose_files_was_damaged_could_not_be_judged(tmp_path: Path) -> None:
    query = "- {id: spread, type: sql, mustBeLessThan: 9, severity: error, query: 'SELECT MAX(amount) FROM ${table}'}"
    shop = Shop(tmp_path, orders_contract(more=query))
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    path = path_of(shop, 0)
    good = path.read_bytes()
    path.write_bytes(good[:-4])
    shop.land("orders", [order(4), *(order(i, day=2) for i in range(10, 13))])
    report = shop.gate("orders", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert set(shop.held()) == {DAY}
    path.write_bytes(good)
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o2", "o3"]
    assert shop.gate("orders").outcome is Outcome.HELD
    assert "o4" in shop.published()


def test_a_parents_file_that_cannot_be_read_leaves_its_children_waiting(tmp_path: Path) -> None:
    shop = Shop(tmp_path, customers=True)
    shop.land("customers", [customer("c1"), customer("c2", day=9)])
    shop.land("orders", [order(i) for i in range(3)])
    path = path_of(shop, 0, "customers")
    good = path.read_bytes()
    path.write_bytes(b"")
    report = shop.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    assert shop.published() == []
    assert verdict_of(report.datasets[0], "has-customer") == "could not be judged"
    path.write_bytes(good)
    shop.gate("orders")
    assert shop.published() == ["o0", "o1", "o2"]


def test_a_quarantine_file_that_cannot_be_read_stops_its_release_alone(shop: Shop) -> None:
    shop.land("orders", [order(4, amount=-1.0)])
    shop.gate("orders")
    (path,) = Path(shop.config.store, "shop/_gate/orders/quarantine").rglob("*.parquet")
    good = path.read_bytes()
    judge_again(shop.config, shop.store, "orders", Selection(DAY), "look", waive=True)
    path.write_bytes(b"")
    shop.land("orders", [order(i, day=3) for i in range(20, 23)])
    report = shop.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    assert {"o20", "o21", "o22"} <= set(shop.published())
    assert path.name in " ".join(report.datasets[0].problems)
    path.write_bytes(good)
    assert shop.gate("orders").outcome is Outcome.HELD
    assert "o4" in shop.published()
    assert shop.breaches() == []


def test_a_column_that_a_later_contract_adds_is_null_in_what_landed_before(shop: Shop) -> None:
    first = shop.orders()
    later = Shop(shop.folder, orders_contract(version="1.1.0", column=COUPON))
    later.land("orders", [order(20, coupon="x"), order(21, day=2)])
    second = later.orders()
    assert second.problems == ()
    rows = {row["order_id"]: row["coupon"] for row in later.rows().select(["order_id", "coupon"]).to_pylist()}
    assert rows["o20"] == "x"
    assert {rows[name] for name in rows if name != "o20"} == {None}
    assert len(rows) == 10
    assert "coupon" not in _columns_of(later, first.snapshot_id)
    assert later.breaches() == []


def test_files_of_an_older_contract_that_were_held_are_published_under_the_newer_one(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.land("orders", [order(0), order(1, amount=-1.0)])
    shop.gate("orders")
    later = Shop(tmp_path, orders_contract(version="1.1.0", column=COUPON))
    later.land("orders", [order(2, coupon="x"), order(3, amount=-1.0, coupon="y")])
    later.gate("orders")
    assert later.published() == ["o0", "o2"]
    assert later.quarantined() == {"o1": ["positive"], "o3": ["positive"]}
    judge_again(later.config, later.store, "orders", Selection(DAY), "both", waive=True)
    later.gate("orders")
    assert later.published() == ["o0", "o1", "o2", "o3"]
    assert later.breaches() == []


def test_a_column_that_a_later_contract_leaves_out_stays_in_the_table(shop: Shop) -> None:
    rich = Shop(shop.folder, orders_contract(column=COUPON, version="1.1.0"))
    rich.land("orders", [order(20, coupon="x"), order(21, coupon="y", amount=-1.0)])
    rich.gate("orders")
    poor = Shop(shop.folder, orders_contract(version="2.0.0"))
    poor.land("orders", [order(22), order(23, amount=-1.0)])
    found = poor.orders()
    assert found.problems == ()
    rows = {row["order_id"]: row["coupon"] for row in poor.rows().select(["order_id", "coupon"]).to_pylist()}
    assert rows["o20"] == "x"
    assert rows["o22"] is None
    judge_again(poor.config, poor.store, "orders", Selection(DAY), "both", waive=True)
    assert poor.orders().problems == ()
    assert {"o21", "o23"} <= set(poor.published())
    assert poor.breaches() == []


def test_a_contract_whose_type_the_table_cannot_take_is_a_problem_and_the_old_snapshot_stays(shop: Shop) -> None:
    first = shop.orders()
    other = Shop(
        shop.folder,
        orders_contract(version="2.0.0")
        .replace("name: amount, logicalType: number", "name: amount, logicalType: string")
        .replace("amount < 0", "amount = '-'"),
    )
    other.land("orders", [order(30, day=4, amount="many"), order(31, day=4, amount="x"), order(32, day=4, amount="-")])
    report = other.gate("orders", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert other.published() == shop.published(snapshot_id=first.snapshot_id)
    assert all("\n" not in problem for problem in report.datasets[0].problems)


def _columns_of(shop: Shop, snapshot_id: int | None) -> list[str]:
    from ray_pipeline.runtime.open import open_pipeline

    table = open_pipeline(shop.config).curated("orders")
    assert table is not None
    return list(table.scan(snapshot_id).column_names)
