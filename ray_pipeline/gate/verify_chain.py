"""G2: the entries of a ledger, read from the first to the last and folded again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from ray_pipeline.errors import LogBrokenError
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.read_ahead import read_ahead

from .entries import Decision, GateEntry, GateState, decode, encode
from .fold import fold
from .keys import checkpoint_key, entry_key, entry_number, gate_prefix, run_key
from .verify_report import Findings


@dataclass(slots=True)
class Chain:
    """What could be read of a ledger."""

    state: GateState = field(default_factory=GateState)
    """After the newest entry that can be read."""
    decisions: dict[int, Decision] = field(default_factory=dict)
    complete: bool = True
    """Every entry was read."""


def read_chain(store: ObjectStore, pipeline: str, dataset: str, findings: Findings) -> Chain:
    """Read and check every entry; go on behind a breach."""
    chain, folded, sound = Chain(), GateState(), True
    folder = gate_prefix(pipeline, dataset)
    numbers = _numbers(store, folder)
    told = _told(store, pipeline, dataset)
    last = max([*numbers, *told], default=-1)
    keys = [entry_key(pipeline, dataset, n) for n in range(last + 1)]
    for n, (key, data) in enumerate(read_ahead(store, keys)):
        found = _entry(data, n, key, told.get(n), findings)
        if found is None:
            sound = chain.complete = False
            continue
        entry, stored = found
        if sound:
            folded, sound = _folded(folded, entry, stored, key, folder, findings)
        else:
            folded = stored
        if isinstance(entry, Decision):
            chain.decisions[n] = entry
            _check_run(store, pipeline, dataset, entry, findings)
        chain.state = stored
    return chain


def _numbers(store: ObjectStore, folder: str) -> list[int]:
    """Return the numbers of the entries there are; a listing shows those behind a hole too."""
    numbers = []
    for key in store.list(folder):
        n = entry_number(key)
        if n is not None and key.rsplit("/", 1)[0] == folder:
            numbers.append(n)
    return numbers


def _told(store: ObjectStore, pipeline: str, dataset: str) -> dict[int, str]:
    """Return the entries that the projections tell of, and which projection does: an end that was cut off shows so."""
    keys = [checkpoint_key(pipeline, dataset), *store.list(f"{gate_prefix(pipeline, dataset)}/runs")]
    told = {}
    for key, data in read_ahead(store, keys):
        try:
            n = json.loads(data)["n"] if data is not None else None
        except (ValueError, KeyError, TypeError):
            n = None
        if isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 10**12:
            told[n] = key
    return told


def _entry(
    data: bytes | None, n: int, key: str, told_by: str | None, findings: Findings
) -> tuple[GateEntry, GateState] | None:
    if data is None:
        by = told_by or "a later entry"
        findings.broken("G2", key, key, f"is missing, though {by} is there")
        return None
    try:
        entry, state = decode(data)
    except (ValueError, KeyError, TypeError) as error:
        findings.broken("G2", key, key, f"cannot be read ({error})")
        return None
    if entry.n != n or state.n != n:
        findings.broken("G2", key, key, f"says that it is entry {entry.n}")
        return None
    return entry, state


def _folded(
    before: GateState, entry: GateEntry, stored: GateState, key: str, folder: str, findings: Findings
) -> tuple[GateState, bool]:
    try:
        after = fold(before, entry, folder)
    except LogBrokenError as error:
        findings.broken("G2", key, key, error.reason)
        return stored, False
    if encode(entry, after) != encode(entry, stored):
        findings.broken("G2", key, key, "the state in it is not what the entries up to it add up to")
        return stored, False
    return after, True


def _check_run(store: ObjectStore, pipeline: str, dataset: str, decision: Decision, findings: Findings) -> None:
    """A run that is found elsewhere than where it was decided would be decided twice, or never."""
    key = run_key(pipeline, dataset, decision.run_id)
    data = store.get(key)
    try:
        n = decision.n if data is None else json.loads(data)["n"]
    except (ValueError, KeyError, TypeError):
        n = None
    if n != decision.n:
        findings.broken("G2", key, key, f"does not say that run {decision.run_id!r} was decided by entry {decision.n}")
