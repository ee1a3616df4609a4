"""What the pieces of an inspection add up to: states by day, keys on disk. A file counts as a whole or not at all."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.connectors.object_store.reading import Files
from ray_pipeline.contracts.expectations import Column
from ray_pipeline.errors import RayPipelineError
from ray_pipeline.sla.check import DayCheck, KeyFinding, SqlValue
from ray_pipeline.sla.checks.conformance import CONFORMANCE
from ray_pipeline.sla.checks.uniqueness import Uniqueness
from ray_pipeline.sla.checks.unit_sql import UnitSql
from ray_pipeline.sla.flagged import EXAMPLES
from ray_pipeline.sla.keys.duplicates import find_duplicates
from ray_pipeline.sla.keys.key_files import KeyFile
from ray_pipeline.sla.keys.key_runs import KeyRun, KeyRuns
from ray_pipeline.sla.measure import Array, Measure, RowRef
from ray_pipeline.sla.sql.limits import SqlLimits
from ray_pipeline.sla.sql.unit_query import query_columns, run_unit_queries

from .inspect_measuring import Inspection, Measured, load_keys, read_measured, rows_of_days
from .inspect_reading import Piece, read_piece
from .shelf import merged

CACHE_BYTES = 256 << 20
"""Keys that are kept in memory; those of more pieces than fit lie in a temporary folder and are read again."""


class Tally:
    """What some pieces add up to; the result does not depend on the order in which they come."""

    def __init__(self, small: Sequence[Measure]) -> None:
        self._small = small
        self.partials: dict[str, dict[str, Any]] = {}
        """Day → measure id → partial."""
        self.rows: dict[str, int] = {}
        """Day → rows."""
        self.broken: dict[str, tuple[str, int, str]] = {}
        """Day → file, number and what is wrong, of the first row that breaks the contract."""
        self.timeless = 0
        """Rows without an event time, where the contract names one."""
        self.pieces: dict[str, list[Piece]] = {}
        """Day → pieces with rows of it."""
        self.keys: dict[str, list[KeyFile]] = {}
        """Measure id → keys of a piece and day."""
        self.seen = 0
        """How many pieces."""

    def merge(self, other: Tally) -> None:
        """Add what another one holds."""
        for day, new in other.partials.items():
            known = self.partials.get(day)
            if known is not None:
                total = merged(self._small, (known, new))
                total[CONFORMANCE] = known[CONFORMANCE].merge(new[CONFORMANCE])
            self.partials[day] = dict(new) if known is None else total
            self.rows[day] = self.rows.get(day, 0) + other.rows[day]
            self.pieces.setdefault(day, []).extend(other.pieces[day])
        for day, first in other.broken.items():
            self.broken[day] = min(self.broken.get(day, first), first)
        for measure, files in other.keys.items():
            self.keys.setdefault(measure, []).extend(files)
        self.timeless += other.timeless
        self.seen += other.seen


class Findings(Tally):
    """What was found in all files that could be read. ``folder`` is for the keys; it goes with the inspection."""

    def __init__(self, files: Files, inspection: Inspection, pieces: Sequence[Piece], folder: Path) -> None:
        super().__init__(inspection.small)
        self._files, self._inspection, self._pieces = files, inspection, pieces
        self._expected = Counter(piece.name for piece in pieces)
        self._unfinished: dict[str, Tally] = {}
        self._shelf = _KeyShelf(folder)
        self.problems: dict[str, str] = {}
        """File → why it was not judged."""

    def add(self, number: int, parts: list[bytes]) -> None:
        """Take what one piece holds; its file counts once all its pieces are there, and only if all could be read."""
        piece = self._pieces[number]
        measured = read_measured(parts, self._inspection)
        if measured.problem is not None:
            self.problems.setdefault(piece.name, measured.problem)
        file = self._unfinished.setdefault(piece.name, Tally(self._inspection.small))
        file.merge(self._tally(piece, measured))
        if file.seen == self._expected[piece.name]:
            del self._unfinished[piece.name]
            if piece.name not in self.problems:
                self.merge(file)

    def _tally(self, piece: Piece, measured: Measured) -> Tally:
        found = Tally(self._inspection.small)
        found.seen = 1
        found.timeless = measured.timeless
        found.rows = dict(measured.rows)
        found.partials = {day: dict(partials) for day, partials in measured.partials.items()}
        found.pieces = {day: [piece] for day in measured.rows}
        found.broken = {day: (piece.name, row, said) for day, (row, said) in measured.broken.items()}
        by_id = {measure.id: measure for measure in self._inspection.keys}
        for part in measured.keys:
            if part.keys:
                load = self._shelf.keep(part.content, by_id[part.measure])
                keys = KeyFile(_named(piece), part.day, piece.name, part.keys, load)
                found.keys.setdefault(part.measure, []).append(keys)
        return found

    def keys_of(self, check: DayCheck) -> dict[str, KeyFinding]:
        """Return what the keys of all files say about a uniqueness check, by day."""
        measure = next((one for one in check.measures if isinstance(one, KeyRuns)), None)
        if measure is None or not isinstance(check, Uniqueness):
            return {}
        found = dict.fromkeys(self.rows, KeyFinding(0, 0))
        try:
            reader = _KeyReader(self._files, self._inspection, self._pieces, measure.key)
            twice = find_duplicates(self.keys.get(measure.id, ()), [], measure.key, reader.read, scope=check.within)
        except RayPipelineError as error:
            if error.retryable:
                raise
            return dict.fromkeys(self.rows, KeyFinding(0, 0, problem=str(error)))
        return found | {day: _by_number(finding) for day, finding in twice.items()}

    def sql_of(self, checks: Sequence[DayCheck], day: str, limits: SqlLimits | None = None) -> dict[str, SqlValue]:
        """Return what each query over a whole day says about it; the day's rows are read again."""
        able = [one for one in checks if isinstance(one, UnitSql) and one.problem is None]
        if not able:
            return {}
        schema = self._inspection.contract.landing_schema
        names = query_columns([one.query for one in able], schema)
        try:
            queries = {one.id: one.query for one in able}
            return run_unit_queries(queries, self._rows_of(day, names), schema, limits or SqlLimits())
        except RayPipelineError as error:
            if error.retryable:
                raise
            return {one.id: SqlValue(None, str(error)) for one in able}

    def _rows_of(self, day: str, names: Sequence[str]) -> Iterator[pa.Table]:
        contract = self._inspection.contract
        time = [] if contract.event_time is None else [contract.event_time]
        for piece in sorted(self.pieces.get(day, ()), key=_place):
            for batch, first in read_piece(self._files, piece, contract, [*names, *time]):
                for other, rows, _ in rows_of_days(batch, first, contract.event_time):
                    if other == day:
                        yield rows


