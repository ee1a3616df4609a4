"""The ``slaProperties`` of a contract, read and checked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal

from .document import Path
from .durations import UNITS, unit_seconds
from .expectations import Column, Severity, SlaProperty
from .odcs_columns import Member, dotted, find_column
from .odcs_library import unknown_column
from .odcs_options import Compiling
from .odcs_references import find_object, find_property, parse_reference
from .odcs_terms import Term, number, one_of, read_terms
from .schema_errors import shown

SlaKind = Literal["latency", "freshness", "frequency", "completeness", "errorRate", "retention"]
_KINDS: Final[dict[str, SlaKind]] = {
    "latency": "latency", "ly": "latency",
    "freshness": "freshness",
    "frequency": "frequency", "fy": "frequency",
    "completeness": "completeness", "cp": "completeness",
    "errorRate": "errorRate", "er": "errorRate",
    "retention": "retention", "re": "retention",
}  # fmt: skip
"""As written, or by the two letters of the standard's table → what we judge."""
_SPANS: Final = ("latency", "freshness", "frequency", "retention")
_PERCENT: Final = ("percent", "%", None)
_TERMS: Final[dict[str, Term]] = {
    "severity": one_of("error", "warning", "info"),
    "percentile": number(0, 100, above=True),
}
_VERY_CLOSE: Final = 0.85
_ELSEWHERE: Final[Column] = ("",)
"""Stands for a column of another object of the contract."""


def sla_kind(property_: str) -> SlaKind | None:
    """Which of the kinds that can be judged on data an entry is; None for the others (availability, support …)."""
    return _KINDS.get(property_)


def sla_span(entry: SlaProperty) -> float:
    """The span of a latency, freshness, frequency or retention, in seconds."""
    return float(entry.value or 0) * (unit_seconds(entry.unit or "") or math.nan)


def read_sla(
    compiling: Compiling,
    data: Mapping[str, Any],
    item: Mapping[str, Any],
    members: Mapping[Column, Member],
    event_time: str | None,
) -> list[SlaProperty]:
    """Every entry that is about this schema object; one that names several elements is one for each."""
    listed = data.get("slaProperties")
    found: list[SlaProperty] = []
    for index, entry in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(entry, Mapping) and isinstance(entry.get("property"), str):
            found += _read(compiling, data, item, entry, ("slaProperties", index), members, event_time)
    return found


def _read(
    compiling: Compiling,
    data: Mapping[str, Any],
    item: Mapping[str, Any],
    entry: Mapping[str, Any],
    path: Path,
    members: Mapping[Column, Member],
    event_time: str | None,
) -> Iterator[SlaProperty]:
    written = entry["property"]
    kind = sla_kind(written)
    severity: Severity = "warning"
    percentile = 100.0
    if kind is None:
        _warn_of_near_miss(compiling, written, path)
    else:
        terms = read_terms(compiling, entry, path, _TERMS)
        severity = terms["severity"][0] if "severity" in terms else "warning"
        if "percentile" in terms:
            percentile = float(terms["percentile"][0])
            if kind != "latency":
                compiling.warn(terms["percentile"][1], f"has no effect on {written}; it belongs to latency")
        _check_value(compiling, kind, entry, path)
    columns = _columns(compiling, data, item, entry, path, members, strict=kind is not None)
    for column in columns:
        if kind is not None:
            _check_column(compiling, kind, column, path, members, event_time)
        suffix = [dotted(column)] if column is not None and (len(columns) > 1 or "id" not in entry) else []
        given = entry.get("id")
        yield SlaProperty(
            id=".".join([given if isinstance(given, str) and given else written, *suffix]),
            property=written,
            value=_number_if_text(entry.get("value")) if kind is not None else entry.get("value"),
            value_ext=entry.get("valueExt"),
            unit=entry.get("unit"),
            column=column,
            severity=severity,
            percentile=percentile,
            driver=entry.get("driver"),
            description=entry.get("description"),
            schedule=entry.get("schedule"),
            line=compiling.document.line(path),
            key=compiling.document.key(path),
        )


