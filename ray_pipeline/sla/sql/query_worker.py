"""The process in which a query runs: ``python -m ray_pipeline.sla.sql.query_worker``, one query each.

Reads one JSON object from standard input and writes one to standard output. It is started with nearly no environment
and in an empty folder, bounds its own memory before DuckDB is loaded, and what it cannot bound its parent ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from ray_pipeline.sla.sql.limits import SqlLimits
from ray_pipeline.sla.sql.messages import sentence
from ray_pipeline.sla.sql.sandbox import open_sandbox, time_limit

OVERHEAD = 256 << 20
"""Bytes that Python, DuckDB's own code and its tables need beside what a query uses."""
_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL", "BIGNUM",
)  # fmt: skip


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"value": number}`` or ``{"problem": sentence}``; with ``bind_only`` neither where nothing is wrong."""
    limits = SqlLimits(request["memory_bytes"], request["seconds"], request["spill_bytes"], request["threads"])
    query = request["query"]
    database = request["database"]
    try:
        spill_to = Path("spill").absolute() if limits.spill_bytes else None
        connection = open_sandbox(limits, Path(database), spill_to=spill_to, read_only=True)
        with time_limit(connection, limits.seconds):
            problem = wrong_shape(connection.execute(f"DESCRIBE\n{query}").fetchall())
            if problem is not None or request["bind_only"]:
                return {"problem": problem}
            return number(connection.execute(query).fetchmany(2))
    except Exception as error:  # noqa: BLE001 -- whatever a query does is its check's finding
        return {
            "problem": sentence(
                error, query, memory_bytes=limits.memory_bytes, seconds=limits.seconds, spill_bytes=limits.spill_bytes
            )
        }


def wrong_shape(columns: list[tuple[Any, ...]]) -> str | None:
    """Say why an answer of these columns (as DESCRIBE lists them) is not one number."""
    if len(columns) != 1:
        return f"it answers with {len(columns)} columns; a rule needs one number"
    kind = str(columns[0][1])
    if kind.split("(", 1)[0] not in _NUMBERS or kind.endswith("]"):
        return f"it answers with {kind if len(kind) <= 40 else kind[:39] + '…'}; a rule needs a number"
    return None


def number(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the one number of an answer."""
    if not rows:
        return {"problem": "it answers with no row; a rule needs one number"}
    if len(rows) > 1:
        return {"problem": "it answers with more than one row; a rule needs one number"}
    value = rows[0][0]
    if value is None:
        return {"problem": "its answer is NULL"}
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not -float("inf") < value < float("inf"):
        return {"problem": "its answer is not a finite number"}
    return {"value": value}


def main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    allowed = request["memory_bytes"] + OVERHEAD
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(json.dumps(answer(request)))
    sys.stdout.flush()
    os._exit(0)  # DuckDB's threads are not waited for: they may be those that did not stop


if __name__ == "__main__":
    main()
