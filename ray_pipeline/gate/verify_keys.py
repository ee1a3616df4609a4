"""G1 by names and counts: the decisions, the manifests and the log speak of the same files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.ports import ObjectStore

from .entries import Decision, GateState, LogRange
from .manifest import DayManifest, Fate
from .verify_report import Findings


def check_places(
    where: str,
    decisions: Mapping[int, Decision],
    manifests: Mapping[str, DayManifest],
    state: GateState,
    findings: Findings,
    *,
    complete: bool,
) -> None:
    """Compare what the decisions did, one after the other, with where the newest manifests say that all is now."""
    published: dict[str, DataFile] = {}
    quarantined: dict[str, DataFile] = {}
    for n, decision in decisions.items():
        for file in decision.publish:
            if file.key in published:
                findings.broken("G1", f"publish {file.day}", file.key, f"is published again by decision {n}")
            published[file.key] = file
        for file in decision.replaced:
            if quarantined.pop(file.key, None) != file and complete:
                findings.broken("G1", f"quarantine {file.day}", file.key, f"leaves the quarantine twice, in entry {n}")
        for file in decision.quarantine:
            quarantined[file.key] = file
    days = [manifest for day, manifest in manifests.items() if day in state.days]
    seen = {manifest.day for manifest in days}
    if complete:
        told = [file for manifest in days for file in manifest.published_files()]
        _compare("published", _of(published.values(), seen), told, where, findings)
        aside = [fate.quarantined for manifest in days for fate in manifest.files if fate.quarantined is not None]
        _compare("quarantined", _of(quarantined.values(), seen), aside, where, findings)
    held = [fate.file for manifest in days for fate in manifest.files if fate.fate is Fate.HELD]
    _compare("held", _of((file for files in state.held.values() for file in files), seen), held, where, findings)


def check_landed(
    store: ObjectStore,
    where: str,
    decisions: Mapping[int, Decision],
    manifests: Mapping[str, DayManifest],
    state: GateState,
    findings: Findings,
) -> None:
    """Compare the manifests with the log: every file that landed in the judged ranges is decided on, and no other."""
    landed: list[DataFile] = []
    for at in state.through:
        ranges = sorted(
            (span for decision in decisions.values() for span in decision.offsets if span.log == at.log),
            key=lambda span: span.first,
        )
        landed += _read_log(store, ranges, at.n, findings)
    decided = [fate.file for manifest in manifests.values() for fate in manifest.files]
    unread = state.days.keys() - manifests.keys()
    _compare("landed", [file for file in landed if file.day not in unread], decided, where, findings)


def _read_log(store: ObjectStore, ranges: list[LogRange], through: int, findings: Findings) -> list[DataFile]:
    if not ranges:
        return []
    log = ranges[0].log
    files: list[DataFile] = []
    rows = {span.n: 0 for span in ranges}
    waiting = iter(ranges)
    span = next(waiting)
    n = -1
    try:
        for n, entry in read_history(store, log, through=through):
            while n > span.n:
                span = next(waiting, span)
            if isinstance(entry, Data):
                files += entry.files
                rows[span.n] += entry.good
    except LogBrokenError as error:
        findings.broken("G1", str(log), str(log), f"cannot be compared with what was judged: {error.reason}")
        return files
    if n < through:
        findings.broken("G1", str(log), str(log), f"ends at entry {n}, and was judged up to entry {through}")
    for span in ranges:
        if rows[span.n] != span.rows:
            told = f"entries {span.first} to {span.n} hold {rows[span.n]} rows, and {span.rows} were judged"
            findings.broken("G1", str(log), str(log), told, span.start)
    return files


def _of(files: Iterable[DataFile], days: set[str]) -> list[DataFile]:
    return [file for file in files if file.day in days]  # a day whose manifest cannot be read is a finding already


def _compare(what: str, expected: Iterable[DataFile], told: Iterable[DataFile], where: str, findings: Findings) -> None:
    """Record every day's first file that only one side knows, or knows otherwise, or has twice."""
    left: dict[str, DataFile] = {}
    for file in expected:
        if left.setdefault(file.key, file) != file:
            findings.broken("G1", f"{what} {file.day}", file.key, f"{where}: is {what} twice, and not alike")
    seen: set[str] = set()
    for file in told:
        if file.key in seen:
            findings.broken("G1", f"{what} {file.day}", file.key, f"{where}: a manifest has it as {what} twice")
        elif file.key not in left:
            findings.broken("G1", f"{what} {file.day}", file.key, f"{where}: only a manifest knows it as {what}")
        elif left[file.key] != file:
            findings.broken("G1", f"{what} {file.day}", file.key, f"{where}: a manifest describes it otherwise")
        seen.add(file.key)
    for key, file in left.items():
        if key not in seen:
            findings.broken("G1", f"{what} {file.day}", key, f"{where}: is {what}, and no manifest says so")
