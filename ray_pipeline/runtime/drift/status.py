"""Where the watching stands: each subject's last window and alarm, and the champion's errors. Nothing is closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.errors import FileCorruptError, NoModelError, RayPipelineError, UsageError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.runtime.drift.concept import ConceptReport
from ray_pipeline.runtime.drift.standing import SubjectWatch, worst
from ray_pipeline.runtime.drift.text import NO_BASELINE, NOTHING, alarm_words, column_words, moment
from ray_pipeline.runtime.drift.watch import Looker
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

_MOVED = 8


@dataclass(frozen=True, slots=True)
class DriftStatus:
    """All that is watched."""

    pipeline: str
    at: str
    subjects: tuple[SubjectWatch, ...]
    concept: ConceptReport | None
    concept_reason: str = ""
    """Why nothing is known of a model's errors."""

    @property
    def outcome(self) -> Outcome:
        """BROKEN in alarm, UNKNOWN where a subject cannot be told or there is none, else HELD.

        That no label came yet is no doubt about the inputs: errors count where they alarm.
        """
        found = worst(one.outcome for one in self.subjects)
        return Outcome.BROKEN if self.concept is not None and self.concept.fired else found

    def to_json(self) -> dict[str, Any]:
        """Return what ``drift status --output json`` prints."""
        return {
            "outcome": int(self.outcome),
            "pipeline": self.pipeline,
            "at": self.at,
            "subjects": [one.to_json() for one in self.subjects],
            "errors": None if self.concept is None else self.concept.to_json(),
            "errors_reason": self.concept_reason,
        }

    def as_lines(self) -> Iterator[str]:
        """Yield the same for people."""
        if not self.subjects:
            yield NO_BASELINE
        for one in self.subjects:
            yield from _lines(one)
            yield ""
        if self.concept is not None:
            yield from self.concept.as_lines()
        elif self.concept_reason:
            yield f"errors: {self.concept_reason}"

    def _repr_html_(self) -> str:
        said = "<br>".join(escape(line) for one in self.subjects for line in _lines(one))
        errors = escape(self.concept_reason) if self.concept is None else self.concept._repr_html_()
        return f"<div><b>Drift of {escape(self.pipeline)}</b><br>{said or escape(NO_BASELINE)}<br>{errors}</div>"


def status(
    config: PipelineConfig,
    *,
    now: datetime | None = None,
    subjects: Sequence[str] = (),
    errors: bool = True,
    clock: Clock | None = None,
) -> DriftStatus:
    """Say where every subject stands, and with ``errors`` how the champion errs."""
    clock = clock or WallClock()
    at = (now or clock.now()).astimezone(UTC)
    looker = Looker(config, at, clock=clock)
    found = tuple(looker.look(name) for name in looker.subjects(subjects))
    report, why = _errors(config, at) if errors and not subjects else (None, "")
    return DriftStatus(config.pipeline, timestamp_text(at), found, report, why)


def _errors(config: PipelineConfig, at: datetime) -> tuple[ConceptReport | None, str]:
    """Return the champion's errors; where there is no model, or no dataset of its answers, why there are none."""
    if config.serve.predictions not in config.datasets:
        return None, f"there is no dataset {config.serve.predictions} of a model's answers"
    from ray_pipeline.runtime.drift.errors_watch import concept

    try:
        return concept(config, now=at), ""
    except (NoModelError, UsageError) as error:
        return None, str(error)
    except FileCorruptError:
        raise
    except RayPipelineError as error:
        return None, f"cannot be told: {error}"


def _lines(one: SubjectWatch) -> Iterator[str]:
    last, base = one.last, one.baseline
    head = "cannot be told" if last is None else alarm_words(last.alarm)
    yield f"{one.subject}: {head}"
    if base is not None:
        model = "" if base.model is None else f" of {base.model}"
        yield (
            f"  baseline   {base.number}{model}: {base.first_day} up to {base.until_day}, "
            f"{count(base.baseline.rows, 'row')} of {count(len(base.baseline.blocks), 'day')}"
        )
    if last is not None:
        verdict = last.verdict
        word = "cannot be told" if verdict.drift is None else "moved" if verdict.drift else "as usual"
        yield f"  window     {verdict.window}: {word}, {count(verdict.rows, 'row')}; {_closed(one)}"
        for column in verdict.moved[:_MOVED]:
            yield f"    {column_words(column)}{f': {column.reason}' if column.reason else ''}"
        if len(verdict.moved) > _MOVED:
            yield f"    and {len(verdict.moved) - _MOVED} more"
    mark = NOTHING if one.watermark_us is None else moment(one.watermark_us)
    yield f"  open       {one.open or NOTHING}; event time is at {mark} everywhere"
    if one.late_rows:
        late = count(one.late_rows, "row")
        yield f"  late       {late} landed after their window was closed, or the first one was begun"
    if one.reason:
        yield f"  unknown    {one.reason}"
    yield from (f"  notice     {notice}" for notice in one.notices)


def _closed(one: SubjectWatch) -> str:
    last = one.last
    assert last is not None
    said = count(len(one.series), "window") + " closed"
    if not last.alarm.fired or last.alarm.since is None:
        return said
    return f"{said}, in alarm since {last.alarm.since.first}: {', '.join(last.alarm.columns)}"
