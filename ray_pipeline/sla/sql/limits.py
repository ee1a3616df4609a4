"""What a query of a contract may use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """Bounds on one query. Beyond them it is stopped, and its check says so."""

    memory_bytes: int = 1 << 30
    """What DuckDB may hold in memory; beyond it spills, where the operator can."""
    seconds: float = 60.0
    """From the start of the query to its answer; loading the rows is not counted."""
    spill_bytes: int = 16 << 30
    """What it may write to its temporary folder."""
    threads: int = 1
    folder: Path | None = None
    """Where the temporary folder is made; None for the system's own place."""
