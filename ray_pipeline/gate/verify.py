"""The audit of a gate: prove from the objects alone that nothing was lost, doubled or let through unseen.

Every entry of the ledger is read and folded again, every manifest and file that they name is read, and the rows of
what was published, quarantined and held are compared with those that landed. No count is taken on trust.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.verify_report import Status

from .entries import Decision
from .keys import gate_prefix
from .verify_chain import read_chain
from .verify_files import DayAudit
from .verify_keys import check_landed, check_places
from .verify_report import Findings, GateInvariant
from .verify_table import check_table

_QUICK = "rows were compared by their counts, and landed files were not read (quick)"
_NO_TABLE = "not checked: the table's files were not given"
_NOTHING = "no decision was found: nothing is proven"


@dataclass(frozen=True, slots=True)
class TableFiles:
    """What a table says of itself."""

    files: tuple[tuple[str, int], ...]
    """URI and rows of each file of its current snapshot."""
    applied: int
    """The last decision that it holds; -1 for none."""


@dataclass(frozen=True, slots=True)
class GateProgress:
    """How far the audit is, for a progress bar."""

    day: str
    done: int
    days: int


def verify_gate(
    store: ObjectStore,
    pipeline: str,
    dataset: str,
    *,
    table: TableFiles | None = None,
    quick: bool = False,
    progress: Callable[[GateProgress], None] | None = None,
) -> tuple[GateInvariant, ...]:
    """Audit one dataset's gate. Raises only where the store does not answer.

    ``quick`` reads no landed file: those are the lake's own audit's business, and rows are then compared by number.
    """
    findings = Findings(dataset)
    chain = read_chain(store, pipeline, dataset, findings)
    state = chain.state
    audit = DayAudit(store, findings, quick=quick)
    for done, day in enumerate(state.days, start=1):
        audit.day(day, state)
        if progress is not None:
            progress(GateProgress(day, done, len(state.days)))
    audit.old_manifests(chain.decisions, state)
    where = gate_prefix(pipeline, dataset)
    check_places(where, chain.decisions, audit.manifests, state, findings, complete=chain.complete)
    check_landed(store, where, chain.decisions, audit.manifests, state, findings)
    if table is not None:
        check_table(where, store.uri, chain.decisions, table.files, table.applied, findings)
    if state.n < 0 and chain.complete:
        return tuple(GateInvariant(name, Status.NOT_CHECKED, note=_NOTHING) for name in ("G1", "G2", "G3", "G4"))
    return (
        findings.result("G1", _QUICK if quick else ""),
        findings.result("G2"),
        findings.result("G3", _QUICK if quick else ""),
        findings.result("G4", _behind(chain.decisions, table.applied))
        if table is not None
        else GateInvariant("G4", Status.NOT_CHECKED, note=_NO_TABLE),
    )


def _behind(decisions: Mapping[int, Decision], applied: int) -> str:
    waiting = sum(n > applied and bool(decision.publish) for n, decision in decisions.items())
    if waiting == 1:
        return "1 decision is not in the table yet; the next gate puts it there"
    return f"{waiting} decisions are not in the table yet; the next gate puts them there" if waiting else ""
