"""From states to verdicts: what is known of each day and of the dataset, and what every check says about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ray_pipeline.errors import RayPipelineError
from ray_pipeline.gate.entries import Series
from ray_pipeline.sla.check import DatasetView, DayCheck, DayView, KeyFinding, SqlValue
from ray_pipeline.sla.checks.gaps import Gaps
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.keys.key_runs import KeyRuns
from ray_pipeline.sla.measure import Array, Measure
from ray_pipeline.sla.measures.publication_days import PublicationDays
from ray_pipeline.sla.result import CheckResult, Verdict

from .gate_state import FileUnreadableError, Known, States
from .landed import as_moment
from .shelf import Group, merged

PATIENCE = timedelta(hours=24)
"""A partition that brings no event holds a day open for so long, and no longer: then the gate's clock closes it."""


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """One day, judged."""

    day: str
    view: DayView
    results: tuple[CheckResult, ...]
    flagged: Mapping[str, Mapping[str, Array]]
    """Check id → file key → rows that break it, of new and held files."""
    rows: int
    new_rows: int
    unreadable: frozenset[str] = frozenset()
    """Keys of files that could not be read."""


def day_is_complete(day: str, watermark: datetime | None, at: datetime, lateness: timedelta) -> bool:
    """Say whether no event of the day is expected any more.

    The watermark is the lowest of the partitions' highest event times; one that stands still waits for ``PATIENCE``.

    >>> one_o_clock = datetime(2013, 2, 9, 1, tzinfo=UTC)
    >>> day_is_complete("2013-02-08", one_o_clock, one_o_clock, timedelta(hours=1))
    True
    """
    try:
        end = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1) + lateness
    except (ValueError, OverflowError):  # days before the year 1 or after 9999 are legal event days
        return True
    reached = [at - PATIENCE, *([watermark] if watermark is not None else [])]
    return max(reached) >= end


