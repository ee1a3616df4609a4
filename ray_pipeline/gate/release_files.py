"""Move released rows from the quarantine to the table: new files for both, and the old ones leave."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.sla.measure import Array

from .desk import Desk
from .manifest import FileFate
from .quarantine import OURS, read_quarantine
from .release import QuarantineRelease, ReleasedRows
from .rows_file import RowsFile

FILE_BYTES = 128 << 20
"""Unpacked bytes after which released rows go to a further file."""


def settle_releases(
    desk: Desk, day: str, fates: MutableMapping[str, FileFate], releases: Sequence[QuarantineRelease]
) -> tuple[list[DataFile], int]:
    """Write the day's released rows, and what stays of the files they come from; return the files and the rows."""
    chosen: dict[str, tuple[ReleasedRows, Array]] = {}
    for found in (found for release in releases for found in release.files if found.day == day):
        before = chosen.get(found.landed.key)
        positions = found.positions if before is None else np.union1d(before[1], found.positions)
        chosen[found.landed.key] = (found, positions)
    out = _Released(desk, day)
    for found, positions in chosen.values():
        fate = fates.get(found.landed.key)
        if fate is None or fate.quarantined != found.file:
            raise ValueError(f"{found.file.key} is not in quarantine any more")
        stays = _split(desk, day, found.file, positions, out)
        desk.replaced.append(found.file)
        fates[found.landed.key] = replace(fate, quarantined=stays, released=fate.released + len(positions))
    return out.close(), sum(len(positions) for _, positions in chosen.values())


def _split(desk: Desk, day: str, file: DataFile, positions: Array, out: _Released) -> DataFile | None:
    """Add the released rows to ``out``, and write those that stay to a file of their own."""
    stays = np.ones(file.rows, bool)
    stays[positions] = False
    rest: RowsFile | None = None
    first = 0
    for rows in read_quarantine(desk.store, file):
        mask = stays[first : first + rows.num_rows]
        first += rows.num_rows
        out.add(rows.filter(pa.array(~mask)).drop_columns(list(OURS)), file.key)
        rest = rest or RowsFile(rows.schema)
        rest.add(rows.filter(pa.array(mask)))
    if first != file.rows:
        raise FileCorruptError(file.key, f"holds {first} rows, its manifest says {file.rows}")
    return desk.put_quarantined(rest, day) if rest is not None else None


class _Released:
    """Released rows of one day, in few files: as many as their schemas and their size ask for."""

    def __init__(self, desk: Desk, day: str) -> None:
        self._desk, self._day = desk, day
        self._open: RowsFile | None = None
        self._files: list[DataFile] = []

    def add(self, rows: pa.Table, key: str) -> None:
        if rows.num_rows == 0:
            return
        fitting = self._desk.as_published(rows, key)
        if self._open is not None and (
            self._open.unpacked >= FILE_BYTES or not self._open.schema.equals(fitting.schema)
        ):
            self._put()
        self._open = self._open or RowsFile(fitting.schema)
        self._open.add(fitting)

    def close(self) -> list[DataFile]:
        self._put()
        return self._files

    def _put(self) -> None:
        file = self._desk.put_kept(self._open, self._day) if self._open is not None else None
        if file is not None:
            self._files.append(file)
        self._open = None
