"""A vendor's rows, and how a test asks what an inspection says about them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.runtime.jobs.inspect import inspect_path
from ray_pipeline.sla.result import CheckResult, DatasetResult
from tests.unit.sla.contract_text import contract_text

AT = datetime(2026, 1, 10, tzinfo=UTC)
START = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""
RULES = """
slaProperties:
  - {property: frequency, value: 3, unit: h, element: orders.placed_at}
  - {property: freshness, value: 30, unit: d}
  - {property: latency, value: 1, unit: d}
"""
CONTRACT = contract_text(
    amount="quality: [{metric: nullValues, mustBe: 0}]",
    object_="quality: [{metric: rowCount, mustBeGreaterThan: 0}]",
    root=RULES,
)


def vendor_rows(count: int, **columns: Any) -> pa.Table:
    """Rows that keep the contract, an hour apart; ``columns`` replace some of them or stand beside them."""
    numbers = range(count)
    return pa.table(
        {
            "order_id": [str(i) for i in numbers],
            "shop": ["s"] * count,
            "placed_at": pa.array([START + i * 3_600_000_000 for i in numbers], pa.timestamp("us", "UTC")),
            "e_mail": [f"{i}@x" for i in numbers],
            "amount": [float(i) for i in numbers],
            "customer": pa.array(
                [{"id": "a", "age": 3}] * count, pa.struct([("id", pa.string()), ("age", pa.int64())])
            ),
            "lines": pa.array([[]] * count, pa.list_(pa.struct([("sku", pa.string())]))),
        }
        | columns
    )


class Delivery:
    """A folder of files and the contract beside it."""

    def __init__(self, folder: Path, contract: str = CONTRACT) -> None:
        self.folder = folder / "in"
        self.folder.mkdir(parents=True)
        self.contract = folder / "orders.odcs.yaml"
        self.contract.write_text(contract)

    def put(self, name: str, content: pa.Table | bytes, **options: Any) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path, **options)
        return path

    def inspect(self, path: Path | None = None) -> DatasetResult:
        (found,) = inspect_path(str(path or self.folder), self.contract, at=AT).datasets
        return found


def by_check(result: DatasetResult) -> Mapping[tuple[str | None, str], CheckResult]:
    """Day and check id → what it says."""
    checks = [*result.checks, *(check for day in result.days for check in day.checks)]
    return {(check.day, check.check): check for check in checks}
