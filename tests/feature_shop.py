"""A shop whose orders are gated, and views over them: windows of a day and a week, and each customer's last order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from ray_pipeline.connectors.iceberg.feature_catalog import open_feature_catalog
from ray_pipeline.connectors.iceberg.feature_table import FeatureTable
from ray_pipeline.features.aggregates import count, mean, sum_
from ray_pipeline.features.compile import compile_view
from ray_pipeline.features.definition import CompiledView, ViewDefinition
from ray_pipeline.features.events import event_rows
from ray_pipeline.features.history import history, offline_table
from ray_pipeline.runtime.jobs.features_build import BuildReport, build_features
from ray_pipeline.runtime.jobs.features_report import ViewBuild
from tests.gate_shop import LATER, Shop

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.orders
version: 1.0.0
status: active
schema:
  - id: orders
    name: orders
    logicalType: object
    properties:
      - {name: order_id, logicalType: string, required: true, unique: true}
      - {name: customer_id, logicalType: string}
      - {name: placed_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: amount, logicalType: number, required: true}
      - {name: items, logicalType: integer}
    quality:
      - {id: volume, type: library, metric: rowCount, mustBeBetween: [3, 1000], unit: rows, severity: error}
customProperties:
  - {property: eventTime, value: placed_at}
"""
FIRST = datetime(2026, 3, 1, tzinfo=UTC)


def order(number: int, at: datetime, customer: str | None = "c1", amount: float = 1.5, **more: Any) -> dict[str, Any]:
    """One order at a moment."""
    placed = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"order_id": f"o{number}", "customer_id": customer, "placed_at": placed, "amount": amount, **more}


def moment(day: int, hour: float = 12.0) -> datetime:
    """A moment of March."""
    return FIRST + timedelta(days=day - 1, hours=hour)


class FeatureShop(Shop):
    """The shop, its views, and what was built of them."""

    def __init__(self, folder: Path, more: str = "") -> None:
        super().__init__(folder, CONTRACT, more)
        self.views = self.compiled()

    def compiled(self, where: pl.Expr | None = None, **changes: Any) -> tuple[CompiledView, ...]:
        """Return the views; ``changes`` are features of the first one, ``where`` is for all."""
        per_day: dict[str, Any] = {"orders": count(), "spent": sum_("amount"), "mean_amount": mean("amount"), **changes}
        keys = {"customer_id": "customer_id"}
        week: dict[str, Any] = {"orders": count(), "items": sum_("items")}
        newest: dict[str, Any] = {"amount": "amount", "half": pl.col("amount") / 2}
        ttl = timedelta(days=7)
        definitions = (
            ViewDefinition("customer_day", "orders", keys, per_day, timedelta(hours=24), where),
            ViewDefinition("customer_week", "orders", keys, week, timedelta(days=7), where),
            ViewDefinition("last_order", "orders", keys, newest, where=where, ttl=ttl),
        )
        contract = self.contract("orders")
        return tuple(compile_view(definition, contract) for definition in definitions)

    def place(
        self, orders: Sequence[tuple[int, datetime, str]], *, partition: int = 0, late: timedelta = timedelta(0)
    ) -> None:
        """Land orders, each published as much after it was placed."""
        records = [order(n, at, who, amount=n / 10, items=n % 7) for n, at, who in orders]
        published = [int((at + late).timestamp() * 1000) for _, at, _ in orders]
        self.land("orders", records, partition=partition, published=published)

    def gated(self, **options: Any) -> None:
        """Run a gate over what landed."""
        self.gate("orders", at=options.pop("at", LATER), balanced=False, **options)

    def build(self, *names: str, **options: Any) -> BuildReport:
        options.setdefault("compiled", self.views)
        return build_features(self.config, views=names or None, **options)

    def built(self, view: str, **options: Any) -> ViewBuild:
        return next(one for one in self.build(**options).views if one.view == view)

    def table(self, view: str) -> FeatureTable:
        found = open_feature_catalog(self.config).table(view)
        assert found is not None
        return found

    def features(self, view: str, snapshot_id: int | None = None) -> pa.Table:
        """Return the rows of a view, in one order whatever the files are."""
        return sorted_rows(self.table(view).scan(snapshot_id))

    def all_features(self) -> dict[str, pa.Table]:
        return {view.name: self.features(view.name) for view in self.views}


def sorted_rows(table: pa.Table) -> pa.Table:
    keys = [name for name in table.column_names if name not in ("_offsets",)]
    return table.sort_by([(name, "ascending") for name in ("event_timestamp", "created_timestamp", *keys)])


def expected(shop: FeatureShop, view: CompiledView) -> pa.Table:
    """Return the rows that a view has by all curated rows at once, without days, files or buckets."""
    events = event_rows(view, shop.rows()).frame
    return sorted_rows(offline_table(view.shape, history(view.shape, events, -(2**55), 2**55)))
