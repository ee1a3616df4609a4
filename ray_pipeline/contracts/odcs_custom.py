"""Quality rules of type custom whose engine is ours: distributions, and volume against its own history."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from .document import Path
from .expectations import Column, Target
from .odcs_columns import Member, dotted, find_column
from .odcs_library import RuleParts, unknown_column
from .odcs_options import Compiling
from .odcs_targets import OPERATORS, read_targets
from .odcs_terms import Term, count, flag, number
from .schema_errors import nearest, shown

OUR_ENGINE: Final = "ray-pipeline"
HISTORY: Final = "rowCountHistory"
DEFAULT_BUDGET: Final = 0.02
_SMALLEST_BUDGET: Final = 0.0005
_NUMERIC: Final = ("mean", "min", "max", "stddev", "quantile")
_KEYS: Final = ("metric", "arguments", *OPERATORS)
_ARGUMENTS: Final[dict[str, dict[str, Term]]] = {
    "mean": {},
    "min": {},
    "max": {},
    "stddev": {},
    "quantile": {"quantile": number(0, 1)},
    "share": {"value": (lambda value: isinstance(value, str | bool | int | float), "a text, a number, true or false")},
    "distinctCount": {},
    HISTORY: {"falseAlarmBudget": number(_SMALLEST_BUDGET, 0.5), "sameWeekday": flag(), "days": count(3650)},
}
"""Metric → its arguments beside ``property``."""
_REQUIRED: Final = {"quantile": "quantile", "share": "value"}


def read_custom(
    compiling: Compiling, entry: Mapping[str, Any], path: Path, column: Column, members: Mapping[Column, Member]
) -> RuleParts:
    """What ``implementation`` demands; operators stand in it, for the standard has none in a custom rule."""
    here: Path = (*path, "implementation")
    found = entry.get("implementation")
    none = RuleParts(None, (column,) if column else ())
    if not isinstance(found, Mapping):
        compiling.refuse(here, f"must be a mapping: metric, arguments, a bound; got {shown(found)}")
        return none
    for name in found:
        if name not in _KEYS:
            compiling.refuse((*here, name), f"unknown key{nearest(str(name), _KEYS)}")
    metric = found.get("metric")
    if not isinstance(metric, str) or metric not in _ARGUMENTS:
        hint = nearest(metric, _ARGUMENTS) if isinstance(metric, str) else ""
        said = "missing" if metric is None else f"{shown(metric)} is not one that {OUR_ENGINE} knows"
        compiling.refuse((*here, "metric"), f"{said}{hint or '; there are: ' + ', '.join(_ARGUMENTS)}")
        return none
    arguments = _arguments(compiling, metric, found, here)
    columns = _columns(compiling, metric, arguments, here, column, members)
    arguments.pop("property", None)
    targets = _targets(compiling, metric, found, here)
    return RuleParts(metric, columns, targets, "percent" if metric == "share" else "rows", arguments)


def _arguments(compiling: Compiling, metric: str, found: Mapping[str, Any], path: Path) -> dict[str, Any]:
    given = found.get("arguments", {})
    here: Path = (*path, "arguments")
    if not isinstance(given, Mapping):
        compiling.refuse(here, f"must be a mapping, got {shown(given)}")
        return {}
    known = _ARGUMENTS[metric]
    for name, value in given.items():
        if name == "property" and metric != HISTORY:
            continue
        if name not in known:
            hint = nearest(str(name), [*known, "property"])
            compiling.refuse((*here, name), f"{metric} does not read it{hint}")
        elif not known[name][0](value):
            compiling.refuse((*here, name), f"must be {known[name][1]}, got {shown(value)}")
    if (wanted := _REQUIRED.get(metric)) is not None and wanted not in given:
        compiling.refuse((*here, wanted), f"missing; {metric} needs {known[wanted][1]}")
    return {name: value for name, value in given.items() if name in known and known[name][0](value)} | (
        {"property": given["property"]} if "property" in given else {}
    )


def _columns(
    compiling: Compiling,
    metric: str,
    arguments: Mapping[str, Any],
    path: Path,
    column: Column,
    members: Mapping[Column, Member],
) -> tuple[Column, ...]:
    if metric == HISTORY:
        return ()
    if "property" in arguments:
        named = find_column(members, arguments["property"])
        if named is None:
            place: Path = (*path, "arguments", "property")
            compiling.refuse(place, unknown_column(arguments["property"], members))
            return ()
        column = named
    if not column:
        message = f"{metric} of what? put the rule under its property, or name it in arguments.property"
        compiling.refuse(path, message)
        return ()
    kind = members[column].logical_type
    if metric in _NUMERIC and kind not in ("integer", "number"):
        compiling.refuse((*path, "metric"), f"{metric} is of numbers; {dotted(column)} is {kind}")
    elif metric not in _NUMERIC and kind in ("object", "array", "map", "vector"):
        compiling.refuse((*path, "metric"), f"{metric} is of plain values; {dotted(column)} is {kind}")
    return (column,)


def _targets(compiling: Compiling, metric: str, found: Mapping[str, Any], path: Path) -> tuple[Target, ...]:
    if metric == HISTORY:
        for operator in OPERATORS:
            if operator in found:
                compiling.refuse((*path, operator), "the history is the bound; say falseAlarmBudget in arguments")
        return ()
    within, what = {
        "share": ((0.0, 100.0), "a share"),
        "distinctCount": ((0.0, math.inf), "a count"),
        "stddev": ((0.0, math.inf), "a standard deviation"),
    }.get(metric, ((-math.inf, math.inf), "a number"))
    return read_targets(compiling, found, path, within=within, what=what)
