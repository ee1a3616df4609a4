"""What a quality rule of the standard's library, or one in SQL, demands."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from .document import Path
from .expectations import Column, Target
from .odcs_columns import ITEMS, Member, dotted, find_column
from .odcs_options import Compiling
from .odcs_targets import read_targets
from .schema_errors import nearest, shown

Unit = Literal["rows", "percent"]
_UNITS: Final[dict[str, Unit]] = {
    "rows": "rows",
    "row": "rows",
    "records": "rows",
    "percent": "percent",
    "%": "percent",
}
_ARGUMENTS: Final[dict[str, tuple[str, ...]]] = {
    "rowCount": (),
    "nullValues": ("properties",),
    "missingValues": ("properties", "missingValues"),
    "invalidValues": ("properties", "validValues", "pattern", "minimum", "maximum", "minLength", "maxLength"),
    "duplicateValues": ("properties",),
}
_COUNTS_ROWS: Final = re.compile(r"\s*select\s+count\s*\(\s*\*\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RuleParts:
    """What differs from rule to rule."""

    metric: str | None
    columns: tuple[Column, ...]
    targets: tuple[Target, ...] = ()
    unit: Unit = "rows"
    arguments: Mapping[str, Any] = field(default_factory=dict)


def read_library(
    compiling: Compiling, entry: Mapping[str, Any], path: Path, column: Column, members: Mapping[Column, Member]
) -> RuleParts | None:
    """A rule of the library; None where the metric is unknown, which the standard's schema reports."""
    metric = entry.get("metric")
    if not isinstance(metric, str) or metric not in _ARGUMENTS:
        return None
    given = entry.get("arguments")
    arguments: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {}
    columns = _columns(compiling, metric, arguments, path, column, members)
    _check_arguments(compiling, metric, arguments, path)
    unit = _unit(compiling, entry, path)
    if metric == "rowCount" and unit == "percent":
        compiling.refuse((*path, "unit"), "percent of what? a count of rows has the unit rows")
    most = 100.0 if unit == "percent" else math.inf
    what = "a share" if unit == "percent" else "a count"
    targets = read_targets(compiling, entry, path, within=(0.0, most), what=what)
    arguments.pop("properties", None)
    return RuleParts(metric, columns, targets, unit, arguments)


def read_sql(compiling: Compiling, entry: Mapping[str, Any], path: Path, column: Column) -> RuleParts:
    """A rule in SQL: whatever number the query gives is compared."""
    query = str(entry["query"])
    if re.search(r"\$\{(column|property)\}", query) and not column:
        compiling.refuse((*path, "query"), "${column} is the property that a rule stands under; write its name here")
    unit = _UNITS.get(str(entry.get("unit", "rows")).casefold(), "rows")
    if unit == "percent" and _COUNTS_ROWS.match(query):
        compiling.warn(
            (*path, "unit"), "the query counts rows, and its number is compared as it is; divide, or say rows"
        )
    booleans = {name: float(value) for name, value in entry.items() if isinstance(value, bool)}
    targets = read_targets(compiling, {**entry, **booleans}, path, within=(-math.inf, math.inf), what="a number")
    return RuleParts(None, (column,) if column else (), targets, unit)


def _unit(compiling: Compiling, entry: Mapping[str, Any], path: Path) -> Unit:
    written = entry.get("unit", "rows")
    unit = _UNITS.get(written.casefold()) if isinstance(written, str) else None
    if unit is None:
        hint = nearest(str(written), _UNITS)
        compiling.refuse((*path, "unit"), f"{shown(written)} is not one of rows, percent{hint}")
    return unit or "rows"


def _columns(
    compiling: Compiling,
    metric: str,
    arguments: Mapping[str, Any],
    path: Path,
    column: Column,
    members: Mapping[Column, Member],
) -> tuple[Column, ...]:
    if metric == "rowCount":
        return ()
    listed = arguments.get("properties")
    if listed is None:
        if not column:
            compiling.refuse(
                path, f"{metric} of what? put the rule under its property, or name it in arguments.properties"
            )
        return (column,) if column else ()
    here: Path = (*path, "arguments", "properties")
    if not isinstance(listed, list) or not listed:
        compiling.refuse(here, f"must be a list of names, got {shown(listed)}")
        return (column,) if column else ()
    found: list[Column] = []
    for index, name in enumerate(listed):
        one = find_column(members, name)
        if one is None:
            compiling.refuse((*here, index), unknown_column(name, members))
        elif one in found:
            compiling.refuse((*here, index), f"{name} a second time; name it once")
        else:
            found.append(one)
    return tuple(found)


def unknown_column(name: object, members: Mapping[Column, Member]) -> str:
    """What to say of a name that is no column's."""
    names = [dotted(column) for column in members if ITEMS not in column]
    hint = nearest(name, names) if isinstance(name, str) else ""
    return f"{shown(name)} is no property of this object{hint or '; there are: ' + ', '.join(names)}"


def _check_arguments(compiling: Compiling, metric: str, arguments: Mapping[str, Any], path: Path) -> None:
    here: Path = (*path, "arguments")
    for name in arguments:
        if name not in _ARGUMENTS[metric]:
            compiling.refuse((*here, name), f"{metric} does not read it{nearest(name, _ARGUMENTS[metric])}")
    for name in ("missingValues", "validValues"):
        if name in arguments and (not isinstance(arguments[name], list) or not _plain(arguments[name])):
            compiling.refuse((*here, name), "must be a list of texts, numbers, true, false or null, not empty")
    if metric == "missingValues" and "missingValues" not in arguments:
        compiling.refuse(here, "missing; list in missingValues what stands for no value: [null, '', N/A]")
    if metric == "invalidValues":
        _check_valid(compiling, arguments, here)


def _check_valid(compiling: Compiling, arguments: Mapping[str, Any], here: Path) -> None:
    if not any(name in arguments for name in _ARGUMENTS["invalidValues"][1:]):
        compiling.refuse(
            here, "missing; say what is valid: validValues, pattern, minimum, maximum, minLength, maxLength"
        )
    if "pattern" in arguments:
        pattern = arguments["pattern"]
        if not isinstance(pattern, str):
            compiling.refuse((*here, "pattern"), f"must be text, got {shown(pattern)}")
        elif (reason := _not_linear(pattern)) is not None:
            compiling.refuse((*here, "pattern"), reason)
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength")):
        ends = [_end(compiling, arguments[name], (*here, name)) for name in (low, high) if name in arguments]
        texts = [end for end in ends if isinstance(end, str)]
        numbers = [end for end in ends if isinstance(end, int | float)]
        if texts != sorted(texts) or numbers != sorted(numbers):
            compiling.refuse((*here, high), f"lies below {low}: every value would be invalid")


def _end(compiling: Compiling, value: object, path: Path) -> int | float | str | None:
    """One end of a range, or None where it is none."""
    if path[-1] in ("minLength", "maxLength"):
        fits, words = isinstance(value, int) and value >= 0, "an integer from 0"
    else:
        fits, words = isinstance(value, int | float | str), "a number, or a date or time as text"
    if fits and isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    compiling.refuse(path, f"must be {words}, got {shown(value)}")
    return None


def _not_linear(pattern: str) -> str | None:
    """Why Arrow's engine (RE2), which never takes more than linear time, would not read it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid:
        return "is no regular expression that RE2 reads (no look-around, no back-reference)"
    return None


def _plain(values: list[Any]) -> bool:
    return bool(values) and all(value is None or isinstance(value, str | bool | int | float) for value in values)
