"""A day's manifest: every landed file of the day, and where its rows are as of one decision."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.read_ahead import read_ahead
from ray_pipeline.lake.seal import seal, unseal
from ray_pipeline.sla.result import Disposition

from .entries import DayState, GateState
from .values import as_document, from_document

FORMAT = 1


class Fate(StrEnum):
    """Whether a landed file was let through."""

    PUBLISHED = "published"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class FileFate:
    """Where the rows of one landed file are.

    Of a published file: in itself, where nothing else is said; else in ``kept``, in ``quarantined``, and ``released``
    of them in the released files of the day. The three then add up to the file's rows.
    """

    file: DataFile
    fate: Fate
    decided: int
    """The decision that said so."""
    kept: DataFile | None = None
    """The file's published rows, rewritten."""
    quarantined: DataFile | None = None
    """The file's rows that are set aside now."""
    released: int = 0
    """Rows that were set aside and are published now."""

    @property
    def published_file(self) -> DataFile | None:
        """The file in the table with this file's rows, but for released ones; None where there is none."""
        if self.fate is Fate.HELD:
            return None
        untouched = self.kept is None and self.quarantined is None and self.released == 0
        return self.file if untouched else self.kept

    @property
    def published_rows(self) -> int:
        file = self.published_file
        return self.released + (file.rows if file else 0)

    @property
    def quarantined_rows(self) -> int:
        return self.quarantined.rows if self.quarantined else 0

    @property
    def held_rows(self) -> int:
        return self.file.rows if self.fate is Fate.HELD else 0


@dataclass(frozen=True, slots=True)
class DayManifest:
    """Every landed file of a day, in the order in which they were decided on."""

    day: str
    n: int
    """The decision that wrote it."""
    disposition: Disposition
    reasons: tuple[str, ...]
    """Ids of the checks that hold rows back."""
    files: tuple[FileFate, ...]
    released: tuple[DataFile, ...]
    """Files of rows that were quarantined once and are published now."""

    @property
    def landed(self) -> int:
        return sum(fate.file.rows for fate in self.files)

    @property
    def published(self) -> int:
        return sum(fate.published_rows for fate in self.files)

    @property
    def quarantined(self) -> int:
        return sum(fate.quarantined_rows for fate in self.files)

    @property
    def held(self) -> int:
        return sum(fate.held_rows for fate in self.files)

    def published_files(self) -> list[DataFile]:
        """Return every file of this day that belongs to the table."""
        kept = [fate.published_file for fate in self.files]
        return [*(file for file in kept if file is not None), *self.released]


def encode_manifest(manifest: DayManifest) -> tuple[bytes, str]:
    """Return the manifest as it is stored, and the SHA-256 of that."""
    data = seal({"format": FORMAT, **as_document(manifest)})
    return data, hashlib.sha256(data).hexdigest()


def read_manifest(store: ObjectStore, state: DayState) -> DayManifest:
    """Return the manifest that a day's state names; raise ``FileCorruptError`` where it is not what was written."""
    return decode_manifest(store.get(state.manifest), state.manifest, state.sha256)


def decode_manifest(data: bytes | None, key: str, sha256: str) -> DayManifest:
    """Return the manifest from its bytes."""
    if data is None:
        raise FileCorruptError(key, "is missing")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FileCorruptError(key, "its SHA-256 is not the one in the ledger")
    try:
        document = unseal(data)
        if document.get("format") != FORMAT:
            raise FileCorruptError(key, f"is no manifest of format {FORMAT}")
        return from_document(DayManifest, document)
    except ValueError as error:
        raise FileCorruptError(key, f"cannot be read ({error})") from error


def read_manifests(store: ObjectStore, state: GateState, days: Iterable[str] | None = None) -> Iterator[DayManifest]:
    """Yield the newest manifests, by day; of these days, or of all. Raises as ``read_manifest`` does."""
    chosen = [state.days[day] for day in sorted(state.days if days is None else set(days) & state.days.keys())]
    for at, (key, data) in zip(chosen, read_ahead(store, [at.manifest for at in chosen]), strict=True):
        yield decode_manifest(data, key, at.sha256)
