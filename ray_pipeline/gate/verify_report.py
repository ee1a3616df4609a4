"""What an audit of a gate finds: one result per invariant, beside those of the lake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ray_pipeline.lake.verify_report import Finding, InvariantResult, Status

PROMISES: Mapping[str, str] = {
    "G1": "every landed row that was judged is exactly one of published, quarantined, held",
    "G2": "the ledger has no hole, every entry is as it was written, and its books balance",
    "G3": "every file that the gate names is the one that it wrote or read: size, SHA-256, rows",
    "G4": "the table holds exactly the files that the decisions published, once each",
}


@dataclass(frozen=True, slots=True)
class GateInvariant(InvariantResult):
    """One invariant of one dataset's gate."""

    @property
    def promise(self) -> str:
        """The invariant in words."""
        return PROMISES[self.id]


class Findings:
    """Where the checks of an audit write down what they find; of each invariant and place the first."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._broken: dict[tuple[str, str], Finding] = {}

    def broken(self, invariant: str, place: str, key: str, message: str, offset: int | None = None) -> None:
        """Record a breach; a later one of the same invariant in the same place (a day, a log, ...) is not kept."""
        found = Finding(invariant, self._dataset, key, offset, message)
        self._broken.setdefault((invariant, place), found)

    def result(self, invariant: str, note: str = "") -> GateInvariant:
        """Return what was found, by place."""
        found = tuple(finding for (name, _), finding in sorted(self._broken.items()) if name == invariant)
        return GateInvariant(invariant, Status.BROKEN if found else Status.HELD, found, note=note)
