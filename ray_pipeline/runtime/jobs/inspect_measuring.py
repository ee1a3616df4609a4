"""Measure one piece of a file that others wrote: every row is judged by the contract, every day gets its own states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.connectors.object_store.reading import Files
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import FileCorruptError, RayPipelineError
from ray_pipeline.lake.days import split_by_day
from ray_pipeline.lake.rows import TIMESTAMP
from ray_pipeline.sla.checks.conformance import CONFORMANCE
from ray_pipeline.sla.flagged import FlaggedRows, flag
from ray_pipeline.sla.keys.key_runs import KeyRun, KeyRuns, Run
from ray_pipeline.sla.keys.packed import pack
from ray_pipeline.sla.measure import Array, Measure, State, Where
from ray_pipeline.sla.sql.row_predicate import RowPredicate, evaluate_together
from ray_pipeline.sla.state_codec import decode, encode

from .inspect_columns import ORDER
from .inspect_reading import Piece, read_piece
from .inspect_rows import broken_rows
from .on_ray import Job

MOST_DAYS = 3_660
"""Of one piece: more event days than ten years have mean that the event time is something else."""
TIMELESS = "1970-01-01"
"""The day of rows that say neither when they happened nor, in ``_timestamp``, when they were published; as ingest
has it for records without any time."""

_HEAD = ""
_ROW = " row"
"""No column of a contract begins with a space."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What every piece is measured by."""

    contract: DataContract
    measures: tuple[Measure, ...]

    @property
    def small(self) -> tuple[Measure, ...]:
        """All but the keys."""
        return tuple(measure for measure in self.measures if not isinstance(measure, KeyRuns))

    @property
    def keys(self) -> tuple[KeyRuns, ...]:
        return tuple(measure for measure in self.measures if isinstance(measure, KeyRuns))


