"""Runs: what one id decided once is never decided again, a dry run changes nothing, states are what files say."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from random import Random

import pytest

from ray_pipeline.config import load_config
from ray_pipeline.errors import ConfigError, GateBusyError, StoreUnavailableError, UsageError
from ray_pipeline.gate.lease import DURATION, Leases
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.runtime.jobs import gate as job
from ray_pipeline.runtime.jobs.gate import run_gate
from ray_pipeline.runtime.jobs.gate_decision import settle_proposal
from ray_pipeline.runtime.jobs.gate_state import read_known
from ray_pipeline.runtime.jobs.publication import Publisher
from ray_pipeline.runtime.jobs.recompute import recompute
from ray_pipeline.runtime.wiring import load_contracts, open_lake
from ray_pipeline.sla.state_codec import decode, encode
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.types import Outcome
from tests.gate_shop import LATER, Shop, customer, order


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Two customers and five orders, one of which breaks a rule; nothing was gated yet."""
    shop = Shop(tmp_path, customers=True)
    shop.land("customers", [customer("c1"), customer("c2", day=9)])
    shop.land("orders", [*(order(i) for i in range(4)), order(4, amount=-1.0)])
    return shop


def test_a_run_that_is_repeated_does_nothing_and_says_what_it_found(shop: Shop) -> None:
    first = shop.gate(run_id="nightly")
    before = shop.files()
    shop.land("orders", [order(i, day=2) for i in range(10, 14)])
    said: list[str] = []
    second = shop.gate(run_id="nightly", on_message=said.append, balanced=False)
    assert second.repeated
    assert second.outcome is first.outcome is Outcome.BROKEN
    assert [one.days for one in second.datasets] == [one.days for one in first.datasets]
    assert [one.snapshot_id for one in second.datasets] == [one.snapshot_id for one in first.datasets]
    changed = {name for name, data in shop.files().items() if before.get(name, b"") != data and "/_gate/" in name}
    assert all("/_runs/" in name or ".lease-" in name for name in changed)
    assert "was decided before" in said[0]


def test_the_report_of_a_repeated_run_has_what_the_first_wrote(shop: Shop) -> None:
    first = shop.gate(run_id="nightly")
    second = shop.gate(run_id="nightly")
    assert second.results_uri == first.results_uri is not None
    found = json.loads(Path(first.results_uri.removeprefix("file://")).read_text())
    assert found["run_id"] == "nightly"


def test_a_run_of_which_one_dataset_was_decided_is_finished(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = job._decide
    names: list[str] = []

    def once(*args: object) -> object:
        names.append("")
        if len(names) > 1:
            raise StoreUnavailableError("store", "put", "a cable was pulled")
        return decide(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "_decide", once)
    with pytest.raises(StoreUnavailableError, match="a cable was pulled"):
        shop.gate(run_id="nightly", balanced=False)
    monkeypatch.setattr(job, "_decide", decide)
    assert (shop.published(), shop.published("customers")) == (["o0", "o1", "o2", "o3"], [])
    report = shop.gate(run_id="nightly")
    assert not report.repeated
    assert shop.published("customers") == ["c1", "c2"]
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    assert shop.breaches() == []


def test_a_run_that_could_not_publish_is_finished_by_any_gate(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object) -> None:
        raise StoreUnavailableError("store", "put", "a cable was pulled")

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "project", fails)
        with pytest.raises(StoreUnavailableError):
            shop.gate("orders", run_id="nightly", balanced=False)
    assert shop.state().published == 4
    assert shop.published() == []
    shop.gate("orders", run_id="another")
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    assert shop.breaches() == []


def test_a_dry_run_says_what_a_gate_would_and_changes_nothing(shop: Shop) -> None:
    before = shop.files()
    dry = shop.gate(dry_run=True)
    assert dry.dry_run
    assert dry.outcome is Outcome.BROKEN
    assert shop.files() == before
    real = shop.gate()
    assert [one.days for one in dry.datasets] == [one.days for one in real.datasets]
    assert [one.decision for one in dry.datasets] == [None, None]


