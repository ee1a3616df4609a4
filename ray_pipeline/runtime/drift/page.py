"""The page of all that is watched: made from records and counts, and kept in the store beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.lake.keys import quote
from ray_pipeline.report.drift_page import ShownErrors, ShownSubject, ShownWindow, drift_page
from ray_pipeline.runtime.drift.read_counts import read_counts
from ray_pipeline.runtime.drift.status import DriftStatus, status
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.text import count

if TYPE_CHECKING:
    from ray_pipeline.clock import Clock
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.runtime.drift.concept import ConceptReport
    from ray_pipeline.runtime.drift.standing import SubjectWatch


@dataclass(frozen=True, slots=True)
class DriftPage:
    """A page, and where it is."""

    html: str
    uri: str
    status: DriftStatus

    def _repr_html_(self) -> str:
        return self.status._repr_html_()


def write_page(
    config: PipelineConfig, *, now: datetime | None = None, parts: int = 1, clock: Clock | None = None
) -> DriftPage:
    """Draw what is watched, and keep the page in the store: the newest, and one for each moment."""
    found = status(config, now=now, clock=clock)
    html = render(config, found, parts=parts)
    store = open_lake(config)
    for key in (_key(config.pipeline, f"{found.at[:19].replace(':', '')}Z"), _key(config.pipeline, "report")):
        store.put(key, html.encode())
    return DriftPage(html, store.uri(_key(config.pipeline, "report")), found)


def render(config: PipelineConfig, found: DriftStatus, *, parts: int = 1) -> str:
    """Return the page of a status; the last windows' counts are read again."""
    subjects = [_subject(config, one, parts) for one in found.subjects]
    return drift_page(found.pipeline, found.at, subjects, None if found.concept is None else _errors(found.concept))


def _subject(config: PipelineConfig, one: SubjectWatch, parts: int) -> ShownSubject:
    base, last = one.baseline, one.last
    live: dict[str, BlockCounts] = {}
    if base is not None and last is not None:
        counts = read_counts(
            config,
            base,
            first_day=last.window.first,
            until_day=last.window.until,
            through=last.through,
            parts=parts,
        )
        live = dict(counts.columns)
    alarm = None if last is None else last.alarm
    since = alarm.since.first if alarm is not None and alarm.fired and alarm.since is not None else ""
    model = "" if base is None or base.model is None else f" of {base.model}"
    return ShownSubject(
        name=one.subject,
        reason=one.reason,
        baseline=None if base is None else base.baseline,
        compared_with=""
        if base is None
        else f"baseline {base.number}{model}: {base.first_day} up to {base.until_day}, "
        f"{count(base.baseline.rows, 'row')} of {count(len(base.baseline.blocks), 'day')}",
        windows=[ShownWindow(record.verdict, record.alarm.fired) for record in one.series],
        live=live,
        since=since,
        alarmed=() if alarm is None or not alarm.fired else alarm.columns,
        open="" if one.open is None else str(one.open),
        late_rows=one.late_rows,
        notices=one.notices,
    )


def _errors(found: ConceptReport) -> ShownErrors:
    return ShownErrors(
        model=f"{found.model}/{found.version}",
        headline=found.headline(),
        fired=found.fired,
        reference=None if found.reference is None else found.reference.mean,
        days=[(one.day, one.answers, one.labels, one.expected, one.loss) for one in found.days],
        lines=list(found.sentences()),
    )


def _key(pipeline: str, name: str) -> str:
    """Return where a page lies: in a folder beside those of the subjects, as the gate's reports do."""
    return f"{quote(pipeline)}/_drift/_pages/{quote(name)}.html"