@dataclass(frozen=True, slots=True)
class KeyPart:
    """The keys of one piece and day, encoded."""

    day: str
    measure: str
    keys: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Measured:
    """What one piece holds."""

    problem: str | None = None
    """Why it could not be measured; then there is nothing else."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """By day."""
    timeless: int = 0
    """Rows without an event time, where the contract names one."""
    broken: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Day → number and what is wrong, of the first row that breaks the contract."""
    partials: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Day → measure id → partial."""
    keys: tuple[KeyPart, ...] = ()


def preparing(told: tuple[Files, Inspection, list[Piece]]) -> Job:
    """Return what a task of the pass does with each piece."""
    files, inspection, pieces = told
    return lambda number: measure_piece(files, inspection, pieces[number])


def measure_piece(files: Files, inspection: Inspection, piece: Piece) -> list[bytes]:
    """Return what a piece holds, encoded: its head and small states, then the keys of each day."""
    try:
        return _measure(files, inspection, piece)
    except RayPipelineError as error:
        if error.retryable:
            raise
        problem = str(error)
    except (pa.ArrowException, OverflowError) as error:  # its words may hold a value
        problem = f"{piece.name}: its rows cannot be measured ({type(error).__name__})"
    return [encode({_HEAD: State({"problem": problem})})]


def read_measured(parts: list[bytes], inspection: Inspection) -> Measured:
    """Return what :func:`measure_piece` found."""
    states = decode(parts[0])
    head = states[_HEAD].values
    if head["problem"] is not None:
        return Measured(problem=head["problem"])
    partials: dict[str, dict[str, Any]] = {}
    for day in head["rows"]:
        partials[day] = {one.id: one.load(states[_name(day, one.id)]) for one in inspection.small}
        partials[day][CONFORMANCE] = FlaggedRows.load(states[_name(day, CONFORMANCE)])
    keys = tuple(
        KeyPart(day, measure, count, content)
        for (day, measure, count), content in zip(head["keys"], parts[1:], strict=True)
    )
    broken = {day: (int(row), str(said)) for day, (row, said) in head["broken"].items()}
    return Measured(None, dict(head["rows"]), int(head["timeless"]), broken, partials, keys)


def load_keys(content: bytes, measure: KeyRuns) -> KeyRun:
    """Return the keys in a part."""
    return measure.load(decode(content)[measure.id])


def rows_of_days(batch: pa.Table, first_row: int, event_time: str | None) -> Iterator[tuple[str, pa.Table, Array]]:
    """Yield each event day of a batch with its rows and their numbers within the file."""
    numbers = pa.array(np.arange(first_row, first_row + batch.num_rows, dtype=np.int64))
    helped = batch.append_column(_ROW, numbers)
    if "_timestamp" not in batch.column_names:
        helped = helped.append_column("_timestamp", pa.nulls(batch.num_rows, TIMESTAMP))
    for day, rows in split_by_day(helped, event_time):
        yield day, rows.select(batch.column_names).combine_chunks(), rows.column(_ROW).to_numpy()


def _measure(files: Files, inspection: Inspection, piece: Piece) -> list[bytes]:
    contract = inspection.contract
    days: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    broken: dict[str, tuple[int, str]] = {}
    timeless = 0
    for batch, first in read_piece(files, piece, contract):
        found = broken_rows(batch, contract)
        own = batch.select([*contract.landing_schema.names, *(name for name in ORDER if name in batch.column_names)])
        if contract.event_time is not None:
            timeless += own.column(contract.event_time).null_count
        for day, rows, numbers in rows_of_days(own, first, contract.event_time):
            if day not in days:
                if len(days) == MOST_DAYS:
                    raise FileCorruptError(piece.name, f"has more than {MOST_DAYS:,} event days; see {_time(contract)}")
                days[day] = {measure.id: measure.zero() for measure in inspection.measures}
                days[day][CONFORMANCE] = FlaggedRows()
                counts[day] = 0
            seen = counts[day]
            where = Where(piece.name, seen)
            partials = _partials(rows, inspection.measures, where)
            partials[CONFORMANCE] = flag(_plain(rows), found.mask[numbers - first], where)
            for name, partial in partials.items():
                days[day][name] = days[day][name].merge(_numbered(partial, numbers, seen, piece.file))
            if day not in broken:
                for number in numbers[found.mask[numbers - first]][:1].tolist():
                    broken[day] = (number, found.first[number - first])
            counts[day] += rows.num_rows
    return _encoded(inspection, days, counts, broken, timeless)


def _encoded(
    inspection: Inspection,
    days: Mapping[str, Mapping[str, Any]],
    counts: Mapping[str, int],
    broken: Mapping[str, tuple[int, str]],
    timeless: int,
) -> list[bytes]:
    states = {
        _name(day, name): days[day][name].state()
        for day in days
        for name in (*(measure.id for measure in inspection.small), CONFORMANCE)
    }
    runs = [(day, measure.id, days[day][measure.id]) for day in sorted(days) for measure in inspection.keys]
    head = {
        "problem": None,
        "rows": dict(sorted(counts.items())),
        "timeless": timeless,
        "broken": {day: list(first) for day, first in broken.items()},
        "keys": [[day, name, run.keys] for day, name, run in runs],
    }
    return [encode({_HEAD: State(head), **states}), *(encode({name: run.state()}) for _, name, run in runs)]


def _partials(rows: pa.Table, measures: tuple[Measure, ...], where: Where) -> dict[str, Any]:
    plain = _plain(rows)
    predicates = [measure for measure in measures if isinstance(measure, RowPredicate)]
    found = {
        measure.id: measure.of(rows if isinstance(measure, KeyRuns) else plain, where)
        for measure in measures
        if not isinstance(measure, RowPredicate)
    }
    if predicates:
        found.update(evaluate_together(predicates, plain, where))
    return found


def _plain(rows: pa.Table) -> pa.Table:
    """Return the rows without our columns: whatever these say, a row is named by its file and number."""
    return rows.select([name for name in rows.column_names if name not in ORDER])


def _numbered(partial: Any, numbers: Array, seen: int, file: int) -> Any:
    """Return a partial whose rows have their numbers within the file, not within the day; only counts are kept.

    Of keys the first row wins, and not the first day: rows without our columns come in the order of files and rows.
    """
    if isinstance(partial, FlaggedRows):
        named = tuple(replace(one, offset=int(numbers[one.offset - seen])) for one in partial.examples)
        return replace(partial.counts(), examples=named)
    if isinstance(partial, KeyRun) and partial.keys:
        run = partial.run
        rows = numbers[run.numbers["row"].take(slice(None)) - seen]
        place = {"partition": pack(np.full(len(rows), file)), "offset": pack(rows)}
        named_run = Run(run.hi, run.lo, {**place, **run.numbers, "row": pack(rows)})
        return KeyRun(partial.rows, partial.nulls, (named_run,), named_run)
    return partial


def _time(contract: DataContract) -> str:
    return f"column {contract.event_time!r}"


def _name(day: str, measure: str) -> str:
    return f"{day} {measure}"
