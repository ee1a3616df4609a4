"""Uniqueness and relationships of a dataset's new and held rows: keys of files against keys of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.expectations import Column
from ray_pipeline.contracts.odcs_relationships import parent_columns
from ray_pipeline.errors import RayPipelineError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.safe_parquet import open_verified
from ray_pipeline.sla.check import DayCheck, KeyFinding
from ray_pipeline.sla.checks.relationship import HasParent
from ray_pipeline.sla.checks.uniqueness import Uniqueness
from ray_pipeline.sla.flagged import FlaggedRows
from ray_pipeline.sla.keys.duplicates import find_duplicates
from ray_pipeline.sla.keys.hashing import comparison_problem
from ray_pipeline.sla.keys.key_files import KeyFile
from ray_pipeline.sla.keys.key_runs import KeyRun, KeyRuns
from ray_pipeline.sla.keys.orphans import find_orphans
from ray_pipeline.sla.measure import Array

from .day_views import PATIENCE
from .gate_state import Known, States
from .measuring import batches_of, measure_batches
from .shelf import Group

Recheck = Callable[[str, pa.Table], Mapping[str, Array]]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def find_keys(
    known: Mapping[str, Known], name: str, states: States, days: Sequence[str], at: datetime
) -> dict[str, dict[str, KeyFinding]]:
    """Return day → check id → what the keys of the day's new and held rows say."""
    one = known[name]
    found: dict[str, dict[str, KeyFinding]] = {day: {} for day in days}
    for check in one.dataset.plan.day_checks:
        by_day = _find(known, one, states, check, days, at)
        for day, finding in by_day.items():
            found[day][check.id] = finding
    return found


def rechecker(known: Mapping[str, Known], name: str, states: States, at: datetime) -> Recheck:
    """Return what judges quarantined rows again by the checks that look at rows."""
    one = known[name]
    checks = [check for check in one.dataset.plan.day_checks if check.scope == "row" and check.severity == "error"]

    def recheck(day: str, rows: pa.Table) -> dict[str, Array]:
        batches = list(_fitting(rows, one.dataset.schema))
        found: dict[str, Array] = {}
        measures = {m.id: m for check in checks for m in check.measures if not isinstance(m, KeyRuns)}
        partials = measure_batches(batches, list(measures.values()), one.dataset.topic, 0)
        for check in checks:
            flagged = [partials[m.id] for m in check.measures if m.id in partials]
            for partial in flagged:
                if isinstance(partial, FlaggedRows) and len(partial.positions):
                    found[check.id] = partial.positions
            keys = _keys_of_rows(check, batches, one, day)
            if keys is None:
                continue
            finding = _judge_keys(known, one, states, check, [keys], rows, at).get(day)
            if finding is not None and finding.positions:
                found[check.id] = np.concatenate(list(finding.positions.values()))
        return found

    return recheck


def _find(
    known: Mapping[str, Known], one: Known, states: States, check: DayCheck, days: Sequence[str], at: datetime
) -> dict[str, KeyFinding]:
    measure = _key_measure(check)
    if measure is None:
        return {}
    problems: dict[str, str] = {}
    candidates = []
    for day in days:
        for file in [*one.state.held.get(day, ()), *(new.file for new in one.new.get(day, ()))]:
            try:
                states.get(one, file, _group(states, one, measure))
            except RayPipelineError as error:
                if error.retryable:
                    raise
                problems[day] = str(error)  # the file's day is held for it anyway
                continue
            candidates.append(file_keys(one, states, measure, day, file))
    try:
        found = _judge_keys(known, one, states, check, candidates, None, at)
    except RayPipelineError as error:  # another file that had to be looked into: a parent's, or one in the table
        if error.retryable:
            raise
        found = {day: KeyFinding(0, 0, problem=str(error)) for day in days}
    for day in days:
        found.setdefault(day, KeyFinding(0, 0))
    return found | {day: KeyFinding(0, 0, problem=problem) for day, problem in problems.items()}


