"""What every check is: a promise of the contract, with its place there; and the result that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray_pipeline.contracts.expectations import Breach, Severity, Target
from ray_pipeline.sla.check import DatasetView, DayView
from ray_pipeline.sla.measure import Measure, RowRef
from ray_pipeline.sla.result import CheckResult, Scope, Verdict
from ray_pipeline.sla.targets import sentence

KEPT_HISTORY = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The part of a check that does not judge."""

    id: str
    name: str
    kind: str
    scope: Scope = "day"
    severity: Severity = "error"
    breach: Breach = "hold"
    targets: tuple[Target, ...] = ()
    unit: str = "rows"
    column: str | None = None
    """Dotted path."""
    dimension: str | None = None
    line: int | None = None
    key: str = ""

    @property
    def target(self) -> str:
        """The bounds for people."""
        return sentence(self.targets, self.unit)

    @property
    def flags_rows(self) -> bool:
        """Whether a breach names rows that will be set aside; else nobody needs to know where they all are."""
        return self.scope == "row" and self.severity == "error" and self.breach == "quarantine"

    def result(
        self,
        view: DayView | DatasetView,
        verdict: Verdict,
        *,
        value: float | None = None,
        detail: str = "",
        rows: int | None = None,
        examples: tuple[RowRef, ...] = (),
        error_bound: str | None = None,
    ) -> CheckResult:
        """Say it."""
        return CheckResult(
            check=self.id,
            name=self.name,
            kind=self.kind,
            scope=self.scope,
            severity=self.severity,
            verdict=verdict,
            day=view.day if isinstance(view, DayView) else None,
            column=self.column,
            dimension=self.dimension,
            breach=self.breach,
            value=value,
            unit=self.unit,
            target=self.target,
            detail=detail,
            rows=rows,
            examples=examples,
            error_bound=error_bound,
            line=self.line,
            key=self.key,
            history=view.history.get(self.id, ())[-KEPT_HISTORY:],
        )

    def unknown(self, view: DayView | DatasetView, detail: str) -> CheckResult:
        """Say that it could not be judged, and why."""
        return self.result(view, Verdict.UNKNOWN, detail=detail)

    def missing(self, view: DayView | DatasetView) -> CheckResult:
        """Say that the state which it needs is not there."""
        return self.unknown(view, "What it looks at was not measured in these files; run gate --recompute.")


def partial_of(view: DayView, measure: Measure) -> Any:
    """What the measure saw of the day; None where nobody measured it."""
    partials: Mapping[str, Any] = view.partials
    return partials.get(measure.id)


def so_far(view: DayView) -> str:
    """Words for a day to which rows may still come."""
    return "" if view.complete else " so far; the day is not complete"


def plural(count: int, word: str) -> str:
    """Say a number of things.

    >>> plural(1, "row"), plural(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"
