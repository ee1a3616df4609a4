"""Run one query in a process of its own, and end it where it does not end itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from .limits import SqlLimits
from .messages import out_of_memory, timed_out

GRACE = 5.0
"""Seconds beyond the query's own limit: to start, to load DuckDB, and to notice an interrupt."""
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL")
"""What the process sees of our environment, beside where Python's modules are: nothing that may be a secret."""


def ask(query: str, database: Path, folder: Path, limits: SqlLimits, *, bind_only: bool = False) -> dict[str, Any]:
    """Return ``{"value": number}`` or ``{"problem": sentence or None}``; ``folder`` is empty and the process's own."""
    request = {
        "query": query,
        "database": str(database),
        "memory_bytes": limits.memory_bytes,
        "seconds": limits.seconds,
        "spill_bytes": limits.spill_bytes,
        "threads": limits.threads,
        "bind_only": bind_only,
    }
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "HOME": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "ray_pipeline.sla.sql.query_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # DuckDB's last words may quote a value
        cwd=folder,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(json.dumps(request).encode(), timeout=limits.seconds + GRACE)
        except subprocess.TimeoutExpired:
            return {"problem": timed_out(limits.seconds)}
        finally:
            process.kill()
    if process.returncode != 0:
        return {"problem": _died(process.returncode, limits)}
    answer: dict[str, Any] = json.loads(said)
    return answer


def _died(code: int, limits: SqlLimits) -> str:
    if code in (-6, -9, -11):  # aborted or killed: how C++ ends when it gets no memory, and how the system ends it
        return f"{out_of_memory(limits.memory_bytes)}, and its process ended"
    return f"its process ended with code {code}"
