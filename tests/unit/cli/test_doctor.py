"""``doctor``: each thing a line, and the worst one is the exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ray_pipeline.connectors.kafka import admin as kafka_admin
from ray_pipeline.connectors.kafka.embedded import EmbeddedBroker
from ray_pipeline.connectors.object_store.probe import ProbeReport

from .conftest import Run


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    made = kafka_admin.KafkaAdmin.__init__
    monkeypatch.setattr(
        kafka_admin.KafkaAdmin, "__init__", lambda self, options, timeout=0.5: made(self, options, timeout)
    )


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker({"orders": 2, "returns": 1}) as running:
        yield running


def test_all_well_exits_0(run: Run, shop: Path, broker: EmbeddedBroker) -> None:
    said = run("doctor", "--set", f"kafka.bootstrap.servers={broker.bootstrap_servers}")
    assert said.code == 0, said.out
    assert all(line.startswith(("ok ", "      ")) for line in said.lines)
    assert "topic of orders: orders: 2 partitions" in said.out
    assert "put-if-absent held" in said.out


def test_brokers_that_do_not_answer_exit_3_with_advice(run: Run, shop: Path) -> None:
    said = run("doctor")
    assert said.code == 3
    assert "FAIL  brokers: no answer from Kafka at 127.0.0.1:1" in said.out


def test_a_topic_that_is_not_there_exits_3(run: Run, shop: Path) -> None:
    with EmbeddedBroker({"orders": 1}) as broker:
        said = run("doctor", "--set", f"kafka.bootstrap.servers={broker.bootstrap_servers}")
    assert said.code == 3
    assert "FAIL  topic of returns" in said.out
    assert "make the topic returns" in said.out


def test_a_wrong_configuration_exits_2_with_every_problem(run: Run, shop: Path) -> None:
    said = run("doctor", "--set", "ingest.actorz=1", "--set", "stor=x")
    assert said.code == 2
    assert said.out.count("FAIL  configuration") == 2
    assert "ok    machine" in said.out


def test_a_wrong_contract_exits_2(run: Run, shop: Path) -> None:
    (shop / "orders.odcs.yaml").write_text("apiVersion: v3.1.0\nkind: DataContract\n")
    said = run("doctor")
    assert said.code == 2
    assert "FAIL  contract of orders" in said.out


def test_a_store_without_put_if_absent_exits_1(
    run: Run, shop: Path, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ProbeReport("s3://old", safe=False, evidence="two winners", writers=34, cleaned=True)
    monkeypatch.setattr(sys.modules[ProbeReport.__module__], "probe", lambda _store: report)
    said = run("doctor", "--set", f"kafka.bootstrap.servers={broker.bootstrap_servers}")
    assert said.code == 1
    assert "FAIL  store: s3://old has no put-if-absent: two winners" in said.out


def test_a_look_leaves_no_folder_behind(run: Run, shop: Path) -> None:
    before = sorted(shop.rglob("*"))
    run("doctor")
    assert sorted(shop.rglob("*")) == before


def test_as_json(run: Run, shop: Path) -> None:
    found = run("doctor", "--output", "json").json
    assert found["ok"] is False
    names = [check["name"] for check in found["checks"]]
    contracts = ["contract of orders", "contract of returns"]
    assert names == [
        *("packages", "configuration", *contracts),
        *("store", "curated catalog", "brokers", "machine", "ray"),
    ]


def test_the_catalog_that_a_folder_brings_is_named_and_not_made(run: Run, shop: Path) -> None:
    said = run("doctor")
    assert f"ok    curated catalog: the catalog {shop}" in said.out
    assert "catalog.db: no table yet, the first gate makes them" in said.out
    assert not list(shop.rglob("catalog.db"))


def test_a_catalog_that_is_configured_is_asked(run: Run, shop: Path) -> None:
    file = shop / "curated.db"
    said = run("doctor", "--set", "catalog.type=sql", "--set", f"catalog.uri=sqlite:///{file}")
    assert "ok    curated catalog: the sql catalog: no table yet" in said.out
    assert file.is_file()


def test_a_catalog_that_does_not_answer_exits_3_and_its_address_is_not_said(run: Run, shop: Path) -> None:
    section = [
        "--set",
        "catalog.type=rest",
        "--set",
        "catalog.uri=http://127.0.0.1:9",
        "--set",
        "catalog.token=hunter2",
    ]
    said = run("doctor", *section)
    assert said.code == 3
    assert "FAIL  curated catalog: the rest catalog" in said.out
    assert "section catalog" in said.out
    assert "127.0.0.1:9 " not in said.out
    assert "hunter2" not in said.out


def test_an_s3_store_without_a_catalog_is_told_that_a_gate_needs_one(run: Run, shop: Path) -> None:
    options = {"endpoint_url": "http://127.0.0.1:9", "key": "k", "secret": "s", "client_kwargs.region_name": "x"}
    sets = [word for name, value in options.items() for word in ("--set", f"store_options.{name}={value}")]
    said = run("doctor", "--set", "store=s3://bucket/lake", *sets)
    assert "ok    curated catalog: none, which only a gate needs" in said.out
    assert "catalog: {type: rest" in said.out


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_ray_that_does_not_answer_exits_3_at_once(run: Run, shop: Path, broker: EmbeddedBroker, address: str) -> None:
    said = run("doctor", "--set", f"kafka.bootstrap.servers={broker.bootstrap_servers}", "--ray-address", address)
    assert said.code == 3
    assert f"FAIL  ray: nothing answers at {address}" in said.out
