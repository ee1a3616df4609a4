"""What an audit found, as a value: one result per invariant, each breach with its object and offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from html import escape
from typing import Any

from ray_pipeline.types import Offset, Outcome


class Status(StrEnum):
    """What can be said of one invariant."""

    HELD = "held"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    NOT_CHECKED = "not checked"


PROMISES: Mapping[str, str] = {
    "I1": "each entry begins where the one before it ended",
    "I2": "no two entries cover the same offset",
    "I3": "good, bad, tombstones and skipped offsets add up to the range",
    "I4": "no record is there twice",
    "I5": "every file is the one that was committed: size, SHA-256, rows",
    "I6": "epochs never decrease, and only the owner of the time wrote",
    "I7": "every row lies in its entry's range and keeps its recorded contract; every bad record breaks it",
    "I8": "the dead-letter topic holds exactly the bad records, up to where it got",
    "I9": "the group's offset is never past the log",
    "I10": "a snapshot is a prefix of the log",
    "I11": "after faults stop, the lag goes to 0",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where an invariant does not hold, or where it could not be told."""

    invariant: str
    partition: str
    """``departures[3]``."""
    key: str
    """The first object that breaks it."""
    offset: Offset | None
    """The first offset that breaks it; None where the object says nothing of offsets."""
    message: str

    def __str__(self) -> str:
        at = "" if self.offset is None else f", offset {self.offset}"
        return f"{self.partition}: {self.key}{at}: {self.message}"


@dataclass(frozen=True, slots=True)
class InvariantResult:
    """One invariant over the whole pipeline; findings are the first of each partition."""

    id: str
    status: Status
    breaches: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()
    """What could not be told, and why."""
    note: str = ""
    """How far the check reached, where it was not all the way."""

    @property
    def promise(self) -> str:
        """The invariant in words."""
        return PROMISES[self.id]


@dataclass(slots=True)
class Counts:
    """How much was looked at."""

    logs: int = 0
    entries: int = 0
    files: int = 0
    bytes: int = 0
    rows: int = 0
    """Landed rows."""
    bad_records: int = 0
    judged: int = 0
    """Rows and bad records that were judged again."""


@dataclass(frozen=True, slots=True, repr=False)
class VerifyReport:
    """The audit of one pipeline. ``print`` it, or take ``to_json()``."""

    pipeline: str
    store: str
    results: tuple[InvariantResult, ...]
    counts: Counts
    quick: bool = False
    notes: tuple[str, ...] = field(default=())
    gates: tuple[tuple[str, tuple[InvariantResult, ...]], ...] = ()
    """(dataset, its gate's invariants), of every dataset that was gated."""

    @property
    def outcome(self) -> Outcome:
        """BROKEN if anything is; else UNKNOWN if anything could not be told; what was not asked for does not count."""
        statuses = {result.status for result in self._all()}
        if Status.BROKEN in statuses:
            return Outcome.BROKEN
        if Status.UNKNOWN in statuses or self.counts.logs == 0:
            return Outcome.UNKNOWN
        return Outcome.HELD

    @property
    def first_breach(self) -> Finding | None:
        """The first breach of the first broken invariant."""
        return next((result.breaches[0] for result in self._all() if result.breaches), None)

    def _all(self) -> list[InvariantResult]:
        return [*self.results, *(result for _, results in self.gates for result in results)]

    def result(self, invariant: str) -> InvariantResult:
        """Return one invariant's result.

        >>> VerifyReport("p", "s", (InvariantResult("I1", Status.HELD),), Counts()).result("I1").status
        <Status.HELD: 'held'>
        """
        return next(result for result in self.results if result.id == invariant)

    def to_json(self) -> dict[str, Any]:
        """Return the report as what ``json.dumps`` takes."""
        return {
            "pipeline": self.pipeline,
            "store": self.store,
            "outcome": self.outcome.name.lower(),
            "quick": self.quick,
            "counts": asdict(self.counts),
            "invariants": [_result_json(result) for result in self.results],
            "gates": {dataset: [_result_json(result) for result in results] for dataset, results in self.gates},
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"{self.pipeline} in {self.store}: {self.outcome.name}", _counted(self.counts, self.quick)]
        for result in self.results:
            lines += _lines(result)
        for dataset, results in self.gates:
            lines.append(f"the gate of {dataset}:")
            for result in results:
                lines += _lines(result)
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{result.id}</td><td>{result.status}</td><td>{escape(result.promise)}</td><td>"
            + "<br>".join(escape(str(finding)) for finding in result.breaches + result.doubts)
            + f"{escape(result.note)}</td></tr>"
            for result in self._all()
        )
        head = f"<b>{escape(self.pipeline)}</b>: {self.outcome.name}; {escape(_counted(self.counts, self.quick))}"
        return f"{head}<table>{rows}</table>"


def _lines(result: InvariantResult) -> list[str]:
    found = [f"{result.id:<4}{result.status:<12}{result.promise}"]
    found += [f"      broken: {finding}" for finding in result.breaches]
    found += [f"      unknown: {finding}" for finding in result.doubts]
    return [*found, *([f"      {result.note}"] if result.note else [])]


def _result_json(result: InvariantResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "promise": result.promise,
        "status": result.status.value,
        "breaches": [asdict(finding) for finding in result.breaches],
        "doubts": [asdict(finding) for finding in result.doubts],
        "note": result.note,
    }


def _counted(counts: Counts, quick: bool) -> str:
    judged = "none of them judged again (quick)" if quick else f"{counts.judged:,} judged again"
    return (
        f"{counts.logs:,} logs, {counts.entries:,} entries, {counts.files:,} files, {counts.bytes:,} bytes, "
        f"{counts.rows:,} rows, {counts.bad_records:,} bad records; {judged}"
    )
