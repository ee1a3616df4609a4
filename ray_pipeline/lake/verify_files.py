"""I4, I5, I7: the files that one data entry names, one at a time, so that memory holds one file and its offsets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.lake.bad_records import BAD_SCHEMA
from ray_pipeline.lake.days import event_range, split_by_day
from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.keys import LogId, parse_file_key
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.rows import landed_schema
from ray_pipeline.lake.safe_parquet import open_verified, read_batches
from ray_pipeline.lake.verify_contracts import ContractShelf, Shelved
from ray_pipeline.lake.verify_ledger import Ledger
from ray_pipeline.lake.verify_rows import RowVerdict, judge_bad, judge_rows

_OURS = ("_topic", "_partition", "_offset", "_contract", "_contract_version")

Offsets = np.ndarray[Any, np.dtype[np.int64]]


class FileCheck:
    """Checks the files of one log's entries; ``quick`` leaves verdicts and derived figures out."""

    def __init__(
        self, store: ObjectStore, log: LogId, contracts: ContractShelf, ledger: Ledger, *, quick: bool
    ) -> None:
        self._store, self._log, self._contracts, self._ledger, self._quick = store, log, contracts, ledger, quick

    def entry(self, entry_key: str, data: Data) -> Offsets:
        """Check every file that the entry names; return the offsets of its bad records, ascending."""
        shelved = self._contracts.get(data.contract, self._log.topic)
        self._contract(shelved, data)
        landed = [self._file(file, data, shelved, bad=False) for file in data.files]
        refused = [self._file(file, data, shelved, bad=True) for file in data.bad_files]
        self._unique([*zip(data.files, landed, strict=True), *zip(data.bad_files, refused, strict=True)])
        if not self._quick and all(seen.complete for seen in (*landed, *refused)):
            self._derived(entry_key, data, shelved, landed, refused)
        return np.sort(np.concatenate([seen.offsets for seen in refused])) if refused else np.empty(0, np.int64)

    def _contract(self, shelved: Shelved, data: Data) -> None:
        if shelved.edited:
            self._ledger.broken("I7", self._log, shelved.key, data.start, shelved.reason)
        elif shelved.contract is None:
            self._ledger.unknown("I7", self._log, shelved.key, data.start, shelved.reason)

    def _file(self, file: DataFile, data: Data, shelved: Shelved, *, bad: bool) -> Seen:
        self._ledger.counts.files += 1
        self._is_of(file, data, bad=bad)
        seen = Seen()
        try:
            content = self._store.get(file.key)
            self._ledger.counts.bytes += len(content or b"")
            for rows in self._rows(open_verified(content, file), file, data, shelved, bad=bad):
                seen.add(rows, None if bad or shelved.contract is None else shelved.contract.event_time)
            seen.complete = len(seen.offsets) == file.rows
        except FileCorruptError as error:
            self._ledger.broken("I5", self._log, error.key, data.start, error.reason)
        return seen

    def _is_of(self, file: DataFile, data: Data, *, bad: bool) -> None:
        """An entry may only name files that were written for it."""
        said = parse_file_key(file.key)
        log = self._log
        mine = (log.pipeline, "bad" if bad else "data", log.topic, log.partition, data.start, data.end, data.epoch)
        if said is None or mine != (
            said.pipeline, said.kind, said.topic, said.partition, said.start, said.end, said.epoch
        ):  # fmt: skip
            self._ledger.broken("I5", log, file.key, data.start, "its name says that it is another entry's file")
        elif said.day != file.day:
            self._ledger.broken("I5", log, file.key, data.start, f"its name says day {said.day}, its entry {file.day}")

    def _rows(
        self, parquet: pq.ParquetFile, file: DataFile, data: Data, shelved: Shelved, *, bad: bool
    ) -> Iterator[pa.Table]:
        expected = BAD_SCHEMA if bad else landed_schema(shelved.contract) if shelved.contract is not None else None
        if expected is not None and not parquet.schema_arrow.equals(expected):
            told = f"its columns are not those of {'a bad file' if bad else 'its contract'}: "
            told += _difference(parquet.schema_arrow, expected)
            self._ledger.broken("I7", self._log, file.key, data.start, told)
            shelved = Shelved(shelved.key)
        wrong = _wrong_type(parquet.schema_arrow)
        if wrong is not None:
            self._ledger.broken("I7", self._log, file.key, data.start, f"column {wrong} is absent or of another type")
            return
        for rows in read_batches(parquet, file.key, _OURS if self._quick else None):
            self._belongs(rows, file, data)
            self._count(rows.num_rows, bad=bad)
            if not self._quick and shelved.contract is not None:
                self._judge(rows, file, shelved, bad=bad)
                if not bad:
                    self._day(rows, file, shelved)
            yield rows

    def _count(self, rows: int, *, bad: bool) -> None:
        counts = self._ledger.counts
        if bad:
            counts.bad_records += rows
        else:
            counts.rows += rows

    def _belongs(self, rows: pa.Table, file: DataFile, data: Data) -> None:
        """Every row is of this topic, partition, range and contract."""
        offsets = rows.column("_offset")
        inside = pc.and_(pc.greater_equal(offsets, data.start), pc.less(offsets, data.end))
        self._all(rows, inside, file, f"lies outside its entry's range {data.start} to {data.end}")
        expected = {
            "_topic": self._log.topic,
            "_partition": self._log.partition,
            "_contract": data.contract.id,
            "_contract_version": data.contract.version,
        }
        for name, value in expected.items():
            self._all(rows, pc.equal(rows.column(name), value), file, f"has another {name} than its entry")

    def _all(self, rows: pa.Table, holds: pa.ChunkedArray, file: DataFile, message: str) -> None:
        holds = pc.fill_null(holds, False)
        if not pc.all(holds, min_count=0).as_py():
            row = holds.to_numpy().argmin()
            self._ledger.broken("I7", self._log, file.key, rows.column("_offset")[row].as_py(), message)

    def _judge(self, rows: pa.Table, file: DataFile, shelved: Shelved, *, bad: bool) -> None:
        assert shelved.contract is not None
        assert shelved.rows is not None
        if bad:
            values = rows.column("_value").to_pylist()
            rules = rows.column("_violations").to_pylist()
            stored = [frozenset(violation["rule"] for violation in found or ()) for found in rules]
            verdicts = judge_bad(values, stored, shelved.contract)
        else:
            verdicts = judge_rows(rows, shelved.rows)
        self._ledger.counts.judged += rows.num_rows
        for verdict in verdicts:
            self._note(verdict, rows, file)

    def _note(self, verdict: RowVerdict, rows: pa.Table, file: DataFile) -> None:
        offset = rows.column("_offset")[verdict.row].as_py()
        if verdict.certain:
            self._ledger.broken("I7", self._log, file.key, offset, verdict.message)
        else:
            told = f"{verdict.message}; but the record cannot be rebuilt for certain"
            self._ledger.unknown("I7", self._log, file.key, offset, told)

    def _day(self, rows: pa.Table, file: DataFile, shelved: Shelved) -> None:
        assert shelved.contract is not None
        for day, part in split_by_day(rows, shelved.contract.event_time):
            if day != file.day:
                offset = part.column("_offset")[0].as_py()
                self._ledger.broken("I7", self._log, file.key, offset, f"is of {day}, in a file of {file.day}")

    def _unique(self, files: list[tuple[DataFile, Seen]]) -> None:
        """I4, exactly: entries have disjoint ranges and rows lie within them, so one entry's offsets are enough."""
        offsets = np.concatenate([seen.offsets for _, seen in files]) if files else np.empty(0, np.int64)
        if bool((np.diff(offsets) > 0).all()):
            return
        ordered = np.sort(offsets)
        twice = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(twice):
            offset = int(ordered[twice[0]])
            last = [file for file, seen in files if offset in seen.offsets][-1]
            self._ledger.broken("I4", self._log, last.key, offset, "is there twice among the files of its entry")

    def _derived(self, key: str, data: Data, shelved: Shelved, landed: list[Seen], refused: list[Seen]) -> None:
        """What the entry says of its rows beside their number, and later stages rely on."""
        by_rule = sum((seen.first_rules for seen in refused), Counter[str]())
        if by_rule != Counter(data.by_rule):
            self._ledger.broken("I3", self._log, key, data.start, "its counts by rule are not those of its bad file")
        if shelved.contract is not None:
            earliest = min((seen.earliest for seen in landed if seen.earliest), default=None)
            latest = max((seen.latest for seen in landed if seen.latest), default=None)
            if (earliest, latest) != (data.event_time_min, data.event_time_max):
                told = (
                    f"says event times {data.event_time_min} to {data.event_time_max}, its rows {earliest} to {latest}"
                )
                self._ledger.broken("I7", self._log, key, data.start, told)


