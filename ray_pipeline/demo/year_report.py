"""What a year of the loop did: month by month, with its seconds, and what must not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ray_pipeline.report.year_drawings import YearMark as Mark
from ray_pipeline.types import Outcome

from .year_answers import Answered
from .year_plan import YearPlan
from .year_score import Compared

__all__ = ["Mark", "Month", "YearReport"]

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.verify_report import VerifyReport
    from ray_pipeline.runtime.ingest import IngestReport
    from ray_pipeline.sla.result import GateReport


@dataclass(frozen=True, slots=True)
class Month:
    """One month of answers."""

    start: datetime
    end: datetime
    answered: Answered
    compared: Compared
    marks: tuple[Mark, ...] = ()
    """What happened in it, and at its end."""

    @property
    def name(self) -> str:
        """The month, as ``2013-04``."""
        return f"{self.start:%Y-%m}"


@dataclass(frozen=True, slots=True)
class YearReport:
    """One run of the year."""

    folder: Path
    config: PipelineConfig
    plan: YearPlan
    first: str
    """The model of January to March."""
    months: tuple[Month, ...]
    total: Compared
    marks: tuple[Mark, ...]
    ingested: IngestReport
    gated: tuple[GateReport, ...]
    verified: VerifyReport
    windows: int
    """Windows of a week that were judged for drift …"""
    in_alarm: int
    """… and those after which their subject was in alarm."""
    not_asked: int
    """Flights at the very end whose moment the views never came to know: the source's weather ends before the year."""
    page: Path
    seconds: float
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage; what is in none is the difference to ``seconds``."""

    @property
    def surprises(self) -> tuple[str, ...]:
        """What must not be, as sentences."""
        found = []
        answers = sum(month.answered.published for month in self.months)
        for dataset, wanted in {**self.plan.published, self.config.serve.predictions: answers}.items():
            counts = self.ingested.datasets[dataset]
            if (counts.read, counts.landed) != (wanted, wanted):
                found.append(
                    f"{dataset}: {counts.read:,} events read, {counts.landed:,} landed of {wanted:,} published"
                )
        for month in self.months:
            if month.compared.landed != month.answered.published:
                found.append(
                    f"{month.name}: {month.compared.landed:,} answers landed of {month.answered.published:,} published"
                )
            if month.compared.loop is None:
                found.append(f"{month.name}: no answer has a label")
        found += [f"{one.dataset}: {problem}" for report in self.gated for one in report.datasets
                  for problem in one.problems]  # fmt: skip
        if self.verified.outcome is not Outcome.HELD:
            found.append("verify: not everything that was checked holds")
        return tuple(found)

    @property
    def outcome(self) -> Outcome:
        """HELD only where nothing is lost, and `verify` holds."""
        return Outcome.BROKEN if self.surprises else self.ingested.outcome
