"""One locked DuckDB connection for each thread: for parsing, binding, and conditions on batches."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from .limits import SqlLimits
from .sandbox import open_sandbox

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_LIMITS = SqlLimits(memory_bytes=512 << 20, seconds=60.0, spill_bytes=0, threads=1)
"""For conditions, over one batch."""

_mine = threading.local()


def connection() -> DuckDBPyConnection:
    """Return this thread's connection; a process that was forked opens its own."""
    kept = getattr(_mine, "kept", None)
    if kept is None or kept[0] != os.getpid():
        kept = (os.getpid(), open_sandbox(BATCH_LIMITS))
        _mine.kept = kept
    found: DuckDBPyConnection = kept[1]
    return found


def rows(query: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    """Return the answer to a query of ours."""
    return connection().execute(query, parameters).fetchall()
