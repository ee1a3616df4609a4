"""What moved in a window, since when, by how much, and in which rows: bins and places, never a row's values."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from ray_pipeline.clock import Clock
from ray_pipeline.drift.baseline import Baseline
from ray_pipeline.drift.counts import BlockCounts
from ray_pipeline.drift.edges import Column
from ray_pipeline.errors import BaselineError, UsageError
from ray_pipeline.runtime.drift.baselines import BaselineLog, WatchedBaseline
from ray_pipeline.runtime.drift.late import WindowFile, late_rows, window_files
from ray_pipeline.runtime.drift.log import WindowLog, WindowRecord
from ray_pipeline.runtime.drift.read_counts import read_counts
from ray_pipeline.runtime.drift.standing import baseline_json
from ray_pipeline.runtime.drift.text import (
    NOTHING,
    alarm_words,
    aligned,
    figure,
    share,
    table_html,
    why_not,
)
from ray_pipeline.runtime.wiring import open_lake
from ray_pipeline.text import count
from ray_pipeline.types import Outcome

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.drift.values import Ints
    from ray_pipeline.drift.verdict import ColumnVerdict

_BINS, _COLUMNS, _FILES = 5, 8, 12
_LEAST = 0.0005
"""Bins whose share changed by less are not named."""


@dataclass(frozen=True, slots=True)
class BinChange:
    """One bin's share of the rows, the missing among them."""

    label: str
    before: float
    now: float

    @property
    def change(self) -> float:
        """By how much of all rows."""
        return self.now - self.before

    def to_json(self) -> dict[str, Any]:
        """Return the bin as a mapping."""
        return asdict(self) | {"change": self.change}


