"""Judge Parquet that our ingest did not write by a contract: a vendor's file, a folder of them, an ``s3://`` prefix.

The same checks as the gate's, by event day; nothing is published and nothing is written. What only our ingest knows is
not judged: when a row landed, what was refused on the way, the rows of other datasets. In place of it comes what ingest
would have done: each row is judged by the contract. Rows without an event time are judged as ingest lands them: by the
day in ``_timestamp`` where the file has our columns, else as the day 1970-01-01.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ray_pipeline import __version__
from ray_pipeline.clock import WallClock
from ray_pipeline.connectors.object_store.reading import Files, Listing, open_files
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.odcs_expectations import read_expectations
from ray_pipeline.errors import RayPipelineError, UsageError
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.sla.check import CheckPlan, DatasetView, DayView
from ray_pipeline.sla.checks.conformance import CONFORMANCE
from ray_pipeline.sla.checks.relationship import HasParent
from ray_pipeline.sla.compile import compile_checks
from ray_pipeline.sla.measure import Measure
from ray_pipeline.sla.measures.event_range import EventRange
from ray_pipeline.sla.measures.profile import ColumnProfileMeasure
from ray_pipeline.sla.result import CheckResult, DatasetResult, DayResult, Disposition, NotJudged

from .day_views import day_is_complete
from .gate import GateRunReport
from .gate_dataset import profile_of
from .inspect_columns import FileColumns
from .inspect_findings import Findings
from .inspect_measuring import TIMELESS, Inspection, preparing
from .inspect_reading import Piece, cut_pieces
from .measure_pass import LOCAL_BYTES, TASK_BYTES, Progress, shares_of
from .on_ray import on_ray

PIPELINE = "inspection"
"""What a report of files that belong to no pipeline says instead of one."""
ENDINGS = (".parquet", ".parq", ".pq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_READERS = 8
_TOLD = 50
"""So many bad files have a sentence of their own."""
_NAMED = 5
"""So many names are said; of more, how many."""


def store_options(config: Path | None, sets: Sequence[str]) -> dict[str, str]:
    """Return the credentials of the configuration that is given, or that lies where every command looks for one."""
    from ray_pipeline.config import load_config
    from ray_pipeline.config.load import DEFAULT, VARIABLE

    if config is None and not sets and not os.environ.get(VARIABLE) and not DEFAULT.is_file():
        return {}
    settings = load_config(config, sets)
    return dict(settings.store_options) if settings.store.startswith("s3://") else {}


def inspect_path(
    path: str,
    contract: Path,
    *,
    options: Mapping[str, str] | None = None,
    at: datetime | None = None,
    ray_address: str | None = None,
    local_bytes: int = LOCAL_BYTES,
    on_progress: Callable[[Progress], None] | None = None,
) -> GateRunReport:
    """Judge every Parquet file at a path and return what was found; a file that cannot be judged is a problem in it.

    ``options`` are those of the store behind an ``s3://`` path. ``at`` is the clock of the checks (default: now).
    More than ``local_bytes`` of Parquet are measured by a Ray Data job, less in this process.

    Raises ``UsageError`` where nothing is at the path, ``ContractError`` for a wrong contract, and the store's errors
    where it refuses or does not answer.
    """
    clock = WallClock()
    started = clock.now()
    if at is not None and at.tzinfo is None:
        raise UsageError("the gate's clock needs its offset from UTC, as in 2013-02-25T06:00:00Z")
    now = (at or started).astimezone(UTC)
    files = open_files(path, options)
    plan = _plan(load_contract(contract))
    timings: dict[str, float] = {}
    began = time.monotonic()
    listing = files.listing()
    chosen = _chosen(listing)
    with tempfile.TemporaryDirectory(prefix="ray-pipeline-") as folder:
        pieces, seen, problems = _cut(files, chosen, plan.inspection.contract)
        findings = Findings(files, plan.inspection, pieces, Path(folder))
        findings.problems.update(problems)
        timings["list"] = round(time.monotonic() - began, 3)
        began = time.monotonic()
        _measure(files, plan.inspection, pieces, findings, local_bytes, ray_address, on_progress)
        timings["measure"] = round(time.monotonic() - began, 3)
        began = time.monotonic()
        result = _judged(plan, findings, now)
    timings["judge"] = round(time.monotonic() - began, 3)
    told = [findings.problems[name] for name in sorted(findings.problems)]
    if len(told) > _TOLD:
        told = [*told[:_TOLD], f"{len(told) - _TOLD:,} more files cannot be judged"]
    if not chosen:
        told.append(f"{files.url} holds no Parquet: no name in it ends in .parquet{_left_out(listing, chosen)}")
    elif not findings.rows and not told:
        told.append(f"no file at {files.url} holds a row: there is nothing to judge")
    notes = [*_left(listing, chosen), *_columns(seen, findings.problems), *_times(plan.inspection.contract, findings)]
    return GateRunReport(
        run_id=f"inspect-{started:%Y%m%dT%H%M%S%fZ}",
        pipeline=PIPELINE,
        at=timestamp_text(now),
        started_at=timestamp_text(started),
        finished_at=timestamp_text(clock.now()),
        datasets=(replace(result, topic=files.url, not_judged=(*notes, *result.not_judged), problems=tuple(told)),),
        dry_run=True,
        version=__version__,
        timings=timings,
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is asked of the files."""

    checks: CheckPlan
    inspection: Inspection
    profile: ColumnProfileMeasure
    events: EventRange | None