def test_a_dry_run_after_gates_changes_nothing_either(shop: Shop) -> None:
    shop.gate(run_id="nightly")
    shop.land("orders", [order(5)])
    before = shop.files()
    shop.gate(dry_run=True)
    shop.gate(dry_run=True, run_id="nightly")
    assert shop.files() == before


def test_one_dataset_may_be_gated_alone_and_one_that_is_not_there_is_refused(shop: Shop) -> None:
    shop.gate("customers")
    assert shop.state("orders").n == -1
    with pytest.raises(UsageError, match="unknown dataset"):
        shop.gate("nobodys")


def test_a_clock_without_offset_is_refused(shop: Shop) -> None:
    with pytest.raises(UsageError, match="offset from UTC"):
        shop.gate(at=LATER.replace(tzinfo=None))


def test_a_gate_that_another_one_works_on_is_refused_until_its_lease_ends(shop: Shop) -> None:
    clock = FrozenClock()
    leases = Leases(shop.store, "shop", "orders", clock=clock, rng=Random(1))
    leases.take(0, "host:1", "theirs")
    with pytest.raises(GateBusyError, match="host:1"):
        run_gate(shop.config, at=LATER, clock=clock)
    assert shop.state().n == shop.state("customers").n == -1
    assert run_gate(shop.config, at=LATER, clock=clock, run_id="theirs").outcome is Outcome.BROKEN, "its own next try"
    shop.land("orders", [order(6)])
    leases.take(1, "host:1", "theirs")
    clock.advance(DURATION.total_seconds())
    run_gate(shop.config, at=LATER, clock=clock)
    assert shop.published() == ["o0", "o1", "o2", "o3", "o6"]


