"""A SQL rule that counts rows for which a condition is true."""

from __future__ import annotations

from dataclasses import dataclass

from ray_pipeline.sla.check import DayView
from ray_pipeline.sla.result import CheckResult
from ray_pipeline.sla.sql.row_predicate import RowPredicate

from .flagging import judge_flagged
from .promise import Promise, partial_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSql(Promise):
    """``SELECT COUNT(*) FROM ${table} WHERE condition``: the rows themselves are known, and can be set aside."""

    predicate: RowPredicate

    @property
    def measures(self) -> tuple[RowPredicate, ...]:
        return (self.predicate,)

    def judge(self, view: DayView) -> CheckResult:
        return judge_flagged(self, view, partial_of(view, self.predicate), "meet the query's condition")
