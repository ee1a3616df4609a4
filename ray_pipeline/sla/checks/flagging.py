"""The verdict on rows that can be named: how many of them break a rule, or which share."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.expectations import Target
from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.measure import RowRef
from ray_pipeline.sla.result import CheckResult, Scope, Verdict
from ray_pipeline.sla.targets import Moves, all_hold, judge

from .promise import Promise, plural, so_far


@dataclass(frozen=True, slots=True)
class Rows:
    """How many were looked at and how many of them are to blame."""

    looked_at: int
    flagged: int
    examples: tuple[RowRef, ...] = ()

    def value(self, unit: str) -> float | None:
        """As a count, or as a share in percent; a share of nothing is None."""
        if unit != "percent":
            return float(self.flagged)
        return 100 * self.flagged / self.looked_at if self.looked_at else None


def scope_of(targets: tuple[Target, ...]) -> Scope:
    """Rows are to blame only where none of them would be fine; ``at least 3 nulls`` blames the day."""
    return "row" if all_hold(targets, 0.0) else "day"


def judge_flagged(promise: Promise, view: DayView, found: FlaggedRows | None, words: str) -> CheckResult:
    """Judge what a rule on rows saw; ``words`` say what the flagged rows are or do."""
    if found is None:
        return promise.missing(view)
    if found.problem is not None:
        return promise.unknown(view, found.problem)
    return judge_rows(promise, view, Rows(found.rows, found.flagged, found.examples), words)


def judge_rows(promise: Promise, view: DayView, rows: Rows, words: str) -> CheckResult:
    """The same of rows that were counted otherwise.

    A count only grows, a share goes both ways: while rows may still come, a share beyond its bound is pending.
    """
    value = rows.value(promise.unit)
    if value is None:
        return promise.unknown(view, "There was no row to look at.")
    moves = Moves.BOTH if promise.unit == "percent" else Moves.UP
    verdict = judge(promise.targets, value, complete=view.complete, moves=moves)
    detail = f"{rows.flagged:,} of {plural(rows.looked_at, 'row')} {words}{so_far(view)}."
    if verdict is Verdict.FAILED and view.decided:
        detail += _what_follows(promise)
    return promise.result(view, verdict, value=value, detail=detail, rows=rows.flagged, examples=rows.examples)


def _what_follows(promise: Promise) -> str:
    if promise.severity != "error":
        return ""
    return " They are set aside." if promise.flags_rows else " The day is held."
