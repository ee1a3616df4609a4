"""Rows whose parent must be there: a foreign key to another dataset."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.contracts.expectations import Column, Relationship
from ray_pipeline.sla.check import DayView, KeyFinding
from ray_pipeline.sla.keys.key_runs import KeyRuns
from ray_pipeline.sla.result import CheckResult, Verdict
from ray_pipeline.sla.targets import Moves, judge

from .promise import Promise, plural, so_far


@dataclass(frozen=True, slots=True, kw_only=True)
class HasParent(Promise):
    """How many rows, or with a tolerance which share of them, have no parent.

    A row is judged once its parent is overdue: when the parent's watermark has passed the moment in ``time`` and the
    parent's lateness. Until then it is pending, and where orphans are set aside so is the day: a row that is published
    stays published, so none may be published before its parent is known.
    The gate merges the keys and puts what it found into ``DayView.keys`` under this check's id.
    """

    relationship: Relationship
    time: Column | None = None
    """The moment of this side that tells when the parent should have come."""

    @property
    def measures(self) -> tuple[KeyRuns, ...]:
        return (KeyRuns(self.relationship.columns, self.time),)

    def judge(self, view: DayView) -> CheckResult:
        found = view.keys.get(self.id)
        if found is None:
            return self.missing(view)
        if found.problem is not None:
            return self.unknown(view, found.problem)
        judged = found.rows - found.pending
        if self.unit == "percent":
            value = 100 * found.flagged / judged if judged > 0 else 0.0
        else:
            value = float(found.flagged)
        verdict = self._verdict(view, found, value)
        words = f"{found.flagged:,} of {plural(judged, 'row')} have no {self.relationship.parent}{so_far(view)}"
        waiting = f"; of {plural(found.pending, 'row')} more it may still come" if found.pending else ""
        follows = ""
        if verdict is Verdict.FAILED and self.severity == "error":
            follows = " They are set aside." if self.flags_rows else " The day is held."
        return self.result(
            view,
            verdict,
            value=value,
            detail=f"{words}{waiting}.{follows}",
            rows=found.flagged,
            examples=found.examples,
        )

    def _verdict(self, view: DayView, found: KeyFinding, value: float) -> Verdict:
        open_ended = not view.complete or found.pending > 0
        moves = Moves.BOTH if self.unit == "percent" else Moves.UP
        verdict = judge(self.targets, value, complete=not open_ended, moves=moves)
        if found.pending and (verdict is Verdict.PASSED or self.flags_rows):
            return Verdict.PENDING
        return verdict
