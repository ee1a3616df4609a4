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
    chain = Chain()
    before: GateState | None = GateState()
    folder = gate_prefix(pipeline, dataset)
    numbers = _numbers(store, folder)
    expected = 0
    contents = read_ahead(store, [entry_key(pipeline, dataset, n) for n in numbers])
    for n, (key, data) in zip(numbers, contents, strict=True):
        if n != expected:
            missing = entry_key(pipeline, dataset, expected)
            findings.broken("G2", missing, missing, "is missing, though a later entry is there")
            before, chain.complete = None, False
        expected = n + 1
        found = _entry(data, n, key, findings)
        if found is None:
            before, chain.complete = None, False
            continue
        entry, chain.state = found
        if before is not None:
            _check_fold(before, entry, chain.state, key, folder, findings)
        before = chain.state
        if isinstance(entry, Decision):
            chain.decisions[n] = entry
            _check_run(store, pipeline, dataset, entry, findings)
    _check_index(store, pipeline, dataset, chain, expected, findings)
    return chain


def _numbers(store: ObjectStore, folder: str) -> list[int]:
    """Return the numbers of the entries there are; a listing shows those behind a hole too."""
    numbers = []
    for key in store.list(folder):
        n = entry_number(key)
        if n is not None and key.rsplit("/", 1)[0] == folder:
            numbers.append(n)
    return numbers


def _entry(data: bytes | None, n: int, key: str, findings: Findings) -> tuple[GateEntry, GateState] | None:
    try:
        entry, state = decode(data or b"")
    except (ValueError, KeyError, TypeError) as error:
        findings.broken("G2", key, key, f"cannot be read ({error})")
        return None
    if entry.n != n or state.n != n:
        findings.broken("G2", key, key, f"says that it is entry {entry.n}")
        return None
    return entry, state


def _check_fold(
    before: GateState, entry: GateEntry, stored: GateState, key: str, folder: str, findings: Findings
) -> None:
    try:
        after = fold(before, entry, folder)
    except LogBrokenError as error:
        findings.broken("G2", key, key, error.reason)
        return
    if encode(entry, after) != encode(entry, stored):
        findings.broken("G2", key, key, "the state in it is not what the entries up to it add up to")


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


def _check_index(
    store: ObjectStore, pipeline: str, dataset: str, chain: Chain, length: int, findings: Findings
) -> None:
    """Compare the projections with the entries: an end that was cut off shows here, and nowhere else."""
    folder = f"{gate_prefix(pipeline, dataset)}/runs"
    for key, data in read_ahead(store, [checkpoint_key(pipeline, dataset), *store.list(folder)]):
        n = _number(data)
        decision = chain.decisions.get(n)
        if n >= length:
            missing = entry_key(pipeline, dataset, n)
            findings.broken("G2", missing, missing, f"is missing, though {key} tells of it")
        elif key.startswith(folder) and decision is not None and run_key(pipeline, dataset, decision.run_id) != key:
            findings.broken("G2", key, key, f"tells of entry {n}, which decided run {decision.run_id!r}")


def _number(data: bytes | None) -> int:
    try:
        n = json.loads(data)["n"] if data is not None else -1
    except (ValueError, KeyError, TypeError):
        return -1
    return n if isinstance(n, int) and not isinstance(n, bool) else -1
