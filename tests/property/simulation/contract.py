"""A contract small enough to judge thousands of worlds: a record is an integer in decimal digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ray_pipeline.contracts.verdicts.results import Columns, Judgement
from ray_pipeline.types import ContractRef, Violation

_NOT_A_NUMBER = (Violation((), "type", "/type", "not an integer"),)
_TOMBSTONE = (Violation((), "record.tombstone", "", "no value"),)
_DAY = 86_400_000_000


@dataclass(frozen=True)
class NumberContract:
    """Quacks like :class:`ray_pipeline.contracts.model.DataContract`, as far as the protocol asks."""

    version: str = "1"
    tombstones: str = "skip"
    id: str = "numbers"
    kind: str = "json-schema"
    land_headers: bool = False
    event_time: str | None = "at"
    landing_schema = pa.schema([pa.field("n", pa.int64()), pa.field("at", pa.timestamp("us", tz="UTC"))])

    @property
    def text(self) -> str:
        return f"a number, version {self.version}"

    @property
    def digest(self) -> str:
        return f"digest-{self.version}"

    @property
    def ref(self) -> ContractRef:
        return ContractRef(self.id, self.version, self.digest)

    def judge(self, values: Sequence[bytes | None]) -> Judgement:
        violations: dict[int, Any] = {}
        for i, value in enumerate(values):
            if value is None:
                violations[i] = _TOMBSTONE
            elif not value.isdigit():
                violations[i] = _NOT_A_NUMBER
        return Judgement(values, [i not in violations for i in range(len(values))], violations)

    def columns(self, judgement: Judgement) -> Columns:
        rows = [i for i, valid in enumerate(judgement.valid) if valid]
        numbers = [int(judgement.values[i] or b"") for i in rows]
        days = [n // 1000 * _DAY if n % 7 else None for n in numbers]
        columns = [pa.array(numbers, pa.int64()), pa.array(days, pa.int64()).cast(pa.timestamp("us", tz="UTC"))]
        return Columns(rows, pa.Table.from_arrays(columns, schema=self.landing_schema), {})
