"""Keys of released rows: none of them may be published beside a row of the same key that the same decision publishes.

A release is judged against what the table has. What joins it at the same time, new rows and other released ones, is
looked at here; a row whose key one of them has stays in quarantine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ray_pipeline.gate.entries import ReleaseQuarantine
from ray_pipeline.gate.plan import Action, DayPlan
from ray_pipeline.gate.quarantine import read_quarantine
from ray_pipeline.gate.release import QuarantineRelease, ReleasedRows
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.schema_union import conform
from ray_pipeline.sla.checks.uniqueness import Uniqueness
from ray_pipeline.sla.keys.duplicates import find_duplicates
from ray_pipeline.sla.keys.key_files import KeyFile
from ray_pipeline.sla.keys.key_runs import KeyRun, KeyRuns
from ray_pipeline.sla.measure import Array

from .gate_state import Known, States
from .key_findings import file_keys, rows_at
from .measuring import measure_batches


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The rows that one release takes from one quarantine file."""

    name: str
    day: str
    rows: pa.Table
    """Columns of today's contract."""
    waived: bool


def without_repeats(
    known: Known, states: States, plans: Sequence[DayPlan], releases: Sequence[QuarantineRelease]
) -> tuple[QuarantineRelease, ...]:
    """Return the releases without rows whose key another row has that is published with them.

    New rows come first, then waived ones, which are published whatever they break, then the first to have landed.
    """
    checks = [check for check in known.dataset.plan.day_checks if isinstance(check, Uniqueness)]
    checks = [check for check in checks if check.severity == "error"]
    if not checks or not any(release.files for release in releases):
        return tuple(releases)
    pending = {release.n: release for release in known.state.pending_quarantine}
    chosen = {one.name: one for release in releases for one in _chosen(known, release, pending[release.n])}
    repeats: dict[str, list[Array]] = {}
    for check in checks:
        for name, positions in _repeats(known, states, plans, check, chosen).items():
            repeats.setdefault(name, []).append(positions)
    return tuple(_without(release, repeats) for release in releases)


def _chosen(known: Known, release: QuarantineRelease, pending: ReleaseQuarantine) -> Iterator[_Chosen]:
    for found in release.files:
        rows = pa.concat_tables(read_quarantine(known.store, found.file)).take(pa.array(found.positions))
        yield _Chosen(_name(release, found), found.day, conform(rows, known.dataset.schema), pending.waive)


def _repeats(
    known: Known, states: States, plans: Sequence[DayPlan], check: Uniqueness, chosen: Mapping[str, _Chosen]
) -> dict[str, Array]:
    """Return the rows, by release and file, whose key somebody has who is published before them."""
    measure = KeyRuns(check.columns)
    joining: dict[str, DataFile] = {}
    before: list[KeyFile] = []
    for plan in plans:
        for file in plan.files:
            if file.action is not Action.HOLD:
                joining[file.file.key] = file.file
                keys = file_keys(known, states, measure, plan.day, file.file)
                before.append(replace(keys, excluded=file.dropped))
    before += [_keys(known, measure, one) for one in chosen.values() if one.waived]
    judged = [_keys(known, measure, one) for one in chosen.values() if not one.waived]

    def read_keys(key: str, day: str, positions: Array) -> pa.Table:  # noqa: ARG001  the interface's
        if key in chosen:
            return chosen[key].rows.select(sorted({path[0] for path in measure.key})).take(pa.array(positions))
        return rows_at(known, joining[key], measure.key, positions)

    found = find_duplicates(judged, before, measure.key, read_keys, scope=check.within)
    return {name: positions for finding in found.values() for name, positions in finding.positions.items()}


def _keys(known: Known, measure: KeyRuns, one: _Chosen) -> KeyFile:
    run: KeyRun = measure_batches([one.rows], [measure], known.dataset.topic, 0)[measure.id]
    return KeyFile(one.name, one.day, known.dataset.topic, run.keys, lambda: run)


def _without(release: QuarantineRelease, repeats: Mapping[str, Sequence[Array]]) -> QuarantineRelease:
    files = []
    for found in release.files:
        out = repeats.get(_name(release, found), ())
        stays = np.delete(found.positions, np.unique(np.concatenate(out))) if len(out) else found.positions
        if len(stays):
            files.append(replace(found, positions=stays))
    return replace(release, files=tuple(files))


def _name(release: QuarantineRelease, found: ReleasedRows) -> str:
    return f"{found.file.key} as released by entry {release.n}"