def _judge_keys(
    known: Mapping[str, Known],
    one: Known,
    states: States,
    check: DayCheck,
    candidates: list[KeyFile],
    rows: pa.Table | None,
    at: datetime,
) -> dict[str, KeyFinding]:
    """Return what is found of the candidates; ``rows`` are those of a candidate that is no file of the store."""
    measure = _key_measure(check)
    if measure is None or not candidates:
        return {}
    if isinstance(check, HasParent):
        return _orphans(known, one, states, check, candidates, at)
    files = {file.key: file for _, file in [*one.all_landed(), *one.in_table()]}

    def read_keys(key: str, day: str, positions: Array) -> pa.Table:  # noqa: ARG001  the interface's
        if rows is not None and key not in files:
            return rows.select(sorted({path[0] for path in measure.key})).take(pa.array(positions))
        return rows_at(one, files[key], measure.key, positions)

    scope = check.within if isinstance(check, Uniqueness) else "dataset"
    wanted = {file.day for file in candidates}
    before = [(day, file) for day, file in one.in_table() if scope == "dataset" or day in wanted]
    states.prefetch(one, (file for _, file in before), _group(states, one, measure))
    published = [file_keys(one, states, measure, day, file) for day, file in before]
    return find_duplicates(candidates, published, measure.key, read_keys, scope=scope)


def _orphans(
    known: Mapping[str, Known],
    one: Known,
    states: States,
    check: HasParent,
    candidates: list[KeyFile],
    at: datetime,
) -> dict[str, KeyFinding]:
    name = one.dataset.parents.get(check.relationship.id)
    if name is None or name not in known:
        return {
            file.day: KeyFinding(
                0, 0, problem=f"no dataset of this configuration has the contract of {check.relationship.parent}"
            )
            for file in candidates
        }
    parent = known[name]
    columns = parent_columns(check.relationship, parent.dataset.contract)
    if columns is None:
        problem = f"the contract of {name} has no such columns; correct the relationship"
        return {file.day: KeyFinding(0, 0, problem=problem) for file in candidates}
    never = comparison_problem(one.dataset.schema, check.relationship.columns, parent.dataset.schema, columns)
    if never is not None:
        told = f"the relationship cannot be judged: {never}"
        return {file.day: KeyFinding(0, 0, problem=told) for file in candidates}
    measure = KeyRuns(columns)
    states.prefetch(parent, (file for _, file in parent.all_landed()), _group(states, parent, measure))
    files = [file_keys(parent, states, measure, day, file) for day, file in parent.all_landed()]
    return find_orphans(
        candidates, files, parent=name, judged_until=_judged_until(parent, parent.dataset.expectations.lateness, at)
    )


def _judged_until(parent: Known, lateness: timedelta, at: datetime) -> int:
    """Return up to which moment every parent must have come, in microseconds.

    A parent that brings no event keeps its children waiting for ``PATIENCE``, as it keeps a day open, and no longer.
    """
    reached = at - PATIENCE
    if parent.landed.watermark is not None:
        reached = max(reached, parent.landed.watermark)
    past = reached - _EPOCH - lateness
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def _key_measure(check: DayCheck) -> KeyRuns | None:
    return next((measure for measure in check.measures if isinstance(measure, KeyRuns)), None)


def _group(states: States, one: Known, measure: KeyRuns) -> Group:
    return next(group for group in states.groups(one) if group.measures[0].id == measure.id)


def file_keys(one: Known, states: States, measure: KeyRuns, day: str, file: DataFile) -> KeyFile:
    group = _group(states, one, measure)

    def load() -> KeyRun:
        run: KeyRun = states.get(one, file, group)[measure.id]
        return run

    return KeyFile(file.key, day, one.dataset.topic, file.rows, load)


def _keys_of_rows(check: DayCheck, batches: Iterable[pa.Table], one: Known, day: str) -> KeyFile | None:
    measure = _key_measure(check)
    if measure is None:
        return None
    run: Any = measure_batches(batches, [measure], one.dataset.topic, 0)[measure.id]
    return KeyFile(f"quarantined rows of {day}", day, one.dataset.topic, run.keys, lambda: run)


def rows_at(one: Known, file: DataFile, key: tuple[Column, ...], positions: Array) -> pa.Table:
    """Return the key's columns of some rows of a file."""
    names = sorted({path[0] for path in key})
    parquet = open_verified(one.store.get(file.key), file)
    parts = []
    first = 0
    for batch in batches_of(parquet, file.key, names, one.dataset.schema):
        low, high = np.searchsorted(positions, (first, first + batch.num_rows))
        if high > low:
            parts.append(batch.take(pa.array(positions[low:high] - first)))
        first += batch.num_rows
    return pa.concat_tables(parts) if parts else batches_schema(one.dataset.schema, names).empty_table()


def batches_schema(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    """Return some columns of a schema."""
    return pa.schema([schema.field(name) for name in names])


def _fitting(rows: pa.Table, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows as the contract of today has them."""
    from ray_pipeline.lake.schema_union import conform

    yield conform(rows, schema)