def _place(piece: Piece) -> tuple[str, int]:
    return piece.name, piece.number


def _named(piece: Piece) -> str:
    """Return a name for a piece that sorts by file, then by row."""
    return f"{piece.name}\0{piece.number:08d}"


def _by_number(finding: KeyFinding) -> KeyFinding:
    """Return the same with its rows named by file and number."""
    some = [(key.partition("\0")[0], int(row)) for key, rows in finding.positions.items() for row in rows[:EXAMPLES]]
    return replace(
        finding, examples=tuple(RowRef(name, -1, row) for name, row in sorted(some)[:EXAMPLES]), positions={}
    )


class _KeyShelf:
    """Keys by number, in memory as far as they fit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._loaded: OrderedDict[int, tuple[int, KeyRun]] = OrderedDict()
        self._held = 0

    def keep(self, content: bytes, measure: KeyRuns) -> Any:
        """Put keys away; return what gets them back."""
        number = self._number
        self._number += 1
        path = self._folder / f"{number}.keys"
        path.write_bytes(content)

        def load() -> KeyRun:
            if number not in self._loaded:
                stored = path.read_bytes()
                self._loaded[number] = (len(stored), load_keys(stored, measure))
                self._held += len(stored)
                while self._held > CACHE_BYTES and len(self._loaded) > 1:
                    _, (freed, _) = self._loaded.popitem(last=False)
                    self._held -= freed
            self._loaded.move_to_end(number)
            return self._loaded[number][1]

        return load


class _KeyReader:
    """Reads the keys of rows whose hashes come twice, from the row groups that hold them."""

    def __init__(self, files: Files, inspection: Inspection, pieces: Sequence[Piece], key: tuple[Column, ...]) -> None:
        self._files, self._contract = files, inspection.contract
        self._pieces = {_named(piece): piece for piece in pieces}
        self._names = sorted({path[0] for path in key})

    def read(self, file: str, day: str, positions: Array) -> pa.Table:  # noqa: ARG002  the interface's
        """Return the key's columns of some rows."""

        def wanted(first: int, rows: int) -> bool:
            low, high = np.searchsorted(positions, (first, first + rows))
            return bool(high > low)

        parts = []
        for batch, first in read_piece(self._files, self._pieces[file], self._contract, self._names, wanted=wanted):
            low, high = np.searchsorted(positions, (first, first + batch.num_rows))
            if high > low:
                parts.append(batch.take(pa.array(positions[low:high] - first)))
        schema = self._contract.landing_schema
        return pa.concat_tables(parts) if parts else pa.schema([schema.field(n) for n in self._names]).empty_table()
