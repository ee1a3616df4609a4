"""Do what the plans say: write the files and the manifests, and make the decision that is ready to be appended.

Nothing that is written here counts before the ledger names it, and every name holds the decision's nonce: a gate that
dies in the middle, or loses the race, leaves orphans and no more. One file is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.sla.result import Disposition
from ray_pipeline.types import ContractRef

from .desk import Desk
from .entries import DayDecision, Decision, GateState, LogRange, Series, VerdictSummary
from .keys import manifest_key
from .manifest import DayManifest, Fate, FileFate, encode_manifest, read_manifests
from .plan import Action, DayPlan, FilePlan
from .quarantine import with_reasons
from .release import QuarantineRelease
from .release_files import settle_releases
from .rows_file import RowsFile

Opener = Callable[[DataFile], pq.ParquetFile]
BATCH_ROWS = 131_072
"""Rows that are divided at a time, fewer where they are large."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the decision says beside what became of the rows."""

    run_id: str
    nonce: str
    at: str
    written_at: str
    contract: ContractRef
    offsets: tuple[LogRange, ...]
    verdict: VerdictSummary
    results: str
    published_days: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    history: Mapping[str, Series] = field(default_factory=dict)


def settle(
    store: ObjectStore,
    pipeline: str,
    dataset: str,
    state: GateState,
    judged: Judged,
    plans: Sequence[DayPlan],
    releases: Sequence[QuarantineRelease] = (),
    *,
    schema: pa.Schema | None = None,
    open_file: Opener | None = None,
) -> Decision:
    """Write everything that the decision after ``state`` names, and return it; append it to make it count.

    ``schema`` is the table's: rewritten and released rows get its columns. ``open_file`` returns a landed file whose
    bytes were verified; by default they are read from the store.
    """
    desk = Desk(store, pipeline, dataset, state.n + 1, judged.run_id, judged.nonce, schema)
    opened = open_file or (lambda file: open_verified(store.get(file.key), file))
    by_day = {plan.day: plan for plan in plans if plan.files}
    days = sorted(by_day.keys() | {found.day for release in releases for found in release.files})
    manifests = read_manifests(store, state, days)
    settled = [
        _settle_day(desk, day, next(manifests) if day in state.days else None, by_day.get(day), releases, opened)
        for day in days
    ]
    desk.put_manifests()
    return Decision(
        n=desk.n,
        run_id=judged.run_id,
        nonce=judged.nonce,
        written_at=judged.written_at,
        at=judged.at,
        contract=judged.contract,
        offsets=judged.offsets,
        days=tuple(day for day in settled if day is not None),
        publish=tuple(desk.publish),
        quarantine=tuple(desk.quarantine),
        replaced=tuple(desk.replaced),
        carried_out=_carried_out(state, by_day, releases),
        verdict=judged.verdict,
        results=judged.results,
        published_days=judged.published_days,
        history=judged.history,
    )


def _settle_day(
    desk: Desk,
    day: str,
    before: DayManifest | None,
    plan: DayPlan | None,
    releases: Sequence[QuarantineRelease],
    opened: Opener,
) -> DayDecision | None:
    """Write a day's files and manifest; None where all is as it was."""
    fates = {fate.file.key: fate for fate in before.files} if before else {}
    released, released_rows = settle_releases(desk, day, fates, releases)
    for file_plan in plan.files if plan else ():
        earlier = fates.get(file_plan.file.key)
        if (earlier is not None) != file_plan.was_held or (earlier is not None and earlier.fate is not Fate.HELD):
            raise ValueError(f"{file_plan.file.key} was decided on before")
        fates[file_plan.file.key] = _settle_file(desk, day, file_plan, earlier, opened)
    manifest = DayManifest(
        day=day,
        n=desk.n,
        disposition=plan.disposition if plan else before.disposition if before else Disposition.NOTHING_NEW,
        reasons=plan.reasons if plan else before.reasons if before else (),
        files=tuple(fates.values()),
        released=(*(before.released if before else ()), *released),
    )
    if before is not None and manifest == _as_of(before, desk.n):
        return None
    key = manifest_key(desk.pipeline, desk.dataset, day, desk.n, desk.nonce)
    data, sha256 = encode_manifest(manifest)
    desk.manifests.append((key, data))
    held = tuple(fate.file for fate in manifest.files if fate.fate is Fate.HELD)
    return DayDecision(
        day=day,
        disposition=manifest.disposition,
        new=plan.new if plan else 0,
        published=plan.published if plan else 0,
        quarantined=plan.quarantined if plan else 0,
        held=sum(file.rows for file in held),
        released=released_rows,
        manifest=key,
        sha256=sha256,
        reasons=manifest.reasons,
        held_files=held,
    )


def _as_of(manifest: DayManifest, n: int) -> DayManifest:
    return DayManifest(manifest.day, n, manifest.disposition, manifest.reasons, manifest.files, manifest.released)


def _settle_file(desk: Desk, day: str, plan: FilePlan, earlier: FileFate | None, opened: Opener) -> FileFate:
    file = plan.file
    if plan.action is Action.HOLD:
        return earlier or FileFate(file, Fate.HELD, desk.n)
    if plan.action is Action.AS_IS:
        desk.publish.append(file)
        return FileFate(file, Fate.PUBLISHED, desk.n)
    kept, quarantined = _rewrite(desk, day, plan, opened(file))
    return FileFate(file, Fate.PUBLISHED, desk.n, kept, quarantined)


def _rewrite(desk: Desk, day: str, plan: FilePlan, parquet: pq.ParquetFile) -> tuple[DataFile | None, DataFile | None]:
    """Write the file's rows apart: those that stay, and those that are set aside."""
    file, dropped = plan.file, plan.dropped
    stays = np.ones(file.rows, bool)
    stays[dropped] = False
    kept: RowsFile | None = None
    aside: RowsFile | None = None
    first = 0
    for rows in read_batches(parquet, file.key, rows=BATCH_ROWS):
        mask = stays[first : first + rows.num_rows]
        keeps = desk.as_published(rows if mask.all() else rows.filter(pa.array(mask)), file.key)
        kept = kept or RowsFile(keeps.schema)
        kept.add(keeps)
        if not mask.all():
            out = np.flatnonzero(~mask)
            marked = with_reasons(rows.take(pa.array(out)), out + first, plan.drops, desk.run_id)
            aside = aside or RowsFile(marked.schema)
            aside.add(marked)
        first += rows.num_rows
    if first != file.rows:
        raise FileCorruptError(file.key, f"holds {first} rows, its log entry says {file.rows}")
    return (
        desk.put_kept(kept, day) if kept is not None else None,
        desk.put_quarantined(aside, day) if aside is not None else None,
    )


def _carried_out(
    state: GateState, by_day: Mapping[str, DayPlan], releases: Sequence[QuarantineRelease]
) -> tuple[int, ...]:
    done = {release.n for release in releases}
    for release in state.pending_held:
        plan = by_day.get(release.day)
        held = [one for one in plan.files if one.was_held] if plan else []
        if release.day not in state.held or (held and all(one.action is not Action.HOLD for one in held)):
            done.add(release.n)
    return tuple(sorted(done))
