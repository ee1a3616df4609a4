"""The ``quality`` lists of a contract, read and checked: of the schema object, and of every property."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, get_args

from .document import Path
from .expectations import Breach, Column, QualityRule, Severity
from .odcs_columns import Member, dotted
from .odcs_custom import OUR_ENGINE, read_custom
from .odcs_library import RuleParts, read_library, read_sql
from .odcs_options import Compiling
from .odcs_terms import Term, one_of, read_terms
from .schema_errors import nearest, shown

SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
_SYNONYMS: Final = {"warn": "warning"}
_RULE_TERMS: Final[dict[str, Term]] = {"breach": one_of("quarantine", "hold")}
_EACH_ALONE: Final = ("nullValues", "missingValues", "invalidValues")
"""Metrics of one column: a rule that names several is one rule for each."""

RuleType = Literal["library", "sql", "text", "custom"]


def read_quality(
    compiling: Compiling, item: Mapping[str, Any], path: Path, members: Mapping[Column, Member]
) -> list[QualityRule]:
    """Every rule, in the order of the file."""
    places: list[tuple[Mapping[str, Any], Path, Column]] = [(item, path, ())]
    places += [(member.data, member.path, member.column) for member in members.values()]
    rules: list[QualityRule] = []
    for holder, here, column in places:
        listed = holder.get("quality")
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(entry, Mapping):
                rules += _rules(compiling, entry, (*here, "quality", index), column, members)
    return sorted(rules, key=lambda rule: rule.line or 0)


def read_severity(compiling: Compiling, value: object, path: Path) -> Severity | None:
    """The severity that a word means; None where there is none. An unknown one is refused."""
    if not isinstance(value, str):
        return None
    word = _SYNONYMS.get(value.casefold(), value.casefold())
    for severity in SEVERITIES:
        if word == severity:
            return severity
    compiling.refuse(path, f"{shown(value)} is not one of {', '.join(SEVERITIES)}{nearest(value, SEVERITIES)}")
    return None


def _rules(
    compiling: Compiling, entry: Mapping[str, Any], path: Path, column: Column, members: Mapping[Column, Member]
) -> Iterator[QualityRule]:
    kind = _type_of(entry)
    parts = _parts(compiling, kind, entry, path, column, members)
    severity: Severity = "error"
    breach: Breach = "quarantine"
    if parts is not None:
        severity = read_severity(compiling, entry.get("severity"), (*path, "severity")) or "error"
        terms = read_terms(compiling, entry, path, _RULE_TERMS)
        if "breach" in terms:
            breach, place = terms["breach"]
            if severity != "error":
                compiling.warn(place, f"has no effect on severity {severity}, which only reports")
    else:  # for people, or for another engine: its words are its own
        parts = RuleParts(_text(entry, "metric"), (column,) if column else ())
    alone = kind == "library" and parts.metric in _EACH_ALONE and len(parts.columns) > 1
    for columns in [(one,) for one in parts.columns] if alone else [parts.columns]:
        place_id = ".".join([*(dotted(one) for one in columns), parts.metric or kind])
        given = _text(entry, "id")
        yield QualityRule(
            id=place_id if given is None else f"{given}.{dotted(columns[0])}" if alone else given,
            name=_text(entry, "name") or place_id,
            type=kind,
            metric=parts.metric,
            columns=columns,
            targets=parts.targets,
            unit=parts.unit,
            severity=severity,
            breach=breach,
            dimension=_text(entry, "dimension"),
            description=_text(entry, "description"),
            business_impact=_text(entry, "businessImpact"),
            schedule=_text(entry, "schedule"),
            arguments=parts.arguments,
            query=_text(entry, "query"),
            engine=_text(entry, "engine"),
            implementation=entry.get("implementation"),
            line=compiling.document.line(path),
            key=compiling.document.key(path),
        )


def _type_of(entry: Mapping[str, Any]) -> RuleType:
    """As written; ODCS' default is library, but a rule that names no metric either is words."""
    match entry.get("type"):
        case "sql":
            return "sql"
        case "text":
            return "text"
        case "custom":
            return "custom"
    return "library" if isinstance(entry.get("metric"), str) else "text"


def _parts(
    compiling: Compiling,
    kind: RuleType,
    entry: Mapping[str, Any],
    path: Path,
    column: Column,
    members: Mapping[Column, Member],
) -> RuleParts | None:
    """What the rule demands, where it is ours to judge."""
    if kind == "library":
        return read_library(compiling, entry, path, column, members)
    if kind == "sql" and isinstance(entry.get("query"), str):
        return read_sql(compiling, entry, path, column)
    if kind == "custom" and entry.get("engine") == OUR_ENGINE:
        return read_custom(compiling, entry, path, column, members)
    return None


def _text(entry: Mapping[str, Any], name: str) -> str | None:
    value = entry.get(name)
    return value if isinstance(value, str) and value else None
