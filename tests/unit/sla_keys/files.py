"""Files of keys in memory, as a gate would hand them to a merge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.sla.keys.key_files import KeyFile
from ray_pipeline.sla.keys.key_runs import KeyRun, KeyRuns
from ray_pipeline.sla.measure import Where

KEY = (("id",),)


@dataclass
class Shelf:
    """Tables by name and day; counts what is read of them."""

    key: tuple[tuple[str, ...], ...] = KEY
    time: tuple[str, ...] | None = None
    tables: dict[tuple[str, str], pa.Table] = field(default_factory=dict)
    read: list[tuple[str, list[int]]] = field(default_factory=list)
    loads: int = 0

    def put(self, name: str, table: pa.Table, day: str = "2013-02-08", excluded: Sequence[int] = ()) -> KeyFile:
        self.tables[name, day] = table
        run = KeyRuns(self.key, self.time).of(table, Where("topic", 0))

        def load() -> KeyRun:
            self.loads += 1
            return run

        return KeyFile(name, day, "topic", run.keys, load, np.array(excluded, np.int64) if excluded else None)

    def read_keys(self, file: str, day: str, positions: Any) -> pa.Table:
        self.read.append((file, positions.tolist()))
        return self.tables[file, day].take(pa.array(positions)).select([self.key[0][0]])


def landed(
    ids: Sequence[Any],
    offsets: Sequence[int],
    published: Sequence[int | None] | None = None,
    partition: int = 0,
    **more: Any,
) -> pa.Table:
    return pa.table({
        "id": ids,
        "_partition": pa.array([partition] * len(ids), pa.int32()),
        "_offset": pa.array(offsets, pa.int64()),
        "_timestamp": pa.array(offsets if published is None else published, pa.timestamp("ms", "UTC")),
        **more,
    })  # fmt: skip