class Seen:
    """What one file's rows said, gathered batch by batch."""

    def __init__(self) -> None:
        self._offsets: list[Offsets] = []
        self.first_rules: Counter[str] = Counter()
        self.earliest: str | None = None
        self.latest: str | None = None
        self.complete = False
        """Every row was read."""

    @property
    def offsets(self) -> Offsets:
        """The rows' offsets, in the file's order."""
        return np.concatenate(self._offsets) if self._offsets else np.empty(0, np.int64)

    def add(self, rows: pa.Table, event_time: str | None) -> None:
        """Take note of some rows."""
        self._offsets.append(pc.fill_null(rows.column("_offset"), -1).to_numpy())
        if "_violations" in rows.column_names:
            reasons = rows.column("_violations").to_pylist()
            self.first_rules.update(found[0]["rule"] for found in reasons if found)
        elif event_time is not None and event_time in rows.column_names:
            earliest, latest = event_range(rows, event_time)
            self.earliest = min((moment for moment in (self.earliest, earliest) if moment), default=None)
            self.latest = max((moment for moment in (self.latest, latest) if moment), default=None)


def _wrong_type(schema: pa.Schema) -> str | None:
    """Return the first of our columns that cannot be checked because it is not what we write."""
    for name in _OURS:
        if schema.get_field_index(name) < 0 or schema.field(name).type != BAD_SCHEMA.field(name).type:
            return name
    return None


def _difference(found: pa.Schema, expected: pa.Schema) -> str:
    for field in expected:
        i = found.get_field_index(field.name)
        if i < 0:
            return f"no {field.name}"
        if found.field(i).type != field.type:
            return f"{field.name} is {found.field(i).type}, not {field.type}"
    surplus = [name for name in found.names if name not in expected.names]
    return f"{surplus[0]} is surplus" if surplus else "they are in another order, or named twice"
