"""Where the checks of an audit write down what they find: of each partition and invariant the first."""

from __future__ import annotations

from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.verify_report import Counts, Finding, InvariantResult, Status
from ray_pipeline.types import Offset

OFFLINE = ("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I10")
"""What objects alone can prove."""


class Ledger:
    """Findings and counts of one audit; the checks only write to it, and go on."""

    def __init__(self) -> None:
        self.counts = Counts()
        self._broken: dict[tuple[str, LogId], Finding] = {}
        self._unknown: dict[tuple[str, LogId], Finding] = {}

    def broken(self, invariant: str, log: LogId, key: str, offset: Offset | None, message: str) -> None:
        """Record a breach; a later one of the same invariant in the same partition is not kept."""
        finding = Finding(invariant, f"{log.topic}[{log.partition}]", key, offset, message)
        self._broken.setdefault((invariant, log), finding)

    def unknown(self, invariant: str, log: LogId, key: str, offset: Offset | None, message: str) -> None:
        """Record that the invariant could not be told for this object."""
        finding = Finding(invariant, f"{log.topic}[{log.partition}]", key, offset, message)
        self._unknown.setdefault((invariant, log), finding)

    def is_broken(self, invariant: str, log: LogId) -> bool:
        """Say whether this partition breaks the invariant already."""
        return (invariant, log) in self._broken

    def result(self, invariant: str, note: str = "") -> InvariantResult:
        """Return what was found, by partition."""
        breaches = tuple(f for (name, _), f in sorted(self._broken.items(), key=_order) if name == invariant)
        doubts = tuple(f for (name, _), f in sorted(self._unknown.items(), key=_order) if name == invariant)
        status = Status.BROKEN if breaches else Status.UNKNOWN if doubts else Status.HELD
        return InvariantResult(invariant, status, breaches, doubts, note)


def _order(item: tuple[tuple[str, LogId], Finding]) -> LogId:
    return item[0][1]
