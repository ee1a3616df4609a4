"""What ``${table}`` and its like stand for in a query."""

from __future__ import annotations

import re

from ray_pipeline.contracts.expectations import Column

from .errors import SqlRuleError

DEFAULT_TABLE = "unit"
"""The table's name where the schema object has none."""
MAX_QUERY = 8192
"""Characters. DuckDB's parser needs up to some kilobytes for each."""

_PLACEHOLDER = re.compile(r"\$\{\s*(\w*)\s*\}")
_TABLE = ("table", "object")
_COLUMN = ("column", "property")


def fill(query: str, name: str, column: Column) -> str:
    """Return the query with its placeholders replaced by quoted names; raise ``SqlRuleError`` for an unknown one.

    >>> fill("SELECT COUNT(*) FROM ${table} WHERE ${column} IS NULL", "flights", ("aircraft", "tail_number"))
    'SELECT COUNT(*) FROM "flights" WHERE "aircraft"."tail_number" IS NULL'
    """

    def stand_in(match: re.Match[str]) -> str:
        word = match.group(1)
        if word in _TABLE:
            return quoted(name or DEFAULT_TABLE)
        if word in _COLUMN and column:
            return ".".join(quoted(part) for part in column)
        if word in _COLUMN:
            raise SqlRuleError(f"${{{word}}} stands for no property: the rule is not under one")
        raise SqlRuleError(
            f"unknown placeholder ${{{word}}}; known are ${{table}}, ${{object}}, ${{column}}, ${{property}}"
        )

    if len(query) > MAX_QUERY:
        raise SqlRuleError(f"the query has {len(query)} characters; a rule may have {MAX_QUERY}")
    if "\0" in query:
        raise SqlRuleError("the query holds a NUL character")
    return _PLACEHOLDER.sub(stand_in, query)


def quoted(identifier: str) -> str:
    """Return a name as SQL takes it, whatever is in it."""
    return '"' + identifier.replace('"', '""') + '"'
