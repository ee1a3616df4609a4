"""What people let through: held days, and quarantined rows. A command appends an entry, the next gate acts on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.errors import CommitUnknownError, FileCorruptError, UsageError
from ray_pipeline.lake.entries import DataFile
from ray_pipeline.lake.landing import keep_contract
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.schema_union import conform, unite
from ray_pipeline.lake.verify_contracts import ContractShelf
from ray_pipeline.lake.verify_rows import judge_rows
from ray_pipeline.sla.measure import Array

from .entries import GateState, ReleaseHeld, ReleaseQuarantine, Selection
from .ledger import GateLedger
from .quarantine import OURS, Found, find_rows

ATTEMPTS = 32
_NONE = np.empty(0, np.int64)
Recheck = Callable[[str, pa.Table], Mapping[str, Array]]
"""Day and landed rows → check id → the numbers of those that still break it."""


def release_held(ledger: GateLedger, day: str, reason: str, allowed_by: str) -> ReleaseHeld:
    """Let through what is held of a day; the next gate publishes it. Rows that land later are judged."""
    reason = _sentence(reason)
    for _ in range(ATTEMPTS):
        state = ledger.state()
        if day not in state.held:
            held = ", ".join(state.held) or "none"
            raise UsageError(
                f"{day} of {ledger.dataset} is not held, so there is nothing to release; held days: {held}"
            )
        for pending in state.pending_held:
            if pending.day == day:
                raise UsageError(f"{pending.allowed_by} released {day} already; the next gate publishes it")
        entry = ReleaseHeld(state.n + 1, ledger.nonce(), ledger.written_at(), day, reason, allowed_by)
        if ledger.append(entry):
            return entry
    raise CommitUnknownError(str(ledger), ledger.state().n + 1)


def release_quarantine(
    ledger: GateLedger, selection: Selection, reason: str, allowed_by: str, *, waive: bool = False
) -> ReleaseQuarantine:
    """Have quarantined rows judged again; the next gate publishes those that hold, or all of them with ``waive``."""
    reason = _sentence(reason)
    if selection.day is None and selection.check is None and not selection.offsets:
        raise UsageError("say which rows to release: a day, a check, or offsets")
    for _ in range(ATTEMPTS):
        state = ledger.state()
        if next(find_rows(ledger.store, state, selection), None) is None:
            raise UsageError(f"no quarantined row of {ledger.dataset} is {_words(selection)}; see `quarantine list`")
        entry = ReleaseQuarantine(
            state.n + 1, ledger.nonce(), ledger.written_at(), selection, reason, allowed_by, waive
        )
        if ledger.append(entry):
            return entry
    raise CommitUnknownError(str(ledger), ledger.state().n + 1)


@dataclass(frozen=True, slots=True, eq=False)
class ReleasedRows:
    """Rows of one quarantine file that are let through."""

    day: str
    landed: DataFile
    file: DataFile
    """The quarantine file."""
    positions: Array
    """Row numbers in it, ascending."""


@dataclass(frozen=True, slots=True, eq=False)
class QuarantineRelease:
    """What a gate does about one pending release."""

    n: int
    """Of the release."""
    chosen: int
    """Rows that the selection means."""
    files: tuple[ReleasedRows, ...]

    @property
    def released(self) -> int:
        """Rows that hold now, or are waived; the others stay where they are."""
        return sum(len(found.positions) for found in self.files)


def plan_release(
    store: ObjectStore,
    pipeline: str,
    topic: str,
    state: GateState,
    release: ReleaseQuarantine,
    contract: DataContract,
    recheck: Recheck,
    others: Sequence[QuarantineRelease] = (),
) -> QuarantineRelease:
    """Judge the chosen rows again, against the contract as it is now and its checks on rows; return those that hold.

    Rows that ``others`` release already are not released again.
    """
    taken = _positions(others)
    judge = None if release.waive else _judge(store, pipeline, topic, contract)
    chosen, files = 0, []
    for found in find_rows(store, state, release.selection):
        chosen += len(found.positions)
        positions = found.positions
        if judge is not None:
            positions = positions[_holds(found, judge, recheck)]
        positions = np.setdiff1d(positions, taken.get(found.file.key, _NONE), assume_unique=True)
        if len(positions):
            files.append(ReleasedRows(found.day, found.fate.file, found.file, positions))
    return QuarantineRelease(release.n, chosen, tuple(files))


def _positions(releases: Sequence[QuarantineRelease]) -> dict[str, Array]:
    taken: dict[str, Array] = {}
    for found in (found for release in releases for found in release.files):
        taken[found.file.key] = np.union1d(taken.get(found.file.key, _NONE), found.positions)
    return taken


def _judge(store: ObjectStore, pipeline: str, topic: str, contract: DataContract) -> DataContract:
    """Return the contract as rows can be judged with it: without what Parquet does not keep of a record."""
    keep_contract(store, pipeline, contract)
    shelved = ContractShelf(store, pipeline, {topic: contract.dataset}).get(contract.ref, topic)
    return shelved.rows or contract


def _holds(found: Found, contract: DataContract, recheck: Recheck) -> Array:
    """Return, for each of the rows, whether nothing speaks against it any more."""
    rows = found.rows.drop_columns(list(OURS))
    holds = np.ones(rows.num_rows, bool)
    try:
        schema = unite(contract.landing_schema, rows.schema, found.file.key)
        fitting = conform(rows, schema)
    except (pa.ArrowException, FileCorruptError):  # the contract has another type there now
        return np.zeros(rows.num_rows, bool)
    for verdict in judge_rows(fitting, contract):
        holds[verdict.row] = False
    for positions in recheck(found.day, rows).values():
        holds[np.asarray(positions, np.int64)] = False
    return holds


def _sentence(reason: str) -> str:
    if not reason.strip():
        raise UsageError("say why: a release without a reason cannot be explained later")
    return reason.strip()


def _words(selection: Selection) -> str:
    said = [f"of {selection.day}"] if selection.day else []
    said += [f"set aside by check {selection.check}"] if selection.check else []
    said += [f"at {', '.join(f'{s.partition}:{s.start}-{s.end - 1}' for s in selection.offsets)}"] * bool(
        selection.offsets
    )
    return " and ".join(said)