def test_a_gate_that_ends_gives_its_lease_back_however_it_ends(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    clock = FrozenClock()
    with monkeypatch.context() as patch:
        patch.setattr(job, "measure_all", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_gate(shop.config, at=LATER, clock=clock)
    run_gate(shop.config, at=LATER, clock=clock)
    assert shop.published() == ["o0", "o1", "o2", "o3"]


def test_another_gates_entry_that_comes_between_is_read_and_the_rest_is_decided_anew(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = settle_proposal
    others: list[object] = []

    def overtaken(*args: object, **options: object) -> object:
        found = settle(*args, **options)  # type: ignore[arg-type]
        if not others:
            others.append(None)
            monkeypatch.setattr(job, "_leased", lambda *_: nullcontext())
            others.append(run_gate(shop.config, ["orders"], at=LATER, run_id="quicker"))
        return found

    monkeypatch.setattr(job, "settle_proposal", overtaken)
    report = shop.gate("orders", run_id="slower")
    assert report.datasets[0].new_rows == 0
    assert shop.published() == ["o0", "o1", "o2", "o3"]
    assert dict(shop.state().runs) == {"quicker": 0}
    assert shop.breaches() == []


def test_the_same_run_twice_at_once_decides_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = settle_proposal
    others: list[object] = []

    def overtaken(*args: object, **options: object) -> object:
        found = settle(*args, **options)  # type: ignore[arg-type]
        if not others:
            others.append(None)
            others.append(run_gate(shop.config, ["orders"], at=LATER, run_id="nightly"))
        return found

    monkeypatch.setattr(job, "settle_proposal", overtaken)
    report = shop.gate("orders", run_id="nightly")
    assert report.datasets[0].new_rows == 5
    assert report.outcome is Outcome.BROKEN
    assert shop.state().n == 0
    assert shop.published() == ["o0", "o1", "o2", "o3"]


def test_outcome_is_unknown_where_a_query_could_not_be_judged(tmp_path: Path) -> None:
    from tests.gate_shop import orders_contract

    big = (
        "- {id: big, type: sql, mustBe: 0, severity: error, "
        "query: 'SELECT COUNT(*) - 3 + CAST(MIN(note) AS BIGINT) FROM ${table}'}"
    )
    shop = Shop(tmp_path, orders_contract(more=big))
    shop.land("orders", [order(i, note="text") for i in range(3)])
    report = shop.gate("orders")
    assert report.outcome is Outcome.UNKNOWN
    assert set(shop.held()) == {"2026-03-01"}


def test_stored_states_are_what_the_files_say(shop: Shop) -> None:
    shop.gate()
    found = recompute(shop.config)
    assert found.outcome is Outcome.HELD
    assert [(one.dataset, one.files, one.different, one.absent) for one in found.datasets] == [
        ("orders", 1, (), 0),
        ("customers", 2, (), 0),
    ]
    assert all(one.equal for one in found.datasets)


def test_a_state_that_was_changed_is_named(shop: Shop) -> None:
    shop.gate()
    path = next(path for path in states(shop, "orders") if ".v-" in path.name)
    there = decode(path.read_bytes())
    name = next(name for name in there if "rows" in there[name].values or "count" in name)
    values = {**there[name].values, "rows": 99}
    there[name] = type(there[name])(values, there[name].arrays)
    path.write_bytes(encode(there))
    found = recompute(shop.config, ["orders"])
    assert found.outcome is Outcome.BROKEN
    (different,) = found.datasets[0].different
    assert name in different
    assert shop.landed_files()[0].key in different


def test_a_state_that_is_damaged_is_named_and_measured_anew_by_the_gate_that_needs_it(shop: Shop) -> None:
    shop.gate()
    for path in states(shop, "orders"):
        path.write_bytes(path.read_bytes()[:-1])
    found = recompute(shop.config, ["orders"])
    assert found.outcome is Outcome.BROKEN
    assert all("cannot be read" in line for line in found.datasets[0].different)
    shop.land("orders", [order(0), order(5)])
    shop.gate()
    assert shop.published() == ["o0", "o1", "o2", "o3", "o5"]


def test_states_that_are_lost_are_no_breach(shop: Shop) -> None:
    shop.gate()
    for path in states(shop, "orders"):
        path.unlink()
    found = recompute(shop.config, ["orders"])
    assert (found.outcome, found.datasets[0].equal) == (Outcome.HELD, 0)
    assert found.datasets[0].absent > 0
    shop.land("orders", [order(0), order(5)])
    shop.gate()
    assert shop.published() == ["o0", "o1", "o2", "o3", "o5"]


def test_recompute_writes_nothing(shop: Shop) -> None:
    shop.gate()
    before = {path: path.read_bytes() for path in Path(shop.config.store).rglob("*") if path.is_file()}
    recompute(shop.config)
    assert {path: path.read_bytes() for path in Path(shop.config.store).rglob("*") if path.is_file()} == before


def test_a_second_gate_reads_no_file_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.land("orders", [order(10, day=3)])
    shop.gate()
    landed = {file.key for name in ("orders", "customers") for file in shop.landed_files(name)}
    shop.land("orders", [order(11, day=3), order(12, day=3)])
    read: list[str] = []
    opened = open_lake

    def watched(config: object) -> ObjectStore:
        store = opened(config)  # type: ignore[arg-type]
        get = store.get

        def getting(self: object, key: str) -> bytes | None:
            read.append(key)
            return get(key)

        monkeypatch.setattr(type(store), "get", getting)
        return store

    monkeypatch.setattr(job, "open_lake", watched)
    run_gate(shop.config, at=LATER)
    held = {file.key for file in shop.landed_files() if file.day == "2026-03-03"}
    assert read
    assert landed.intersection(read) <= held, "only what is published now is read once more"


def test_a_gate_reads_only_what_came_since(shop: Shop) -> None:
    from ray_pipeline.runtime.jobs.gate_dataset import gate_datasets

    shop.gate()
    compiled = gate_datasets(shop.config, load_contracts(shop.config))
    known = read_known(compiled["orders"], shop.store, "shop", shop.state())
    assert (known.landed.files, known.ranges()) == ((), ())


def test_a_configuration_that_names_a_contract_that_is_not_there_is_refused_before_anything_is_read(
    shop: Shop,
) -> None:
    (shop.folder / "orders.odcs.yaml").unlink()
    with pytest.raises(ConfigError, match="there is no such file"):
        run_gate(load_config(shop.file), at=LATER)


def states(shop: Shop, dataset: str) -> list[Path]:
    return sorted(Path(shop.config.store, "shop", "_gate", dataset, "states").rglob("*.state"))
