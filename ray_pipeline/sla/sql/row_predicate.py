"""A SQL rule that looks at one row at a time, as a state that merges.

``SELECT COUNT(*) FROM ${table} WHERE condition`` counts the rows of a condition, so its answer over many files is the
sum of its answers over each, and the rows that it counts can be named and quarantined.

Where a condition raises on some row (a cast of text that is no number), nothing can be said of the rule: not on this
batch and so not on its day. ``evaluate_together`` gives a ``RowPredicateError`` in that predicate's place and the
others' rows as ever; ``of`` raises it. A guard is ``TRY(...)``, ``TRY_CAST`` or ``CASE``; ``AND`` is none, since
DuckDB may evaluate its sides in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measure import State, Where

from .errors import RowPredicateError, SqlRuleError
from .row_functions import ROW_FUNCTIONS
from .row_times import cheapen
from .syntax import Node, Query, expression_text, only_one_of_each, parse, walk

_CLASSES = frozenset({
    "FUNCTION", "COLUMN_REF", "CONSTANT", "COMPARISON", "CONJUNCTION", "OPERATOR", "CAST", "CASE", "BETWEEN", "TYPE",
})  # fmt: skip
_EMPTY_PARTS = ("modifiers", "group_expressions", "group_sets", "having", "sample", "qualify")
_GROWING_OPERATORS = frozenset({"ARRAY_CONSTRUCTOR"})


@dataclass(frozen=True, slots=True)
class RowPredicate:
    """The rows for which a condition is true: what ``SELECT COUNT(*) FROM ${table} WHERE condition`` counts."""

    condition: str
    """As DuckDB's own parser writes it down again, column names without their table."""
    columns: tuple[str, ...]
    """Top-level columns, spelled as the schema does, sorted."""
    asked: str
    """The condition as DuckDB is asked: true of the same rows, for less."""

    @property
    def id(self) -> str:
        return f"sql:{self.condition}"

    def zero(self) -> FlaggedRows:
        return FlaggedRows()

    def of(self, batch: pa.Table, where: Where) -> FlaggedRows:
        """Return the rows for which the condition is true; raise ``RowPredicateError`` where it cannot be said."""
        found = evaluate_together((self,), batch, where)[self.id]
        if isinstance(found, RowPredicateError):
            raise found
        return found

    def load(self, state: State) -> FlaggedRows:
        return FlaggedRows.load(state)


def evaluate_together(
    predicates: Sequence[RowPredicate], batch: pa.Table, where: Where
) -> dict[str, FlaggedRows | RowPredicateError]:
    """Evaluate all in one query over the batch; by id, the rows flagged, or why one could not be judged here."""
    from .row_evaluation import evaluate

    return evaluate(predicates, batch, where)


def compile_row_predicate(query: str, schema: pa.Schema, *, name: str = "", column: Column = ()) -> RowPredicate | None:
    """Return the query as a predicate on rows; None where it is more than that (or wrong: ``check_query`` says how).

    ``name`` is the schema object's, ``column`` the property that the rule stands under.

    >>> schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    >>> compile_row_predicate("SELECT COUNT(*) FROM ${table} WHERE a > 1 AND b IS NULL", schema).condition
    '((a > 1) AND (b IS NULL))'
    >>> compile_row_predicate("SELECT COUNT(DISTINCT a) FROM ${table}", schema)
    """
    try:
        parsed = parse(query, name, column)
        condition = _condition(parsed)
        if condition is None:
            return None
        columns = _resolve(condition, parsed, schema)
        if columns is None:
            return None
        only_one_of_each(columns, schema)
        text = expression_text(condition)
        cheapen(condition, schema)
        return RowPredicate(text, columns, expression_text(condition))
    except SqlRuleError:
        return None


def _condition(query: Query) -> Node | None:
    """Return what stands behind WHERE, where the query counts the rows of a table and does nothing else."""
    tree = query.tree
    if tree.get("type") != "SELECT_NODE" or any(tree.get(part) for part in _EMPTY_PARTS):
        return None
    if tree["cte_map"]["map"] or tree.get("aggregate_handling") != "STANDARD_HANDLING":
        return None
    if not _is_table(tree["from_table"]) or not _counts_rows(tree["select_list"]):
        return None
    condition: Node | None = tree.get("where_clause")
    return condition if condition is not None and all(_looks_at_one_row(node) for node in walk(condition)) else None


def _is_table(source: Node) -> bool:
    return source["type"] == "BASE_TABLE" and not source.get("sample") and not source.get("column_name_alias")


def _counts_rows(select_list: list[Node]) -> bool:
    if len(select_list) != 1 or select_list[0].get("class") != "FUNCTION":
        return False
    call = select_list[0]
    if call.get("filter") or call.get("distinct") or (call.get("order_bys") or {}).get("orders"):
        return False
    if call["function_name"] == "count_star":
        return not call["arguments"]
    arguments = [argument["expression"] for argument in call["arguments"]]
    return call["function_name"] == "count" and len(arguments) == 1 and _is_value(arguments[0])


def _is_value(node: Node) -> bool:
    return node.get("class") == "CONSTANT" and (node.get("literal") or {}).get("kind") in ("INTEGER", "STRING")


def _looks_at_one_row(node: Node) -> bool:
    if "class" not in node:
        return True
    if node["class"] not in _CLASSES or node.get("type") in _GROWING_OPERATORS:
        return False
    if node["class"] != "FUNCTION":
        return True
    plain = not (node.get("filter") or node.get("distinct") or (node.get("order_bys") or {}).get("orders"))
    return plain and str(node["function_name"]).lower() in ROW_FUNCTIONS


def _resolve(condition: Node, query: Query, schema: pa.Schema) -> tuple[str, ...] | None:
    """Make every column of the condition stand by itself, spelled as in the schema; return the top-level ones."""
    spelled = {column.lower(): column for column in schema.names}
    source: dict[str, Any] = query.tree["from_table"]
    table = str(source["alias"] or source["table_name"]).lower()
    found: set[str] = set()
    for node in walk(condition):
        if node.get("class") != "COLUMN_REF":
            continue
        parts = [str(part) for part in node["column_names"]]
        if len(parts) > 1 and parts[0].lower() == table and parts[1].lower() in spelled:
            parts = parts[1:]
        if parts[0].lower() not in spelled:
            return None
        parts[0] = spelled[parts[0].lower()]
        node["column_names"] = parts
        found.add(parts[0])
    return tuple(sorted(found))
