"""Whether an expression looks at one event at a time, and a text of it that is the same in every process."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl

_STEPS = frozenset(
    {"Column", "Literal", "BinaryExpr", "Cast", "Ternary", "Alias", "KeepName", "RenameAlias", "Field", "StructEval"}
)
_FUNCTIONS = frozenset(
    {
        *("ArrayExpr", "BinaryExpr", "Bitwise", "Boolean", "Business", "CategoricalExpr", "ListExpr", "Pow"),
        *("StringExpr", "StructExpr", "TemporalExpr", "Trigonometry"),
        *("Abs", "AsStruct", "Atan2", "Ceil", "Clip", "Coalesce", "Exp", "FillNull", "Floor", "Hash", "Log", "Log1p"),
        *("MaxHorizontal", "MeanHorizontal", "MinHorizontal", "Negate", "Replace", "ReplaceStrict", "Round", "RoundSF"),
        *("Sign", "SumHorizontal", "ToPhysical"),
    }
)
"""polars' own names. What is not here is refused: a list of what looks at other rows would never be complete."""
_OVER_ROWS = frozenset(
    {"All", "Any", "ConcatVertical", "HasNulls", "IsDuplicated", "IsFirstDistinct", "IsLastDistinct", "IsUnique"}
)
"""What looks at other rows though its family does not."""
_PYTHON = frozenset({"AnonymousFunction", "AnonymousAgg"})


def tree(expression: pl.Expr) -> Any:
    """Return the expression as polars writes it in JSON; no value of a process is in it."""
    return json.loads(expression.meta.serialize(format="json"))


def not_row_by_row(expression: pl.Expr) -> str | None:
    """Name the part of an expression that looks at other rows, or None where there is none.

    >>> not_row_by_row(pl.col("delay") > 15)
    >>> not_row_by_row(pl.col("delay") - pl.col("delay").mean())
    'mean'
    """
    return _part(tree(expression))


def _part(node: Any) -> str | None:
    """Look at one node of the tree, then below it."""
    if isinstance(node, str):  # a node without arguments
        return _spelled(node)
    name, inside = next(iter(node.items()))
    if name == "Agg":
        return _spelled(inside if isinstance(inside, str) else next(iter(inside)))
    if name in _PYTHON:
        return "a Python function"
    if name in ("Column", "Literal"):
        return None
    if name == "Function":
        return _function(inside["function"]) or _first(inside["input"])
    if name == "Eval":  # over the elements of one row's list
        return _part(inside["expr"])
    if name == "Alias":
        return _part(inside[0]) if isinstance(inside, list) else _first(_nodes(inside))
    return _first(_nodes(inside)) if name in _STEPS else _spelled(name)


def _function(function: Any) -> str | None:
    family: str
    family, member = next(iter(function.items())) if isinstance(function, Mapping) else (function, "")
    chosen = next(iter(member)) if isinstance(member, Mapping) and member else member
    if family not in _FUNCTIONS or chosen in _OVER_ROWS:
        return _spelled(str(chosen) if family in ("Boolean", "StringExpr", "Range") else family)
    return None


def _spelled(name: str) -> str:
    """The name as Python has it: FillNullWithStrategy is fill_null_with_strategy."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _nodes(inside: Any) -> list[Any]:
    """The expressions among a node's arguments; the other arguments are options."""
    names = ("left", "right", "expr", "predicate", "truthy", "falsy", "input", "evaluation")
    if isinstance(inside, Mapping):
        return [one for name in names for one in _listed(inside.get(name))] or _listed_nodes(inside)
    return [one for one in _listed(inside) if isinstance(one, Mapping)]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _listed_nodes(inside: Mapping[str, Any]) -> list[Any]:
    """An argument that is a node itself, as ``KeepName`` has it."""
    return [inside] if len(inside) == 1 and next(iter(inside))[:1].isupper() else []


def _first(nodes: list[Any]) -> str | None:
    return next((found for node in nodes if (found := _part(node))), None)
