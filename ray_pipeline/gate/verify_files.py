"""G1 by rows, and G3: the manifest and the files of one day at a time, so that memory holds one day's offsets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.read_ahead import read_ahead
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.sla.measure import Array

from .entries import DayState, Decision, GateState
from .manifest import DayManifest, Fate, FileFate, decode_manifest, read_manifest
from .verify_report import Findings

_WHO = ("_partition", "_offset")


class DayAudit:
    """Checks days, one after the other; ``manifests`` are those that could be read."""

    def __init__(self, store: ObjectStore, findings: Findings, *, quick: bool) -> None:
        self._store, self._findings, self._quick = store, findings, quick
        self.manifests: dict[str, DayManifest] = {}

    def day(self, day: str, state: GateState) -> None:
        """Check the newest manifest of a day, and every file that it names."""
        told = state.days[day]
        try:
            manifest = read_manifest(self._store, told)
        except FileCorruptError as error:
            self._findings.broken("G3", day, error.key, error.reason)
            return
        self.manifests[day] = manifest
        self._counts(day, told, manifest)
        places = self._places(manifest)
        if places is not None:
            landed, elsewhere = places
            self._compare(day, told, landed, elsewhere)

    def old_manifests(self, decisions: Mapping[int, Decision], state: GateState) -> None:
        """Check the manifests that newer ones have replaced."""
        newest = {at.manifest for at in state.days.values()}
        old = [day for decision in decisions.values() for day in decision.days if day.manifest not in newest]
        hashes = {day.manifest: day for day in old}
        for key, content in read_ahead(self._store, hashes):
            day = hashes[key]
            try:
                decode_manifest(content, key, day.sha256)
            except FileCorruptError as error:
                self._findings.broken("G3", day.day, error.key, error.reason)

    def _counts(self, day: str, told: DayState, manifest: DayManifest) -> None:
        found = (manifest.landed, manifest.published, manifest.quarantined, manifest.held)
        if manifest.day != day or found != (told.landed, told.published, told.quarantined, told.held):
            self._findings.broken("G1", day, told.manifest, "its counts are not those of the ledger")
        if sum(file.rows for file in manifest.released) != sum(fate.released for fate in manifest.files):
            self._findings.broken("G1", day, told.manifest, "its released files hold more or fewer rows than it says")
        for fate in manifest.files:
            if fate.published_rows + fate.quarantined_rows + fate.held_rows != fate.file.rows:
                self._findings.broken("G1", day, fate.file.key, "its rows do not add up to those in their places")

    def _places(self, manifest: DayManifest) -> tuple[Array, Array] | None:
        """Return partition and offset of every landed row, and of every row where it is now; None where one is unread.

        Each file is read once: one that was published as it is, or is held, is its own place.
        """
        landed: list[Array | None] = []
        now: list[Array | None] = [self._rows(manifest.day, file) for file in manifest.released]
        for fate in manifest.files:
            source = None if self._quick else self._rows(manifest.day, fate.file)
            landed.append(source)
            places = _places_of(fate)
            now += [source if place == fate.file else self._rows(manifest.day, place) for place in places]
        known_landed = [rows for rows in landed if rows is not None]
        known_now = [rows for rows in now if rows is not None]
        if len(known_landed) != len(landed) or len(known_now) != len(now):
            return None
        return _sorted(known_landed), _sorted(known_now)

    def _rows(self, day: str, file: DataFile) -> Array | None:
        """Return partition and offset of the file's rows, one pair a row."""
        try:
            parquet = open_verified(self._store.get(file.key), file)
            parts = [_who(rows, file.key) for rows in read_batches(parquet, file.key, _present(parquet))]
        except FileCorruptError as error:
            self._findings.broken("G3", f"{day} {file.key}", error.key, error.reason)
            return None
        return np.concatenate(parts) if parts else np.empty((0, 2), np.int64)

    def _compare(self, day: str, told: DayState, landed: Array, now: Array) -> None:
        """Every landed row is somewhere, once, and nothing else is."""
        common = min(len(landed), len(now))
        differs = np.flatnonzero((landed[:common] != now[:common]).any(axis=1))
        if not len(differs) and len(landed) == len(now):
            return
        i = int(differs[0]) if len(differs) else common
        lost = i < len(landed) and (i >= len(now) or tuple(landed[i]) < tuple(now[i]))
        partition, offset = (landed if lost else now)[i]
        twice = not lost and bool(i) and tuple(now[i - 1]) == (partition, offset)
        what = "landed, and is nowhere" if lost else "is there twice" if twice else "never landed, and is there"
        self._findings.broken("G1", day, told.manifest, f"a row of partition {partition} {what}", int(offset))


def _places_of(fate: FileFate) -> list[DataFile]:
    """Return the files that hold the landed file's rows now, but for released ones."""
    places = [fate.file if fate.fate is Fate.HELD else fate.published_file, fate.quarantined]
    return [file for file in places if file is not None]


def _present(parquet: pq.ParquetFile) -> list[str]:
    return [name for name in _WHO if name in parquet.schema_arrow.names]


def _who(rows: pa.Table, key: str) -> Array:
    if not set(_WHO) <= set(rows.column_names):
        raise FileCorruptError(key, "its rows do not say where they come from")
    return np.stack([rows.column(name).to_numpy().astype(np.int64) for name in _WHO], axis=1)


def _sorted(parts: Iterable[Array]) -> Array:
    rows = np.concatenate([np.empty((0, 2), np.int64), *parts])
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]
