"""What a contract promises beyond one record: service levels, quality rules, relationships; as values.

:func:`ray_pipeline.contracts.odcs_expectations.read_expectations` reads them from a contract's text. Nothing here is
judged: :mod:`ray_pipeline.sla` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]
Breach = Literal["quarantine", "hold"]
Column = tuple[str, ...]
"""A column by its path: ``("aircraft", "tail_number")`` is a field of a struct."""
Operator = Literal[
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
]

DEFAULT_LATENESS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Target:
    """One bound on a value. ``mustBeBetween`` and ``mustNotBeBetween`` count their ends in."""

    operator: Operator
    values: tuple[float, ...]
    """Two for the ``Between`` operators, one otherwise."""


@dataclass(frozen=True, slots=True)
class QualityRule:
    """One entry of a ``quality`` list, of a schema object or of a property."""

    id: str
    """Unique in the contract; made from its place where the contract gives none."""
    name: str
    type: Literal["library", "sql", "text", "custom"]
    metric: str | None
    """Of the library: rowCount, nullValues, missingValues, invalidValues, duplicateValues; or one of ours."""
    columns: tuple[Column, ...]
    """The property it stands under, or ``arguments.properties``; empty for a rule on the whole object."""
    targets: tuple[Target, ...]
    """All of them must hold."""
    unit: Literal["rows", "percent"] = "rows"
    severity: Severity = "error"
    breach: Breach = "quarantine"
    """What a breach of severity error does with rows that can be named: quarantine them, or hold their day."""
    dimension: str | None = None
    description: str | None = None
    business_impact: str | None = None
    schedule: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    query: str | None = None
    engine: str | None = None
    implementation: str | Mapping[str, Any] | None = None
    line: int | None = None
    """Where in the contract's file."""
    key: str = ""


@dataclass(frozen=True, slots=True)
class SlaProperty:
    """One entry of ``slaProperties``."""

    id: str
    property: str
    """As written: latency, freshness, frequency, completeness, errorRate, retention, availability, …"""
    value: float | str | bool | None
    value_ext: float | str | bool | None = None
    unit: str | None = None
    column: Column | None = None
    """What ``element`` names within this dataset; None where it names the dataset itself."""
    severity: Severity = "warning"
    """ODCS has none for service levels: ours, from ``customProperties``. Data that is late is not wrong."""
    percentile: float = 100.0
    """Latency: the share of rows, in percent, that must keep it. From ``customProperties``; 100 is every row."""
    driver: str | None = None
    description: str | None = None
    schedule: str | None = None
    line: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Relationship:
    """A foreign key: each row's ``columns``, where none is null, must be found in the parent's."""

    id: str
    columns: tuple[Column, ...]
    parent: str
    """The parent's schema object, by name."""
    parent_file: str | None
    """The parent's contract as this one names it; None for an object of the same contract."""
    parent_columns: tuple[Column, ...]
    severity: Severity = "error"
    breach: Breach = "quarantine"
    tolerance_percent: float = 0.0
    """Up to this share of rows may lack a parent before it is a breach."""
    description: str | None = None
    line: int | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class SupportChannel:
    """Where a breach is reported."""

    channel: str
    tool: str | None
    url: str | None


@dataclass(frozen=True, slots=True)
class Expectations:
    """All that a contract promises beyond one record."""

    sla: tuple[SlaProperty, ...] = ()
    quality: tuple[QualityRule, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    primary_key: tuple[Column, ...] = ()
    """In order of ``primaryKeyPosition``; its rows must be unique together, and none of it null."""
    unique: tuple[Column, ...] = ()
    """Columns marked ``unique``, each by itself."""
    key_lines: Mapping[Column, int] = field(default_factory=dict)
    """The line of each key column."""
    uniqueness_scope: Literal["dataset", "day"] = "dataset"
    """Whether a key may come again on another event day."""
    lateness: timedelta = DEFAULT_LATENESS
    """How long after its event time a record may still come; then its day is complete."""
    support: tuple[SupportChannel, ...] = ()
    classified: frozenset[Column] = frozenset()
    """Columns whose values no report shows: ``classification`` other than public."""