@dataclass(frozen=True, slots=True)
class ColumnExplained:
    """What is known of a column in a window."""

    verdict: ColumnVerdict
    since: str | None
    """First day of the windows, one after the other up to this one, in which it moved; None: it did not."""
    gained: tuple[BinChange, ...]
    """The bins whose share grew most …"""
    lost: tuple[BinChange, ...]
    """… and those whose share fell most."""

    def to_json(self) -> dict[str, Any]:
        """Return the column as a mapping."""
        return asdict(self.verdict) | {
            "since": self.since,
            "gained": [one.to_json() for one in self.gained],
            "lost": [one.to_json() for one in self.lost],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """A closed window, explained."""

    subject: str
    record: WindowRecord
    baseline: WatchedBaseline
    columns: tuple[ColumnExplained, ...]
    """Those that moved, the farthest first; else all; or the one that was asked for."""
    files: tuple[WindowFile, ...]
    """Those that the window was judged by."""
    late_rows: int
    """Rows of its days that landed after it was closed."""
    same_counts: bool
    """Whether reading the files again gives as many rows as the verdict says."""

    @property
    def outcome(self) -> Outcome:
        """BROKEN where something moved, UNKNOWN where nothing can be said."""
        drift = self.record.verdict.drift
        return Outcome.UNKNOWN if drift is None else Outcome.BROKEN if drift else Outcome.HELD

    @property
    def query(self) -> str:
        """Return a command that reads the window's rows."""
        days = sorted({one.day for one in self.files})
        listed = f"ray-pipeline files {shlex.quote(self.subject)}"
        pattern = shlex.quote(f"-({'|'.join(days)})-e")
        return f"{listed} | grep -E -e {pattern}" if days else listed

    def to_json(self) -> dict[str, Any]:
        """Return what ``drift explain --output json`` prints."""
        return {
            "outcome": int(self.outcome),
            "subject": self.subject,
            "window": {"first": self.record.window.first, "until": self.record.window.until},
            "number": self.record.number,
            "drift": self.record.verdict.drift,
            "alarm": self.record.alarm.to_json(),
            "rows": self.record.verdict.rows,
            "baseline": baseline_json(self.baseline),
            "columns": [one.to_json() for one in self.columns],
            "offsets": [{"partition": one, "first": first, "until": until, "rows": rows}
                        for one, first, until, rows in self.offsets()],
            "files": [one.to_json() for one in self.files],
            "command": self.query,
            "late_rows": self.late_rows,
            "same_counts": self.same_counts,
        }  # fmt: skip

    def offsets(self) -> list[tuple[int, int, int, int]]:
        """Return, for each partition, from which offset to before which one the files reach, and their rows."""
        found: dict[int, tuple[int, int, int]] = {}
        for one in self.files:
            first, until, rows = found.get(one.partition, (one.first, one.until, 0))
            found[one.partition] = (min(first, one.first), max(until, one.until), rows + one.rows)
        return [(partition, *rest) for partition, rest in sorted(found.items())]

    def as_lines(self) -> Iterator[str]:
        """Yield the explanation for people."""
        yield from self._head()
        for one in self.columns[:_COLUMNS]:
            yield ""
            yield from self._column(one)
        if len(self.columns) > _COLUMNS:
            yield ""
            yield f"and {len(self.columns) - _COLUMNS} more columns; `ray-pipeline drift explain {self.subject} COLUMN`"
        yield ""
        yield from self._rows()

    def _head(self) -> Iterator[str]:
        verdict, base = self.record.verdict, self.baseline
        word = "cannot be told" if verdict.drift is None else "moved" if verdict.drift else "as usual"
        rows = count(verdict.rows, "row")
        yield f"{self.subject} {self.record.window}: {word}, {rows}; {alarm_words(self.record.alarm)}"
        model = "" if base.model is None else f" of {base.model}"
        yield (
            f"compared with baseline {base.number}{model}: {base.first_day} up to {base.until_day}, "
            f"{count(base.baseline.rows, 'row')}"
        )
        if verdict.drift is None:
            yield f"why not: {why_not(self.record)}"

    def _column(self, one: ColumnExplained) -> Iterator[str]:
        found = one.verdict
        since = f", since {one.since}" if one.since else ""
        word = "cannot be told" if found.drift is None else f"moved{since}" if found.drift else "as usual"
        shift = "" if found.shift is None else f", mean {found.shift:+.2f} sd"
        yield f"{found.name}: {word}; effect {figure(found.effect)}, p {figure(found.p_adjusted)}{shift}"
        if found.missing or found.missing_before:
            p = figure(found.missing_p_adjusted)
            yield f"  missing {share(found.missing_before)} before, {share(found.missing)} now, p {p}"
        if found.reason:
            yield f"  {found.reason}"
        changes = [*((c, "gained") for c in one.gained), *((c, "lost") for c in one.lost)]
        if changes and (found.drift or len(self.columns) == 1):
            cells = [(f"  {kind}", c.label, share(c.before), share(c.now), f"{c.change:+.1%}") for c, kind in changes]
            yield from aligned([("  bin", "", "before", "now", "change"), *cells], texts=2)

    def _rows(self) -> Iterator[str]:
        yield f"its rows are in {count(len(self.files), 'file')}:"
        for partition, first, until, rows in self.offsets():
            yield f"  partition {partition}: {count(rows, 'row')} among offsets {first:,} to {until - 1:,}"
        yield from (f"  {one.uri}" for one in self.files[:_FILES])
        if len(self.files) > _FILES:
            yield f"  and {len(self.files) - _FILES} more"
        yield f"  all of them: {self.query}"
        if self.late_rows:
            yield f"{count(self.late_rows, 'row')} of these days landed after the window was closed; they are not in it"
        if not self.same_counts:
            yield "its files hold other rows than the verdict was made from; run `ray-pipeline verify`"

    def _repr_html_(self) -> str:
        head = "<br>".join(escape(line) for line in self._head())
        parts = [table_html([("column", "bin", "before", "now", "change"), *_bin_rows(self.columns[:_COLUMNS])])]
        return f"<div>{head}{''.join(parts)}<small>{escape(self.query)}</small></div>"


def explain(
    config: PipelineConfig,
    subject: str,
    column: str | None = None,
    *,
    window: str | None = None,
    parts: int = 1,
    clock: Clock | None = None,
) -> Explanation:
    """Explain a closed window: the last one, or the one with the ISO day ``window`` in it.

    The counts are read again, of the very entries that the verdict was made from. ``BaselineError`` where no window was
    closed yet, ``UsageError`` where there is no such dataset, column or window.
    """
    config.dataset(subject)
    store = open_lake(config)
    records = WindowLog(store, config.pipeline, clock=clock).read(subject)
    baselines = BaselineLog(store, config.pipeline)
    if not records:
        made = "no window was closed yet; `ray-pipeline drift watch` closes those that are over"
        raise BaselineError(subject, made if baselines.newest(subject) else "there is none, so nothing is compared; "
                            f"`ray-pipeline drift baseline {subject}` makes one")  # fmt: skip
    record = _chosen(subject, records, window)
    watched = baselines.get(subject, record.baseline)
    if watched.digest != record.verdict.baseline:
        raise BaselineError(subject, f"number {record.baseline} is not the one that window {record.number} names")
    found = read_counts(
        config,
        watched,
        first_day=record.window.first,
        until_day=record.window.until,
        through=record.through,
        parts=parts,
    )
    names = [one.name for one in record.verdict.columns]
    if column is not None and column not in names:
        raise UsageError(f"{subject} has no column {column} that is watched; there are {', '.join(names)}")
    chosen = [one for one in record.verdict.columns if one.name == column] if column else list(record.verdict.moved)
    series = [one for one in records if one.baseline == record.baseline and one.number <= record.number]
    return Explanation(
        subject=subject,
        record=record,
        baseline=watched,
        columns=tuple(
            _explained(one, watched.baseline, found.columns.get(one.name), series)
            for one in chosen or record.verdict.columns
        ),
        files=tuple(window_files(store, config, record)),
        late_rows=late_rows(store, config, subject, records).get(record.number, 0),
        same_counts=sum(found.rows.values()) == record.verdict.rows,
    )


def changes(before: Ints, now: Ints, labels: tuple[str, ...]) -> tuple[BinChange, ...]:
    """Return every bin with its share of all rows before and now."""
    first, second = max(1, int(before.sum())), max(1, int(now.sum()))
    return tuple(
        BinChange(label, int(was) / first, int(found) / second)
        for label, was, found in zip(labels, before, now, strict=True)
    )


def _explained(
    verdict: ColumnVerdict, base: Baseline, live: BlockCounts | None, series: list[WindowRecord]
) -> ColumnExplained:
    column, counted = _counted(base, verdict)
    found: tuple[BinChange, ...] = ()
    if column is not None and counted is not None and live is not None:
        found = changes(counted.total, live.total, column.labels())
    gained = sorted((one for one in found if one.change >= _LEAST), key=lambda one: -one.change)
    lost = sorted((one for one in found if one.change <= -_LEAST), key=lambda one: one.change)
    return ColumnExplained(verdict, _since(verdict, series), tuple(gained[:_BINS]), tuple(lost[:_BINS]))


def _counted(base: Baseline, verdict: ColumnVerdict) -> tuple[Column | None, BlockCounts | None]:
    if verdict.kind == "score" or verdict.name not in base.names:
        return base.score, base.of_score()
    return base.column(verdict.name), base.of(verdict.name)


def _since(verdict: ColumnVerdict, series: list[WindowRecord]) -> str | None:
    """Return since when a column moved without a break; a window that says nothing of it is none."""
    since = None
    for record in reversed(series):
        found = next((one for one in record.verdict.columns if one.name == verdict.name), None)
        if found is None or found.drift is False:
            break
        since = record.window.first if found.drift else since
    return since if verdict.drift else None


def _chosen(subject: str, records: tuple[WindowRecord, ...], window: str | None) -> WindowRecord:
    if window is None:
        return records[-1]
    found = [one for one in records if one.window.first <= window < one.window.until]
    if not found:
        raise UsageError(
            f"no closed window of {subject} has day {window} in it; they reach from {records[0].window.first} to "
            f"before {records[-1].window.until}"
        )
    return found[-1]


def _bin_rows(columns: tuple[ColumnExplained, ...]) -> Iterator[tuple[str, ...]]:
    for one in columns:
        for change in (*one.gained, *one.lost):
            yield one.verdict.name, change.label, share(change.before), share(change.now), f"{change.change:+.1%}"
        if not one.gained and not one.lost:
            yield one.verdict.name, NOTHING, NOTHING, NOTHING, NOTHING