def _plan(contract: DataContract) -> _Plan:
    expectations = read_expectations(contract)
    plan = compile_checks(contract, expectations, committed=False)
    parents = [check for check in plan.day_checks if isinstance(check, HasParent)]
    lost = [
        NotJudged(check.name, f"the rows of {check.relationship.parent} are not given", check.line, check.key)
        for check in parents
    ]
    plan = CheckPlan(
        tuple(check for check in plan.day_checks if not isinstance(check, HasParent)),
        plan.dataset_checks,
        tuple(sorted((*plan.not_judged, *lost), key=lambda one: one.line or 0)),
    )
    profile = profile_of(contract, expectations)
    events = None if contract.event_time is None else EventRange((contract.event_time,))
    wanted: tuple[Measure, ...] = (*plan.measures, profile, *([events] if events else []))
    by_id = {measure.id: measure for measure in wanted}
    return _Plan(plan, Inspection(contract, tuple(by_id[name] for name in sorted(by_id))), profile, events)


def _chosen(listing: Listing) -> tuple[str, ...]:
    """Return the files to judge: the one that was named; of a folder those named as Parquet, but for hidden ones."""
    if listing.is_file:
        return tuple(one.name for one in listing.found)
    return tuple(
        one.name
        for one in listing.found
        if one.name.lower().endswith(ENDINGS) and not any(part[:1] in "._" for part in one.name.split("/"))
    )


def _cut(
    files: Files, names: Sequence[str], contract: DataContract
) -> tuple[list[Piece], dict[str, FileColumns], dict[str, str]]:
    """Read every footer; return the pieces, the columns by file, and why some files cannot be judged."""

    def cut(number: int, name: str) -> tuple[list[Piece], FileColumns] | str:
        try:
            return cut_pieces(files, number, name, contract)
        except RayPipelineError as error:
            if error.retryable:
                raise
            return str(error)

    pieces: list[Piece] = []
    columns: dict[str, FileColumns] = {}
    problems: dict[str, str] = {}
    with ThreadPoolExecutor(_READERS) as pool:
        for name, found in zip(names, pool.map(cut, range(len(names)), names), strict=True):
            if isinstance(found, str):
                problems[name] = found
            else:
                pieces += found[0]
                columns[name] = found[1]
    return pieces, columns, problems


