"""A query as DuckDB's own parser reads it, and the refusals that need no data.

This is the first of two walls: it refuses with a sentence that says what was meant. The second is the sandbox, which
holds without it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column

from . import duck
from .errors import SqlRuleError
from .functions import CLOCKS, TABLE_FUNCTIONS, why_refused
from .placeholders import DEFAULT_TABLE, fill

Node = dict[str, Any]

_EXPRESSIONS = frozenset({
    "FUNCTION", "COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "CAST", "CASE", "BETWEEN", "COLLATE",
    "LAMBDA", "TYPE", "WINDOW", "SUBQUERY", "STAR", "POSITIONAL_REFERENCE", "DEFAULT", "LAMBDA_REF",
})  # fmt: skip
_SOURCES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "EMPTY", "TABLE_FUNCTION", "EXPRESSION_LIST"})


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT that may be asked of the table."""

    text: str
    """With its placeholders filled."""
    table: str
    tree: Node
    """Its node in the parser's output."""


def parse(query: str, name: str, column: Column) -> Query:
    """Return the query; raise ``SqlRuleError`` where it is wrong or does what no rule may."""
    text = fill(query, name, column)
    parsed = serialize(text)
    if parsed.get("error"):
        said = str(parsed.get("error_message", ""))
        if parsed.get("error_type") == "parser":
            raise SqlRuleError(f"the query is not SQL: {said}{_near(text, parsed.get('position'))}")
        raise SqlRuleError("the query is not one SELECT")
    if len(parsed["statements"]) != 1:
        raise SqlRuleError(f"the query is {len(parsed['statements'])} statements, not one SELECT")
    table = name or DEFAULT_TABLE
    tree = parsed["statements"][0]["node"]
    _refuse(tree, table)
    return Query(text, table, tree)


def serialize(text: str) -> Node:
    """Return what DuckDB's parser makes of a text."""
    parsed: Node = json.loads(duck.rows("SELECT json_serialize_sql(?)", [text])[0][0])
    return parsed


def expression_text(expression: Node) -> str:
    """Return an expression as DuckDB writes it down."""
    frame = serialize("SELECT 1")
    frame["statements"][0]["node"]["select_list"] = [expression]
    text: str = duck.rows("SELECT json_deserialize_sql(?::JSON)", [json.dumps(frame)])[0][0]
    return text.removeprefix("SELECT ").strip()


def walk(node: Any) -> Iterator[Node]:
    """Yield every object of the tree, parents first."""
    stack = [node]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            yield here
            stack.extend(reversed(list(here.values())))
        elif isinstance(here, list):
            stack.extend(reversed(here))


def columns_read(query: Query, schema: pa.Schema) -> tuple[str, ...]:
    """Return the top-level columns that the query may read; all of them where it takes rows as a whole."""
    ours = {str(column).lower() for column in schema.names}
    named: set[str] = set()
    alone: set[str] = set()
    tables = {query.table.lower()}
    for node in walk(query.tree):
        if node.get("alias"):
            tables.add(str(node["alias"]).lower())
        if _is_table(node) and (node.get("column_name_alias") or node.get("ref_type") == "NATURAL"):
            return tuple(schema.names)
        if node.get("class") == "STAR":
            return tuple(schema.names)
        for key in ("column_names", "using_columns"):
            parts = [str(part).lower() for part in node.get(key) or ()]
            named.update(parts)
            alone.update(parts if len(parts) == 1 else ())
    if (alone - ours) & tables:  # `SELECT t FROM t` is each row as one value
        return tuple(schema.names)
    return tuple(column for column in schema.names if str(column).lower() in named)


def only_one_of_each(columns: Iterable[str], schema: pa.Schema) -> None:
    """Raise ``SqlRuleError`` where SQL could not tell two columns apart."""
    spelled: dict[str, list[str]] = {}
    for column in schema.names:
        spelled.setdefault(column.lower(), []).append(column)
    for column in columns:
        if len(alike := spelled.get(column.lower(), [])) > 1:
            raise SqlRuleError(f"columns {' and '.join(alike)} differ in case only, which SQL cannot tell apart")


def _refuse(tree: Node, table: str) -> None:
    readable = {table.lower()} | {str(entry["key"]).lower() for entry in _ctes(tree)}
    for node in walk(tree):
        if node.get("sample") is not None:
            raise SqlRuleError("it samples rows, so that its answer would change from run to run")
        if "class" in node:
            _refuse_expression(node)
        elif _is_table(node):
            _refuse_table(node, readable, table)


def _refuse_expression(node: Node) -> None:
    kind = node["class"]
    if kind == "PARAMETER":
        raise SqlRuleError("the query has a parameter, for which there is no value")
    if kind not in _EXPRESSIONS:
        raise SqlRuleError(f"the query has an expression that no rule may use ({kind.lower().replace('_', ' ')})")
    if kind in ("FUNCTION", "WINDOW"):
        reason = why_refused(str(node.get("function_name", "")), len(node.get("arguments") or ()))
        if reason is not None:
            raise SqlRuleError(reason)
    if kind == "COLUMN_REF" and len(node["column_names"]) == 1 and str(node["column_names"][0]).lower() in CLOCKS:
        raise SqlRuleError(why_refused(str(node["column_names"][0]), 0) or "")


def _refuse_table(node: Node, readable: set[str], table: str) -> None:
    kind = node["type"]
    if kind == "TABLE_FUNCTION":
        function = str(node["function"].get("function_name", "")).lower()
        if function not in TABLE_FUNCTIONS:
            raise SqlRuleError(f"it reads from {function}(...); a rule may read only {table}")
    elif kind == "BASE_TABLE":
        name = str(node["table_name"])
        if node.get("schema_name") or node.get("catalog_name") or name.lower() not in readable:
            raise SqlRuleError(f"it reads from {_shortened(name)}; a rule may read only {table}")
        if node.get("at_clause") is not None:
            raise SqlRuleError("it asks for an earlier state of the table, of which there is none")
    elif kind not in _SOURCES:
        raise SqlRuleError(f"it reads from something that no rule may use ({kind.lower().replace('_', ' ')})")


def _is_table(node: Node) -> bool:
    return "class" not in node and "sample" in node and "alias" in node


def _ctes(tree: Node) -> Iterator[Node]:
    for node in walk(tree):
        if "cte_map" in node:
            yield from node["cte_map"]["map"]


def _shortened(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"


def _near(text: str, position: object) -> str:
    """Say in which line of a query that has several."""
    if "\n" not in text or position is None:
        return ""
    return f", in line {text.count(chr(10), 0, int(str(position))) + 1}"
