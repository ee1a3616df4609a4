"""What was found by attacking the gate: contracts that change their event time, older copies, a race with ingest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.config import load_config
from ray_pipeline.connectors.iceberg.catalog import open_catalog
from ray_pipeline.connectors.iceberg.publication import APPLIED
from ray_pipeline.errors import TableSchemaError, UsageError
from ray_pipeline.lake.history import read_history
from ray_pipeline.runtime.curated import let_through
from ray_pipeline.runtime.jobs import landed
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.types import Outcome
from tests.gate_lake import GateLake
from tests.gate_shop import CUSTOMERS, LATER, Shop, customer, order, orders_contract, verdict_of

PAID = "- {name: paid_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def land_anew(shop: Shop, contract: str, rows: list[dict[str, Any]]) -> None:
    """Land rows under another version of the contract, as an ingest does that was started again."""
    (shop.folder / "orders.odcs.yaml").write_text(contract)
    shop.config = load_config(shop.file)
    shop._contracts.clear()
    shop._logs.clear()
    shop.land("orders", rows)


def paid(number: int, day: int, hour: float = 12) -> dict[str, Any]:
    return order(number, day=day, hour=hour, paid_at="2026-03-10T00:00:00Z")


def by_payment() -> str:
    text = orders_contract(version="2.0.0", column=PAID)
    return text.replace("eventTime, value: placed_at", "eventTime, value: paid_at")


def test_an_event_time_that_the_table_is_not_divided_by_is_refused_before_anything_is_decided(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    land_anew(shop, by_payment(), [paid(i, day=i) for i in range(5, 9)])
    report = shop.gate("orders", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert "days of 'placed_at'" in report.datasets[0].problems[0]
    assert "nothing was decided" in report.datasets[0].problems[0]
    assert "rows published" not in str(report)
    assert (report.datasets[0].published, report.datasets[0].landed, report.datasets[0].held) == (4, 4, 0)
    assert shop.state().decision == 0

    # Back to the event time of the table: what landed meanwhile has no one day of it, and blocks nobody.
    land_anew(shop, orders_contract(version="3.0.0", column=PAID), [paid(i, day=20) for i in range(10, 14)])
    report = shop.gate("orders")
    assert report.datasets[0].problems == ()
    assert shop.held().keys() == {"2026-03-10"}
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o13", "o2", "o3"]
    assert shop.breaches() == []


def test_a_file_that_landed_under_another_event_time_is_held_and_the_rest_is_published(shop: Shop) -> None:
    shop.land("orders", [order(1), order(2)])
    shop.gate("orders")
    let_through(shop.config, shop.store, "orders", "2026-03-01", "few, and we know why")
    land_anew(shop, by_payment(), [paid(i, day=i) for i in range(5, 9)])
    report = shop.gate("orders")
    assert report.datasets[0].problems == ()
    assert verdict_of(report.datasets[0], "readable-files") == "could not be judged"
    assert shop.held().keys() == {"2026-03-01"}
    assert shop.published() == ["o5", "o6", "o7", "o8"]
    assert shop.breaches() == []


def test_a_ledger_that_is_older_than_the_table_decides_nothing(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    shop.land("orders", [order(4)])
    shop.gate("orders", run_id="nightly")
    entry = Path(shop.config.store, "shop/_gate/orders/00000000000000000001.json")
    newest = entry.read_bytes()
    entry.unlink()  # a bucket that was restored as of before, and a catalog that was not
    shop.land("orders", [order(5)])
    for _ in range(2):
        report = shop.gate("orders", balanced=False)
        assert report.outcome is Outcome.UNKNOWN
        assert "the table holds decision 1 and the ledger ends with entry 0" in report.datasets[0].problems[0]
        assert shop.state().n == 0
    entry.write_bytes(newest)
    shop.gate("orders")
    assert shop.published() == [f"o{i}" for i in range(6)]
    assert shop.breaches() == []


def test_a_table_whose_mark_is_no_number_is_refused_in_one_sentence(shop: Shop) -> None:
    shop.land("orders", [order(i) for i in range(4)])
    shop.gate("orders")
    table = open_catalog(shop.config).table("orders")
    assert table is not None
    with table._load().transaction() as change:
        change.set_properties({APPLIED: "many"})
    shop.land("orders", [order(4)])
    with pytest.raises(TableSchemaError, match=f"{APPLIED} names no decision"):
        shop.gate("orders", balanced=False)
    assert shop.state().n == 0


def test_a_day_is_not_called_complete_by_rows_that_came_while_the_gate_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.land("orders", [order(0), order(1)])
    read = read_history
    came: list[bool] = []

    def reading(*args: Any, **options: Any) -> Iterator[Any]:
        yield from read(*args, **options)
        if not came:
            came.append(True)
            shop.land("orders", [order(2), *(order(i, day=4) for i in range(10, 14))])

    monkeypatch.setattr(landed, "read_history", reading)
    at = datetime(2026, 3, 2, 6, tzinfo=UTC)
    found = shop.gate("orders", at=at, balanced=False).datasets[0]
    assert verdict_of(found, "volume") == "pending", "the third row had landed, and this gate had not read it"
    shop.gate("orders", at=at)
    assert shop.published() == ["o0", "o1", "o10", "o11", "o12", "o13", "o2"]


def test_a_group_that_is_silent_for_a_whole_day_has_its_gap(tmp_path: Path) -> None:
    text = CUSTOMERS.replace(
        "customProperties:",
        "slaProperties: [{id: rhythm, property: frequency, value: 36, unit: h}]\ncustomProperties:",
    )
    text = text.replace("unique: true", "primaryKey: true, primaryKeyPosition: 1")
    text = text.replace("{name: joined_at,", "{name: joined_at, primaryKey: true, primaryKeyPosition: 2,")
    lake = GateLake(tmp_path, {"customers": text})
    lake.land("customers", [customer("a", day, hour) for day in range(1, 5) for hour in (1, 9, 17, 23)])
    lake.land("customers", [customer("b", 1, 23), customer("b", 3, 22)], partition=1)
    (found,) = run_gate(lake.config, at=LATER).datasets
    assert verdict_of(found, "rhythm", "2026-03-02") == "passed", "25 hours until its end"
    assert verdict_of(found, "rhythm", "2026-03-03") == "failed", "47 hours, with a day between them"


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=14))),
    ],
)
def test_a_gates_clock_at_the_end_of_the_calendar_is_refused(shop: Shop, at: datetime) -> None:
    with pytest.raises(UsageError, match="between 1970 and 9999"):
        shop.gate("orders", at=at)


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), LATER])
def test_days_at_the_ends_of_the_calendar_are_published(shop: Shop, at: datetime) -> None:
    times = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"]
    shop.land("orders", [order(10 * i + k, placed_at=time) for i, time in enumerate(times) for k in range(3)])
    shop.gate("orders", at=at)
    assert len(shop.published()) == 9
    assert shop.breaches() == []
