"""How far online values are, and writing them again: from the online store and the logs, without a run."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ray_pipeline.cli.features_online import print_features_status
from ray_pipeline.errors import UsageError
from ray_pipeline.features.aggregates import count, sum_
from ray_pipeline.features.compile import compile_view
from ray_pipeline.features.definition import CompiledView, ViewDefinition
from ray_pipeline.lake.log_reader import read_tail
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.runtime.features.loading import stream_fed
from ray_pipeline.runtime.features.online_backfill import _chosen, backfill, backfill_online
from ray_pipeline.runtime.features.projection import FeatureProjection
from ray_pipeline.runtime.features.status import features_status, read_features_status
from ray_pipeline.testing.online import MemoryOnlineStore
from ray_pipeline.types import Outcome
from tests.gate_lake import GateLake

NOW = datetime(2013, 1, 2, tzinfo=UTC)
ORDERS = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: customer, logicalType: string, required: true}
      - {name: placed_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: amount, logicalType: integer, required: true}
customProperties:
  - {property: eventTime, value: placed_at}
"""


@pytest.fixture
def shop(tmp_path: Path) -> GateLake:
    lake = GateLake(tmp_path, {"orders": ORDERS})
    lake.clock.advance(86_400.0)  # everything is published before it lands
    for minute in range(4):
        order(lake, minute, partition=minute % 2)
    return lake


@pytest.fixture
def views(shop: GateLake) -> list[CompiledView]:
    definition = ViewDefinition(
        "spent", "orders", {"customer": "customer"}, {"n": count(), "total": sum_("amount")}, window=timedelta(hours=2)
    )
    one = compile_view(definition, shop.contract("orders"))
    return [one, replace(one, shape=replace(one.shape, name="spent_too"))]


def order(lake: GateLake, minute: int, *, partition: int = 0) -> None:
    at = f"2013-01-01T10:{minute:02d}:00Z"
    lake.land("orders", [{"customer": "ann", "placed_at": at, "amount": minute}], partition=partition, published=at)


def follow(lake: GateLake, online: MemoryOnlineStore, views: list[CompiledView]) -> None:
    """Do what the partition actors do."""
    for log in find_logs(lake.store, "shop", "orders"):
        tail = read_tail(lake.store, log)
        assert tail is not None
        FeatureProjection(
            views,
            lambda: online,
            lake.store,
            log,
            start=tail.source_start,
            committed=tail.end,
            clock=lake.clock,
            rng=lake._logs["orders", log.partition]._rng,
        ).catch_up()


def test_status_counts_offsets_and_publication_time(
    shop: GateLake, views: list[CompiledView], capsys: pytest.CaptureFixture[str]
) -> None:
    online = MemoryOnlineStore()
    follow(shop, online, views[:1])
    order(shop, 30, partition=1)
    order(shop, 31, partition=1)
    found = read_features_status(shop.config, views, online, shop.store, NOW)
    spent = {one.partition: one for one in found.views if one.view == "spent"}
    new = {one.partition: one for one in found.views if one.view == "spent_too"}
    assert (spent[0].committed, spent[0].online, spent[0].lag, spent[0].lag_seconds) == (2, 2, 0, 0.0)
    assert (spent[1].committed, spent[1].online, spent[1].lag, spent[1].lag_seconds) == (4, 2, 2, 28 * 60.0)
    assert spent[1].published == "2013-01-01T10:03:00.000000Z"
    assert (new[0].online, new[0].lag, new[0].lag_seconds) == (None, 2, None)
    assert found.outcome(3600.0) is Outcome.UNKNOWN, "a view that the store has no word of lags"
    alone = replace(found, views=tuple(spent.values()))
    assert alone.outcome(3600.0) is Outcome.HELD
    assert alone.outcome(60.0) is Outcome.UNKNOWN
    assert json.loads(json.dumps(found.to_json()))["views"][0]["view"] == "spent"
    print_features_status(found)
    printed = capsys.readouterr()
    assert "spent_too" in printed.out
    assert "1,680 s" in printed.out


def test_a_store_that_is_down_is_a_stated_status(
    shop: GateLake, views: list[CompiledView], capsys: pytest.CaptureFixture[str]
) -> None:
    online = MemoryOnlineStore()
    online.is_down = True
    found = read_features_status(shop.config, views, online, shop.store, NOW)
    assert found.outcome(1e9) is Outcome.UNKNOWN
    assert "told to be down" in found.trouble
    assert [(one.committed, one.online, one.lag) for one in found.views] == [(2, None, None)] * 4
    print_features_status(found)
    assert "told to be down" in capsys.readouterr().err


def test_a_backfill_writes_the_very_states_of_the_stream(shop: GateLake, views: list[CompiledView]) -> None:
    online = MemoryOnlineStore()
    follow(shop, online, views)
    states, marks = dict(online.states), dict(online.marked)
    online.drop("spent")
    report = backfill(shop.config, views, None, online, shop.store)
    assert (online.states, online.marked) == (states, marks)
    assert (report.outcome, report.written, report.kept) == (Outcome.HELD, 2, 2)
    again = backfill(shop.config, views, None, online, shop.store)
    assert (again.written, again.kept) == (0, 4)
    assert (online.states, online.marked) == (states, marks)
    assert {(one.view, one.partition, one.lag) for one in again.views} == {
        ("spent", 0, 0),
        ("spent", 1, 0),
        ("spent_too", 0, 0),
        ("spent_too", 1, 0),
    }


def test_a_backfill_of_a_store_that_is_down_ends_and_says_so(shop: GateLake, views: list[CompiledView]) -> None:
    online = MemoryOnlineStore()
    online.is_down = True
    report = backfill(shop.config, views[:1], None, online, shop.store)
    assert report.outcome is Outcome.UNKNOWN
    assert all("told to be down" in one.trouble and one.lag == 2 for one in report.views)


def test_without_features_nothing_is_loaded_and_the_verbs_say_so(shop: GateLake) -> None:
    assert stream_fed(shop.config) == ((), None)
    for verb in (features_status, backfill_online):
        with pytest.raises(UsageError, match="no stream-fed view"):
            verb(shop.config)


def test_a_view_that_is_not_there_is_named_with_one_that_is(views: list[CompiledView]) -> None:
    with pytest.raises(UsageError, match="did you mean spent"):
        _chosen(views, ["spend"])
    assert [view.name for view in _chosen(views, None)] == ["spent", "spent_too"]
