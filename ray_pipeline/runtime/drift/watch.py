"""Closes the windows that are over: reads logs and counts, writes one record for each window, and nothing else.

Everything that it knows is in logs, so it may be stopped anywhere and started anywhere, twice at once too: a window
has one record. A window is closed once, by what had landed then; what lands for it later is counted as late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.drift.alarm import alarm, judge_window
from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.verdict import Window
from ray_pipeline.drift.windows import day_after, day_of, first_day_with_rows, watermark, window_from, windows_due
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.runtime.drift.baselines import BaselineLog, WatchedBaseline, compatible
from ray_pipeline.runtime.drift.late import late_rows
from ray_pipeline.runtime.drift.log import AlarmState, WindowLog, WindowRecord
from ray_pipeline.runtime.drift.read_counts import SubjectCounts, places, read_counts
from ray_pipeline.runtime.drift.standing import SubjectWatch, WatchReport
from ray_pipeline.runtime.drift.text import moment, sentence, why_not
from ray_pipeline.runtime.wiring import open_lake

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.contracts.model import DataContract

Say = Callable[[str], None]
_SECOND = 1_000_000


def watch(
    config: PipelineConfig,
    *,
    now: datetime | None = None,
    parts: int = 1,
    subjects: Sequence[str] = (),
    on_message: Say | None = None,
    clock: Clock | None = None,
) -> WatchReport:
    """Close every window that is due, of ``subjects`` or of everything that has a baseline.

    ``now`` decides which partitions are idle, and no event of later closes anything; ``parts`` is how many readers
    share the counting, and changes no bit of any verdict. What was closed before is not closed again, whatever the
    clock says.
    """
    clock = clock or WallClock()
    at = (now or clock.now()).astimezone(UTC)
    looker = Looker(config, at, clock=clock)
    found = [looker.close(name, parts, on_message) for name in looker.subjects(subjects)]
    return WatchReport(config.pipeline, timestamp_text(at), tuple(found))


class Looker:
    """One look at the subjects of a pipeline, as of one moment."""

    def __init__(self, config: PipelineConfig, at: datetime, *, clock: Clock | None = None) -> None:
        self.config, self.at = config, at
        self.store = open_lake(config)
        self._clock: Clock = clock or WallClock()
        self.baselines = BaselineLog(self.store, config.pipeline, clock=self._clock)
        self.log = WindowLog(self.store, config.pipeline, clock=self._clock)
        self._now_us = round(at.timestamp() * _SECOND)

    def subjects(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Return the datasets to look at: those that are asked for, else those that have a baseline."""
        for name in asked:
            self.config.dataset(name)
        if asked:
            return tuple(dict.fromkeys(asked))
        return tuple(name for name in self.config.datasets if self.baselines.newest(name) is not None)

    def look(self, subject: str) -> SubjectWatch:
        """Say where a subject stands, without closing anything."""
        return self._stand(subject)[0]

    def close(self, subject: str, parts: int = 1, say: Say | None = None) -> SubjectWatch:
        """Close what is due of a subject, one window after the other."""
        closed: list[WindowRecord] = []
        while True:
            standing, through = self._stand(subject)
            due = self._due(standing)
            counts = self._counted(standing, due, through, parts) if due else None
            if counts is None or not (due := self._due(standing, counts)):
                return replace(standing, closed=tuple(closed))
            beaten = False
            records = list(standing.records)
            for window in due:
                made = self._record(standing, tuple(records), window, counts, through)
                there = self.log.append(made)
                if there.to_json() == made.to_json():
                    closed.append(there)
                    if say is not None:
                        say(sentence(there))
                elif there.window != made.window or there.baseline != made.baseline:
                    beaten = True  # another watcher closed other days under this number: what is due is asked anew
                    break
                records.append(there)
            if not beaten:
                return replace(self.look(subject), closed=tuple(closed))

    def _stand(self, subject: str) -> tuple[SubjectWatch, dict[str, int]]:
        watched, records = self.baselines.newest(subject), self.log.read(subject)
        if watched is None:
            why = f"it has no baseline; `ray-pipeline drift baseline {subject}` makes one"
            return SubjectWatch(subject, None, records, reason=why), {}
        where = places(self.config, subject)
        through = {one.log: one.n for one in where}
        mark = watermark(where, self._now_us, round(self.config.drift.idle_after_seconds * _SECOND))
        found = SubjectWatch(
            subject,
            watched,
            records,
            watermark_us=mark,
            late=late_rows(self.store, self.config, subject, records, since=watched),
            reason="nothing of it has landed yet" if mark is None else "",
            notices=self._notices(watched),
        )
        if mark is not None:
            found = replace(found, open=window_from(_begin(found), self.config.drift.window_days))
        if mark is not None and found.last is None:
            found = replace(found, reason=f"its first window is not over yet; event time is at {moment(mark)}")
        elif found.last is not None and found.last.verdict.drift is None:
            found = replace(found, reason=why_not(found.last))
        return found, through

    def _due(self, standing: SubjectWatch, counts: SubjectCounts | None = None) -> list[Window]:
        """Return what is due; a series begins with the first day of which rows landed, once they are counted."""
        if standing.watermark_us is None:
            return []
        policy, begin = self.config.drift, _begin(standing)
        if counts is not None and not standing.series:
            begin = first_day_with_rows(counts.rows, begin) or day_after(day_of(standing.watermark_us))
        done = [one.window for one in standing.records]
        return windows_due(
            begin, policy.window_days, standing.watermark_us, round(policy.lateness_hours * 3600 * _SECOND), done
        )

    def _counted(
        self, standing: SubjectWatch, due: Sequence[Window], through: Mapping[str, int], parts: int
    ) -> SubjectCounts:
        """Count all windows that are due in one pass over the files."""
        assert standing.baseline is not None
        assert standing.watermark_us is not None
        until = due[-1].until if standing.series else day_after(day_of(standing.watermark_us))
        return read_counts(
            self.config,
            standing.baseline,
            first_day=due[0].first,
            until_day=until,
            through=through,
            parts=parts,
        )

    def _record(
        self,
        standing: SubjectWatch,
        records: tuple[WindowRecord, ...],
        window: Window,
        counts: SubjectCounts,
        through: Mapping[str, int],
    ) -> WindowRecord:
        watched, subject = standing.baseline, standing.subject
        assert watched is not None
        assert standing.watermark_us is not None
        of_window = {name: within(one, window) for name, one in counts.columns.items()}
        independent = self._contract(subject).rows_independent
        verdict = judge_window(
            subject, watched.baseline, watched.digest, of_window, window, self.config.drift, independent=independent
        )
        verdict = replace(verdict, notices=(*verdict.notices, *standing.notices))
        series = [one.verdict for one in records if one.baseline == watched.number]
        return WindowRecord(
            number=len(records) + 1,
            baseline=watched.number,
            model=watched.model,
            verdict=verdict,
            alarm=AlarmState.of(alarm([*series, verdict], self.config.drift)),
            through=dict(through),
            watermark_us=standing.watermark_us,
            late_rows=sum(late_rows(self.store, self.config, subject, records, through, since=watched).values()),
            closed_at=timestamp_text(self._clock.now()),
        )

    def _notices(self, watched: WatchedBaseline) -> tuple[str, ...]:
        """Say where the baseline is of another contract than rows land under now."""
        contract, was = self._contract(watched.subject), watched.contract
        if was is None or was.digest == contract.digest:
            return ()
        others = compatible(watched, contract)
        gone = f" ({', '.join(others)} cannot be compared any more)" if others else ""
        return (
            f"the baseline is of contract {was.id} {was.version}, and rows land under {contract.id} "
            f"{contract.version} now{gone}; where a column means something else by now, make a new one: "
            f"`ray-pipeline drift baseline {watched.subject}`",
        )

    def _contract(self, subject: str) -> DataContract:
        settings = self.config.dataset(subject)
        return load_contract(settings.contract, object_name=settings.object)


def within(found: BlockCounts, window: Window) -> BlockCounts:
    """Return the counts of a window's days alone."""
    chosen = [place for place, day in enumerate(found.blocks) if window.first <= day < window.until]
    return BlockCounts(tuple(found.blocks[place] for place in chosen), found.counts[chosen])


def _begin(standing: SubjectWatch) -> str:
    """Return the first day that is not closed: of the series, or the one on which a new series may begin."""
    assert standing.baseline is not None
    last = standing.records[-1].window.until if standing.records else ""
    return last if standing.series else max(standing.baseline.until_day, last)
