"""A shop whose orders and customers are gated: two small contracts, and rows that a test has something wrong with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ray_pipeline.gate.entries import GateState
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.gate.quarantine import QuarantinedRow
from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.lake.verify_report import Status
from ray_pipeline.runtime.jobs.gate import GateRunReport, run_gate
from ray_pipeline.runtime.open import open_pipeline
from ray_pipeline.sla.result import DatasetResult, DayResult
from tests.gate_lake import GateLake

CUSTOMERS = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.customers
version: 1.0.0
status: active
schema:
  - id: customers
    name: customers
    logicalType: object
    properties:
      - {id: customer_id, name: customer_id, logicalType: string, required: true, unique: true}
      - {name: joined_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
customProperties:
  - {property: eventTime, value: joined_at}
"""
ORDERS = """\
apiVersion: v3.2.0
kind: DataContract
id: shop.orders
version: VERSION
status: active
schema:
  - id: orders
    name: orders
    logicalType: object
    properties:
      - {name: order_id, logicalType: string, required: true, unique: true}
      - id: customer_id
        name: customer_id
        logicalType: string
        RELATIONSHIP
      - {name: placed_at, logicalType: timestamp, logicalTypeOptions: {timezone: true}, required: true}
      - {name: amount, logicalType: number, required: true}
      - name: note
        logicalType: string
        quality:
          - {id: notes, type: library, metric: nullValues, mustBe: 0, unit: rows, severity: warning}
      COLUMN
    quality:
      - id: positive
        type: sql
        query: SELECT COUNT(*) FROM ${table} WHERE amount < 0
        mustBe: 0
        unit: rows
        severity: error
      - {id: volume, type: library, metric: rowCount, mustBeBetween: [3, 100], unit: rows, severity: error}
      MORE
customProperties:
  - {property: eventTime, value: placed_at}
"""
PARENT = "relationships: [{id: has-customer, to: customers.odcs.yaml#schema/customers/properties/customer_id}]"
NEXT_DAY = datetime(2026, 3, 2, 6, tzinfo=UTC)
"""A gate at this moment knows that the first day of March is over, once an event came after it."""
LATER = datetime(2026, 3, 20, tzinfo=UTC)
"""Every day of these tests is over, whatever came."""


def orders_contract(*, parent: bool = False, version: str = "1.0.0", column: str = "", more: str = "") -> str:
    """``column``: one more property; ``more``: one more quality rule; both as one line of YAML."""
    text = ORDERS.replace("VERSION", version).replace("RELATIONSHIP", PARENT if parent else "description: Who.")
    return text.replace("COLUMN", column or "# none").replace("MORE", more or "# none")


def order(number: int, day: int = 1, hour: float = 12, **columns: Any) -> dict[str, Any]:
    """One order of a day in March that nothing is wrong with, but for what ``columns`` say."""
    at = f"2026-03-{day:02d}T{int(hour):02d}:{int(hour % 1 * 60):02d}:00Z"
    good = {"order_id": f"o{number}", "customer_id": "c1", "placed_at": at, "amount": 1.5, "note": "n"}
    return good | columns


def customer(name: str, day: int = 1, hour: int = 0) -> dict[str, Any]:
    """One customer, who joined on a day in March."""
    return {"customer_id": name, "joined_at": f"2026-03-{day:02d}T{hour:02d}:00:00Z"}


class Shop(GateLake):
    """The lake, its gates, and what can be seen of them afterwards."""

    def __init__(self, folder: Path, orders: str | None = None, more: str = "", *, customers: bool = False) -> None:
        texts = {"orders": orders or orders_contract(parent=customers)}
        super().__init__(folder, texts | ({"customers": CUSTOMERS} if customers else {}), more=more)
        self.folder = folder

    def gate(self, *datasets: str, at: datetime = LATER, balanced: bool = True, **options: Any) -> GateRunReport:
        """Run a gate; its books must balance, whatever it found."""
        report = run_gate(self.config, datasets, at=at, **options)
        if balanced and not options.get("dry_run"):
            self.check_books(datasets or tuple(self.config.datasets))
        return report

    def orders(self, **options: Any) -> DatasetResult:
        """Gate the orders, and return what became of them."""
        (found,) = self.gate("orders", **options).datasets
        return found

    def state(self, dataset: str = "orders") -> GateState:
        return GateLedger(self.store, "shop", dataset).state()

    def check_books(self, datasets: Iterable[str] = ("orders",)) -> None:
        """Landed = published + quarantined + held, and the table has exactly what is published."""
        for dataset in datasets:
            state = self.state(dataset)
            landed = sum(file.rows for file in self.landed_files(dataset))
            assert state.landed == state.published + state.quarantined + state.held_rows == landed
            assert len(self.published(dataset)) == state.published

    def landed_files(self, dataset: str = "orders") -> list[DataFile]:
        entries = [
            entry for log in find_logs(self.store, "shop", dataset) for _, entry in read_history(self.store, log)
        ]
        return [file for entry in entries if isinstance(entry, Data) for file in entry.files]

    def published(self, dataset: str = "orders", snapshot_id: int | None = None) -> list[str]:
        """Return the keys of the table's rows, in order; one that is there twice comes twice."""
        table = open_pipeline(self.config).curated(dataset)
        if table is None:
            return []
        return sorted(table.scan(snapshot_id).column(_key(dataset)).to_pylist())

    def rows(self, dataset: str = "orders") -> pa.Table:
        table = open_pipeline(self.config).curated(dataset)
        assert table is not None
        return table.scan()

    def quarantined(self, dataset: str = "orders") -> dict[str, list[str]]:
        """Return the keys of quarantined rows, each with the checks that set it aside."""
        found: list[QuarantinedRow] = []
        for day in self.state(dataset).days:
            found += open_pipeline(self.config).quarantine(dataset, day=day, limit=1000)
        return {row.row[_key(dataset)]: [reason.check for reason in row.reasons] for row in found}

    def held(self) -> dict[str, tuple[str, ...]]:
        """Return the held days of orders, each with the checks that hold it."""
        return {day.day: day.reasons for day in open_pipeline(self.config).held("orders")}

    def breaches(self, *, quick: bool = False) -> list[tuple[str, str]]:
        """Return what an audit of lake and gates finds wrong."""
        report = open_pipeline(self.config).verify(quick=quick)
        gates = [(result.id, str(result.breaches)) for _, found in report.gates for result in found if _bad(result)]
        lakes = [(result.id, str(result.breaches)) for result in report.results if result.status is Status.BROKEN]
        return gates + lakes

    def files(self) -> Mapping[str, bytes]:
        """Return every object of the store, but for the states, which are a cache."""
        root = Path(self.config.store)
        found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        return {name: data for name, data in found.items() if "/states/" not in name}


def day_of(result: DatasetResult, day: str = "2026-03-01") -> DayResult:
    return next(one for one in result.days if one.day == day)


def verdict_of(result: DatasetResult, check: str, day: str = "2026-03-01") -> str:
    return next(str(one.verdict) for one in day_of(result, day).checks if one.check == check)


def _bad(result: Any) -> bool:
    return result.status not in (Status.HELD, Status.NOT_CHECKED)


def _key(dataset: str) -> str:
    return "customer_id" if dataset == "customers" else "order_id"
