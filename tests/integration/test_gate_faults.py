"""What a gate does when its inputs, its catalog, its disk or its clock are bad: one sentence, and nothing by half."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from ray_pipeline.errors import RayPipelineError, StoreDeniedError, StoreUnavailableError
from ray_pipeline.gate.lease import Leases
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.types import Outcome
from tests.gate_second_day import BEFORE, check_before, check_done, land_first, land_second, sentence
from tests.gate_shop import NEXT_DAY, Shop, order


@pytest.fixture(autouse=True)
def _planner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_ICEBERG_PLANNER", "pyiceberg")  # the other planner is a package of its own


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """One day is published, and a row is set aside."""
    shop = Shop(tmp_path)
    land_first(shop)
    shop.gate("orders")
    return shop


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a lock of the catalog gives up soon."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0.05}))


# The catalog


def catalog_of(shop: Shop) -> Path:
    return Path(shop.config.store, "shop", "_gate", "catalog.db")


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
def test_a_locked_catalog_keeps_nothing_from_being_decided_and_the_next_gate_publishes(
    shop: Shop, impatient: None, lock: str
) -> None:
    land_second(shop)
    holder = sqlite3.connect(catalog_of(shop), isolation_level=None)
    holder.execute(f"BEGIN {lock}")
    report = shop.gate("orders", run_id="nightly", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert "another process holds its lock" in sentence(report.datasets[0])
    assert "the next gate publishes" in sentence(report.datasets[0])
    assert shop.state().published == len(BEFORE) + 3
    holder.execute("ROLLBACK")
    holder.close()
    check_before(shop)
    again = shop.gate("orders")
    assert again.outcome is Outcome.HELD
    check_done(shop)


def test_a_run_that_found_the_catalog_locked_publishes_when_it_is_repeated(shop: Shop, impatient: None) -> None:
    land_second(shop)
    holder = sqlite3.connect(catalog_of(shop), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert shop.gate("orders", run_id="nightly", balanced=False).outcome is Outcome.UNKNOWN
    holder.execute("ROLLBACK")
    holder.close()
    again = shop.gate("orders", run_id="nightly")
    assert (again.repeated, again.outcome, again.datasets[0].problems) == (True, Outcome.BROKEN, ())
    assert again.datasets[0].table is not None
    check_done(shop)


def test_a_first_gate_that_finds_the_catalog_locked_is_made_good(tmp_path: Path, impatient: None) -> None:
    shop = Shop(tmp_path)
    shop.land("orders", [order(i) for i in range(4)])
    catalog_of(shop).parent.mkdir(parents=True)
    holder = sqlite3.connect(catalog_of(shop), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    report = shop.gate("orders", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert "another process holds its lock" in sentence(report.datasets[0])
    holder.execute("ROLLBACK")
    holder.close()
    assert shop.gate("orders").outcome is Outcome.HELD
    assert shop.published() == BEFORE


def test_a_catalog_that_was_deleted_is_found_again_with_every_snapshot(shop: Shop) -> None:
    table = open_pipeline(shop.config).curated("orders")
    assert table is not None
    old = table.info()["snapshot_id"]
    catalog_of(shop).unlink()
    land_second(shop)
    report = shop.gate("orders")
    assert report.datasets[0].problems == ()
    check_done(shop)
    assert shop.published(snapshot_id=old) == BEFORE


def test_a_catalog_that_was_deleted_is_found_again_by_a_gate_with_nothing_new(shop: Shop) -> None:
    catalog_of(shop).unlink()
    assert shop.gate("orders").outcome is Outcome.HELD
    check_before(shop)


def test_a_catalog_that_is_no_catalog_is_refused_in_one_sentence_and_left_alone(shop: Shop) -> None:
    good = catalog_of(shop).read_bytes()
    catalog_of(shop).write_bytes(b"no database" * 100)
    land_second(shop)
    with pytest.raises(RayPipelineError, match="is not a SQLite database") as refused:
        shop.gate("orders", balanced=False)
    assert "\n" not in str(refused.value)
    catalog_of(shop).write_bytes(good)
    check_before(shop)
    shop.gate("orders")
    check_done(shop)


# The disk

WRITES = (".lease-", ".state", "/quarantine/", "/days/", "/orders/00000000000000000001.json", "checkpoint.json")
PUBLICATION = ("-m0.avro", "snap-", ".metadata.json")
REPORT = ("run_results.json", "report.html", "index.html")


def fill(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """Let the disk be full from the first write on that is about such a file."""
    full = [False]
    replace, link, sync = Path.replace, os.link, os.fsync

    def check(path: object) -> None:
        full[0] = full[0] or part in str(path)
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def replacing(self: Path, target: Path) -> Path:
        check(target)
        return replace(self, target)

    def linking(source: Path, target: Path) -> None:
        check(target)
        link(source, target)

    def syncing(descriptor: int) -> None:
        check(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(Path, "replace", replacing)
    monkeypatch.setattr(os, "link", linking)
    monkeypatch.setattr(os, "fsync", syncing)


@pytest.mark.parametrize("part", WRITES[:-1])
def test_a_disk_that_is_full_before_the_decision_changes_nothing(
    shop: Shop, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_second(shop)
    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", lambda _: None)
        fill(patch, part)
        with pytest.raises(RayPipelineError) as refused:
            shop.gate("orders", run_id="nightly", balanced=False)
    assert "\n" not in str(refused.value)
    check_before(shop)
    assert shop.state().decision == 0
    shop.gate("orders", run_id="nightly")
    check_done(shop)


@pytest.mark.parametrize("part", [WRITES[-1], *PUBLICATION])
def test_a_disk_that_fills_up_in_mid_publication_leaves_the_old_snapshot_and_the_next_gate_goes_on(
    shop: Shop, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_second(shop)
    with monkeypatch.context() as patch:
        fill(patch, part)
        report = shop.gate("orders", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert "no space left" in sentence(report.datasets[0]) or "disk is full" in sentence(report.datasets[0])
    check_before(shop)
    clock = FrozenClock(datetime.now(UTC) + timedelta(minutes=6))  # its lease could not be given back
    shop.gate("orders", clock=clock)
    check_done(shop)


@pytest.mark.parametrize("part", REPORT)
def test_a_disk_that_fills_up_at_the_report_says_so_and_what_is_published_stays(
    shop: Shop, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_second(shop)
    said: list[str] = []
    with monkeypatch.context() as patch:
        fill(patch, part)
        report = shop.gate("orders", run_id="nightly", on_message=said.append, balanced=False)
    assert report.report_uri is None
    assert any("the report could not be written" in line and "no space left" in line for line in said)
    check_done(shop)
    again = shop.gate("orders", run_id="nightly")
    assert again.report_uri is not None
    assert Path(again.report_uri.removeprefix("file://")).exists()


# The clock, the store


def test_a_clock_that_was_set_back_below_the_last_gates_publishes_nothing_and_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_second(shop)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: 1_500_000_000.0)
        report = shop.gate("orders", balanced=False)
    assert report.outcome is Outcome.UNKNOWN
    assert "clock is" in sentence(report.datasets[0])
    check_before(shop)
    shop.gate("orders")
    check_done(shop)


def test_a_gates_clock_before_that_of_the_last_gate_judges_by_it_and_loses_nothing(shop: Shop) -> None:
    land_second(shop)
    shop.gate("orders", at=NEXT_DAY - timedelta(days=900))
    check_done(shop)


def test_a_lease_from_a_clock_that_ran_ahead_is_named_with_its_end(shop: Shop) -> None:
    ahead = FrozenClock(datetime(2099, 1, 1, tzinfo=UTC))
    Leases(shop.store, "shop", "orders", clock=ahead, rng=Random(1)).take(1, "host:7", "theirs")
    with pytest.raises(RayPipelineError, match=r"host:7.*2099-01-01T00:05"):
        shop.gate("orders")
    assert shop.gate("orders", run_id="theirs").outcome is Outcome.HELD


def test_a_store_that_does_not_answer_is_said_in_one_sentence(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    land_second(shop)

    def hangs(self: Path) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", hangs)
        with pytest.raises(StoreUnavailableError, match="input/output error") as refused:
            shop.gate("orders", balanced=False)
    assert "\n" not in str(refused.value)
    check_before(shop)
    shop.gate("orders")
    check_done(shop)


def test_a_store_that_may_not_be_written_is_said_in_one_sentence(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    land_second(shop)

    def denied(self: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", denied)
        with pytest.raises(StoreDeniedError, match="permission denied"):
            shop.gate("orders", balanced=False)
    check_before(shop)
    shop.gate("orders")
    check_done(shop)


def test_a_manifest_that_was_changed_is_named_and_nothing_is_decided(shop: Shop) -> None:
    (manifest,) = Path(shop.config.store, "shop/_gate/orders/days").rglob("*.json")
    good = manifest.read_bytes()
    manifest.write_bytes(good.replace(b"published", b"publishes"))
    land_second(shop)
    with pytest.raises(RayPipelineError, match=manifest.name):
        shop.gate("orders", balanced=False)
    assert shop.state().decision == 0
    manifest.write_bytes(good)
    shop.gate("orders")
    check_done(shop)


def test_an_entry_of_the_ledger_that_was_changed_is_named_and_nothing_is_decided(shop: Shop) -> None:
    entry = Path(shop.config.store, "shop/_gate/orders/00000000000000000000.json")
    good = entry.read_bytes()
    entry.write_bytes(good.replace(b'"outcome":1', b'"outcome":0'))
    land_second(shop)
    with pytest.raises(RayPipelineError, match="entry 0"):
        shop.gate("orders", balanced=False)
    entry.write_bytes(good)
    shop.gate("orders")
    check_done(shop)