def _number_if_text(value: Any) -> Any:
    """``"15"`` is 15: the standard lets a value be text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _check_value(compiling: Compiling, kind: SlaKind, entry: Mapping[str, Any], path: Path) -> None:
    value = _number_if_text(entry.get("value"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        compiling.refuse((*path, "value"), f"must be a number, got {shown(entry.get('value'))}")
        return
    unit = entry.get("unit")
    if kind in _SPANS:
        if value <= 0:
            compiling.refuse((*path, "value"), f"must be above 0, got {shown(value)}")
        if not isinstance(unit, str):
            compiling.refuse((*path, "unit"), f"missing; {value:g} of what? one of {UNITS}")
        elif unit_seconds(unit) is None:
            compiling.refuse((*path, "unit"), f"{shown(unit)} is no unit of time; one of {UNITS}")
    else:
        if unit not in _PERCENT:
            compiling.refuse((*path, "unit"), f"must be percent, got {shown(unit)}")
        if not 0 <= value <= 100:
            compiling.refuse((*path, "value"), f"must be a share of 0 to 100 percent, got {shown(value)}")


def _columns(
    compiling: Compiling,
    data: Mapping[str, Any],
    item: Mapping[str, Any],
    entry: Mapping[str, Any],
    path: Path,
    members: Mapping[Column, Member],
    *,
    strict: bool,
) -> list[Column | None]:
    """None stands for the dataset itself; empty where the entry is about other objects."""
    here: Path = (*path, "element")
    text = entry.get("element")
    if text is None:
        text, here = data.get("slaDefaultElement"), ("slaDefaultElement",)
    if not isinstance(text, str):
        return [None]
    columns: list[Column | None] = []
    for word in (word.strip() for word in text.split(",")):
        column, known = _element(data, item, word, members)
        if known and column != _ELSEWHERE:
            columns.append(column)
        elif not known and strict:
            compiling.refuse(here, unknown_column(word, members))
        elif not known:
            columns.append(None)
    return columns


def _element(
    data: Mapping[str, Any], item: Mapping[str, Any], word: str, members: Mapping[Column, Member]
) -> tuple[Column | None, bool]:
    reference = parse_reference(word)
    if reference is None or reference.file is not None:
        return None, False
    physical = {item.get("name"), item.get("id"), item.get("physicalName")}
    if reference.object in physical:
        if not reference.column:
            return None, True
        column = find_property(item, (), reference.column)
        return column, column is not None
    if (found := find_object(data, reference.object)) is not None:
        there = not reference.column or find_property(*found, reference.column) is not None
        return _ELSEWHERE, there
    column = find_column(members, word)
    return column, column is not None


def _check_column(
    compiling: Compiling,
    kind: SlaKind,
    column: Column | None,
    path: Path,
    members: Mapping[Column, Member],
    event_time: str | None,
) -> None:
    if kind in _SPANS:
        if column is None and event_time is None:
            message = "missing, and there is no eventTime in customProperties: it is not judged; name a timestamp"
            compiling.warn((*path, "element"), message)
        elif column is not None and members[column].logical_type not in ("timestamp", "date"):
            kind_there = members[column].logical_type
            compiling.refuse((*path, "element"), f"{dotted(column)} is {kind_there}; name a timestamp or a date")
    elif kind == "completeness" and column is None:
        compiling.warn((*path, "element"), "names no property, so it is not judged; name the one that must be filled")


def _warn_of_near_miss(compiling: Compiling, written: str, path: Path) -> None:
    folded = {name.casefold(): name for name in _KINDS if len(name) > 2}
    word = written.casefold().replace("_", "").replace("-", "")
    if meant := get_close_matches(word, folded, n=1, cutoff=_VERY_CLOSE):
        compiling.warn((*path, "property"), f"{written} is not judged; did you mean {folded[meant[0]]}?")