def _measure(
    files: Files,
    inspection: Inspection,
    pieces: list[Piece],
    findings: Findings,
    local_bytes: int,
    address: str | None,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Measure every piece, here or in one Ray Data job."""
    told = (files, inspection, pieces)
    sizes = [piece.bytes for piece in pieces]
    found: Iterable[tuple[int, list[bytes]]]
    if sum(sizes) <= local_bytes:
        job = preparing(told)
        found = ((number, job(number)) for number in range(len(pieces)))
    else:
        found = on_ray(shares_of(sizes, TASK_BYTES), preparing, told, address)
    rows = 0
    for done, (number, parts) in enumerate(found, start=1):
        findings.add(number, parts)
        rows += pieces[number].rows
        if on_progress is not None:
            on_progress(Progress(done, len(pieces), rows))


def _judged(plan: _Plan, findings: Findings, now: datetime) -> DatasetResult:
    contract = plan.inspection.contract
    expectations = read_expectations(contract)
    first, last = _span(plan, findings)
    keys = {check.id: found for check in plan.checks.day_checks if (found := findings.keys_of(check))}
    history: dict[str, tuple[tuple[str, float], ...]] = {}
    earlier: Mapping[str, Any] = {}
    days = []
    for day in sorted(findings.rows):
        view = DayView(
            day=day,
            at=now,
            complete=day_is_complete(day, last, now, expectations.lateness),
            partials=findings.partials[day],
            earlier=earlier,
            keys={check: found[day] for check, found in keys.items()},
            sql=findings.sql_of(plan.checks.day_checks, day),
            history=history,
            decided=False,
        )
        results = tuple(_explained(check.judge(view), findings.broken.get(day)) for check in plan.checks.day_checks)
        for result in results:
            if result.value is not None:
                history[result.check] = (*history.get(result.check, ()), (day, result.value))
        rows = findings.rows[day]
        days.append(DayResult(day, Disposition.INSPECTED, rows, rows, complete=view.complete, checks=results))
        earlier = findings.partials[day]
    total = sum(findings.rows.values())
    whole = DatasetView(at=now, newest_event=last, oldest_event=first, rows=total, history={})
    profile = plan.profile.zero()
    for partials in findings.partials.values():
        profile = profile.merge(partials[plan.profile.id])
    return DatasetResult(
        dataset=contract.dataset or contract.name,
        topic="",
        contract=contract.ref,
        contract_file=contract.file,
        support=expectations.support,
        days=tuple(days),
        checks=tuple(check.judge(whole) for check in plan.checks.dataset_checks),
        not_judged=plan.checks.not_judged,
        profile=profile.value(),
        new_rows=total,
    )


def _span(plan: _Plan, findings: Findings) -> tuple[datetime | None, datetime | None]:
    """Return the first and the last event time of all readable files."""
    if plan.events is None:
        return None, None
    ends = [span for partials in findings.partials.values() if (span := partials[plan.events.id].value()) is not None]
    if not ends:
        return None, None
    return _moment(min(first for first, _ in ends)), _moment(max(last for _, last in ends))


def _moment(microseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:  # a legal event time may lie past the year 9999
        return (datetime.min if microseconds < 0 else datetime.max).replace(tzinfo=UTC)


def _explained(result: CheckResult, broken: tuple[str, int, str] | None) -> CheckResult:
    if result.check != CONFORMANCE or broken is None:
        return result
    name, row, said = broken
    return replace(result, detail=f"{result.detail} The first is row {row} of {name}: {said}.")


def _left(listing: Listing, chosen: Sequence[str]) -> Iterator[NotJudged]:
    if chosen and (others := _others(listing, chosen)):
        what = f"{len(others):,} other {'file' if len(others) == 1 else 'files'}: {_some(others)}"
        yield NotJudged(what, "only files named *.parquet, *.parq or *.pq are judged, and none that begin with . or _")


def _left_out(listing: Listing, chosen: Sequence[str]) -> str:
    others = _others(listing, chosen)
    return f" (it holds {len(others):,} other: {_some(others)})" if others else " (it is empty)"


def _others(listing: Listing, chosen: Sequence[str]) -> list[str]:
    taken = set(chosen)
    return sorted([*listing.others, *(one.name for one in listing.found if one.name not in taken)])


def _columns(seen: Mapping[str, FileColumns], problems: Mapping[str, str]) -> Iterator[NotJudged]:
    """Say which columns nobody looked at, and which were not there."""
    unknown: dict[str, list[str]] = {}
    missing: dict[str, list[str]] = {}
    for name in sorted(seen.keys() - problems.keys()):
        for column in seen[name].unknown:
            unknown.setdefault(column, []).append(name)
        for column in seen[name].missing:
            missing.setdefault(column, []).append(name)
    for column, names in sorted(unknown.items()):
        yield NotJudged(f"column {column} of {_some(names)}", "the contract does not know it")
    for column, names in sorted(missing.items()):
        yield NotJudged(
            f"column {column} of {_some(names)}", "the file has no such column: each row counts as null there"
        )


def _times(contract: DataContract, findings: Findings) -> Iterator[NotJudged]:
    where = f"judged by the day of _timestamp where the file has our columns, else as the day {TIMELESS}"
    if contract.event_time is None and findings.rows:
        yield NotJudged("event days", f"the contract names no eventTime: all rows are {where}")
    elif findings.timeless:
        rows = f"{findings.timeless:,} {'row' if findings.timeless == 1 else 'rows'}"
        yield NotJudged(f"the event day of {rows}", f"{contract.event_time} is null: {where}")


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
