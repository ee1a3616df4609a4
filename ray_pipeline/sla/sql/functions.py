"""Which functions give the same answer for the same rows, by DuckDB's own catalog and where that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from . import duck

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
"""What a query may read besides its table: they make rows out of their arguments."""
CLOCKS = frozenset({
    "now", "today", "ago", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp",
    "get_current_time", "get_current_timestamp", "transaction_timestamp", "current_localtime", "current_localtimestamp",
    "pg_conf_load_time", "pg_postmaster_start_time",
})  # fmt: skip
"""What reads the machine's clock; some may be written without parentheses, like a column."""
_SESSION = frozenset({"reservoir_quantile", "json_serialize_plan", "json_serialize_sql", "json_deserialize_sql"})
"""Consistent by the catalog; yet one samples at random, and the others are about queries."""
_SAME = "CONSISTENT"


def why_refused(name: str, arguments: int) -> str | None:
    """Return why a query may not call the function; None where it may, or where DuckDB itself knows none such."""
    name = name.lower()
    if name in CLOCKS or (name == "age" and arguments == 1):
        return f"it asks for the time ({name}), so that its answer would change from run to run"
    if name in _SESSION:
        return f"it calls {name}, which no rule may"
    return _refused_by_catalog(name)


@lru_cache(maxsize=1024)
def _refused_by_catalog(name: str) -> str | None:
    for kind, stability, definition in _catalog().get(name, ()):
        if kind in ("table", "table_macro", "pragma"):
            continue  # another namespace: judged where a table stands
        if kind == "macro":
            for called, arguments in _calls(definition or ""):
                if called != name and why_refused(called, arguments) is not None:
                    return f"it calls {name}, which no rule may"
        elif stability != _SAME:
            return f"it calls {name}, whose answer changes from run to run"
    return None


@lru_cache(maxsize=1)
def _catalog() -> dict[str, list[tuple[str, str | None, str | None]]]:
    rows = duck.rows("SELECT function_name, function_type, stability, macro_definition FROM duckdb_functions()")
    found: dict[str, list[tuple[str, str | None, str | None]]] = {}
    for name, kind, stability, definition in rows:
        found.setdefault(str(name).lower(), []).append((kind, stability, definition))
    return found


def _calls(expression: str) -> Iterator[tuple[str, int]]:
    """Yield the functions that a macro's definition calls."""
    parsed = json.loads(duck.rows("SELECT json_serialize_sql(?)", [f"SELECT {expression}"])[0][0])
    stack: list[Any] = [parsed]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("class") == "FUNCTION":
                yield str(node["function_name"]).lower(), len(node["arguments"])
            if node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1:
                yield str(node["column_names"][0]).lower(), 0
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
