"""Where each subject stands: its baseline, its closed windows, its alarm, and how far event time is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ray_pipeline.drift.verdict import Window
from ray_pipeline.runtime.drift.log import WindowRecord
from ray_pipeline.runtime.drift.text import NO_BASELINE, lines_html, moment, sentence
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.runtime.drift.baselines import WatchedBaseline


@dataclass(frozen=True, slots=True)
class SubjectWatch:
    """Where one subject stands."""

    subject: str
    baseline: WatchedBaseline | None
    records: tuple[WindowRecord, ...]
    """Every closed window, those of earlier baselines too."""
    closed: tuple[WindowRecord, ...] = ()
    """Those that this call closed."""
    watermark_us: int | None = None
    """How far event time is everywhere; None: nothing landed."""
    open: Window | None = None
    """The window that is not over yet."""
    late: Mapping[int, int] | None = None
    """Number of a closed window → rows that landed for it later, where there are any; 0: for days before the first."""
    reason: str = ""
    """Why nothing can be said."""
    notices: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[WindowRecord, ...]:
        """The windows that were compared with the present baseline."""
        number = None if self.baseline is None else self.baseline.number
        return tuple(one for one in self.records if one.baseline == number)

    @property
    def last(self) -> WindowRecord | None:
        """The window of the series that was closed last."""
        return self.series[-1] if self.series else None

    @property
    def late_rows(self) -> int:
        """Rows that landed after their window was closed, or of days before the first one, which no window has."""
        return sum((self.late or {}).values())

    @property
    def outcome(self) -> Outcome:
        """BROKEN in alarm, UNKNOWN where no window could be judged, else HELD."""
        last = self.last
        if last is None:
            return Outcome.UNKNOWN
        if last.alarm.fired:
            return Outcome.BROKEN
        return Outcome.UNKNOWN if all(one.verdict.drift is None for one in self.series) else Outcome.HELD

    def to_json(self) -> dict[str, Any]:
        """Return the subject for programs; of its windows the last, and those that this call closed."""
        last, base = self.last, self.baseline
        return {
            "subject": self.subject,
            "outcome": int(self.outcome),
            "baseline": None if base is None else baseline_json(base),
            "last": None if last is None else last.to_json(),
            "windows": len(self.records),
            "closed": [one.to_json() for one in self.closed],
            "open": None if self.open is None else {"first": self.open.first, "until": self.open.until},
            "watermark": None if self.watermark_us is None else moment(self.watermark_us),
            "late_rows": self.late_rows,
            "reason": self.reason,
            "notices": list(self.notices),
        }


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What one look found and closed."""

    pipeline: str
    at: str
    """The moment that was taken for now."""
    subjects: tuple[SubjectWatch, ...]

    @property
    def closed(self) -> tuple[WindowRecord, ...]:
        """Every window that was closed."""
        return tuple(record for one in self.subjects for record in one.closed)

    @property
    def outcome(self) -> Outcome:
        """BROKEN where a subject is in alarm, UNKNOWN where one cannot be told or there is none, else HELD."""
        return worst(one.outcome for one in self.subjects)

    def subject(self, name: str) -> SubjectWatch:
        """Return one subject; ``KeyError`` where it was not looked at."""
        found = next((one for one in self.subjects if one.subject == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return what ``drift watch --output json`` prints."""
        subjects = [one.to_json() for one in self.subjects]
        return {"outcome": int(self.outcome), "pipeline": self.pipeline, "at": self.at, "subjects": subjects}

    def as_lines(self) -> list[str]:
        """Return the same for people: a line for each window that was closed."""
        return [sentence(record) for record in self.closed] or [self._nothing()]

    def _repr_html_(self) -> str:
        return lines_html(f"Drift of {self.pipeline}", self.as_lines())

    def _nothing(self) -> str:
        if not self.subjects:
            return NO_BASELINE
        waiting = (f"{one.subject}: {one.open} is not over" if one.open else f"{one.subject}: {one.reason}"
                   for one in self.subjects)  # fmt: skip
        return "no window is due; " + "; ".join(waiting)


def baseline_json(watched: WatchedBaseline) -> dict[str, Any]:
    """Return a baseline's facts, without its counts."""
    return {
        "number": watched.number,
        "digest": watched.digest,
        "model": watched.model,
        "first_day": watched.first_day,
        "until_day": watched.until_day,
        "rows": watched.baseline.rows,
        "days": len(watched.baseline.blocks),
        "created_at": watched.created_at,
        "created_by": watched.created_by,
        "reason": watched.reason,
    }


def worst(found: Iterable[Outcome]) -> Outcome:
    """Return BROKEN where there is one, then UNKNOWN; nothing at all is UNKNOWN."""
    outcomes = set(found)
    if Outcome.BROKEN in outcomes:
        return Outcome.BROKEN
    return Outcome.UNKNOWN if Outcome.UNKNOWN in outcomes or not outcomes else Outcome.HELD