def readable_states(
    known: Known, states: States, day: str, groups: Iterable[Group]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return the small states of a day's landed files by file key, and why some could not be read."""
    found: dict[str, dict[str, Any]] = {}
    unreadable: dict[str, str] = {}
    small = [group for group in groups if not group.is_keys]
    for file in known.landed_of(day):
        try:
            parts: dict[str, Any] = {}
            for group in small:
                parts.update(states.get(known, file, group))
            found[file.key] = parts
        except RayPipelineError as error:
            if error.retryable:
                raise
            unreadable[file.key] = str(error)
    return found, unreadable


def judge_day(
    known: Known,
    day: str,
    at: datetime,
    parts: Mapping[str, Mapping[str, Any]],
    unreadable: Mapping[str, str],
    *,
    keys: Mapping[str, KeyFinding],
    sql: Mapping[str, SqlValue],
    earlier: Mapping[str, Any],
    published: Mapping[str, tuple[int, int]],
    history: Mapping[str, Series],
) -> DayOutcome:
    """Return what every check on days says about this one."""
    plan = known.dataset.plan
    measures = tuple(measure for measure in plan.measures if not isinstance(measure, KeyRuns))
    good, bad = published.get(day, (0, 0))
    view = DayView(
        day=day,
        at=at,
        complete=day_is_complete(day, known.landed.watermark, at, known.dataset.expectations.lateness),
        partials=merged(measures, parts.values()),
        earlier=earlier,
        good=good,
        bad=bad,
        keys=keys,
        sql=sql,
        history={check: tuple(pair for pair in series if pair[0] < day) for check, series in history.items()},
    )
    results = tuple(check.judge(view) for check in plan.day_checks)
    if unreadable:
        results = (_unreadable(day, unreadable), *(_not_judged(result) for result in results))
    candidates = {one.file.key for one in known.new.get(day, ())} | {file.key for file in known.state.held.get(day, ())}
    files = known.landed_of(day)
    return DayOutcome(
        day,
        view,
        results,
        {check.id: _flagged(check, parts, keys, candidates) for check in plan.day_checks if check.scope == "row"},
        sum(file.rows for file in files),
        sum(one.file.rows for one in known.new.get(day, ())),
        frozenset(unreadable),
    )


def _flagged(
    check: DayCheck, parts: Mapping[str, Mapping[str, Any]], keys: Mapping[str, KeyFinding], candidates: set[str]
) -> dict[str, Array]:
    """Return the rows of new and held files that break a check: from the keys where it is about them."""
    found: dict[str, Array] = {}
    if check.id in keys:
        return {key: rows for key, rows in keys[check.id].positions.items() if key in candidates}
    for key in candidates & parts.keys():
        for measure in check.measures:
            partial = parts[key].get(measure.id)
            if isinstance(partial, FlaggedRows) and len(partial.positions):
                found[key] = partial.positions
    return found


def _not_judged(result: CheckResult) -> CheckResult:
    """Return the result of a day that is known in part: too few rows, say, would be nobody's breach but the file's."""
    return replace(
        result,
        verdict=Verdict.UNKNOWN,
        value=None,
        detail="Not judged: a file of the day cannot be read.",
        rows=None,
        examples=(),
    )


def _unreadable(day: str, unreadable: Mapping[str, str]) -> CheckResult:
    first = sorted(unreadable.values())[0]
    more = f" (and {len(unreadable) - 1} more)" if len(unreadable) > 1 else ""
    return CheckResult(
        check="readable-files",
        name="Every landed file can be read",
        kind="file",
        scope="day",
        severity="error",
        verdict=Verdict.UNKNOWN,
        day=day,
        dimension="conformity",
        value=float(len(unreadable)),
        unit="files",
        target="0 files",
        detail=f"{first}{more}; restore the file from a copy, then run the gate again",
    )


def dataset_view(known: Known, at: datetime, history: Mapping[str, Series]) -> DatasetView:
    """Return what is known of the dataset as a whole."""
    oldest = [moment for moment in (known.landed.oldest, _moment(known.state.event_time_min)) if moment is not None]
    return DatasetView(
        at=at,
        newest_event=known.landed.newest,
        oldest_event=min(oldest, default=None),
        rows=known.state.landed + sum(one.file.rows for one in known.landed.files),
        history=history,
    )


def earlier_partials(
    known: Known, states: States, groups: Sequence[Group], day: str, judged: Mapping[str, DayOutcome]
) -> Mapping[str, Any]:
    """Return when each group of a frequency was seen last before the day, for gaps across midnight.

    Of the nearest earlier day that has rows, and of those before it that a gap may have begun on which becomes too
    long on this day: a group may be silent for a whole day.
    """
    # The manifests and not the ledger's list of them: one that was changed stops the gate, whatever the checks look at.
    before = sorted((other for other in {*known.manifests, *known.new} if other < day), reverse=True)
    found: dict[str, Any] = {}
    for check in known.dataset.plan.day_checks:
        if isinstance(check, Gaps):
            (measure,) = check.measures
            first = _day_of_a_gap(day, check.limit)
            seen = measure.zero()
            for other in before[:1] + [other for other in before[1:] if other >= first]:
                with_it = seen.merge(_partial(known, states, groups, other, measure, judged).ends())
                if with_it.too_many:
                    break
                seen = with_it
            found[measure.id] = seen
    return found


def _partial(
    known: Known, states: States, groups: Sequence[Group], day: str, measure: Measure, judged: Mapping[str, DayOutcome]
) -> Any:
    if day in judged:
        return judged[day].view.partials[measure.id]
    parts, _ = readable_states(known, states, day, groups)
    return merged([measure], parts.values())[measure.id]


def _day_of_a_gap(day: str, limit: float) -> str:
    """Return the first day with an event from which a gap of ``limit`` seconds reaches into this one.

    >>> _day_of_a_gap("2013-02-10", 3600), _day_of_a_gap("2013-02-10", 36 * 3600)
    ('2013-02-09', '2013-02-08')
    """
    try:
        return (datetime.fromisoformat(day) - timedelta(seconds=limit)).date().isoformat()
    except (ValueError, OverflowError):  # days before the year 1 or after 9999 are legal event days
        return ""


def published_days(known: Known, states: States, groups: Iterable[Group]) -> dict[str, tuple[int, int]]:
    """Return publication day → good and bad records of the new files alone."""
    measure = PublicationDays().id
    found: dict[str, tuple[int, int]] = {}
    (group,) = [one for one in groups if any(m.id == measure for m in one.measures)]

    def add(counts: Mapping[str, int], *, refused: bool) -> None:
        for day, n in counts.items():
            good, bad = found.get(day, (0, 0))
            found[day] = (good, bad + n) if refused else (good + n, bad)

    for one in known.landed.files:
        with suppress(FileUnreadableError):  # its day says so, and is held
            add(states.get(known, one.file, group)[measure].days, refused=False)
    for one in known.landed.bad_files:
        with suppress(FileUnreadableError):
            add(states.refused(known, one)[measure].days, refused=True)
    return found


def _moment(text: str | None) -> datetime | None:
    return None if text is None else as_moment(text)
