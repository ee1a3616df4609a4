"""A small lake that really landed, and a gate as the job runs it, with verdicts that a test gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from ray_pipeline.gate.entries import DayDecision, Decision, GateState, LogRange, VerdictSummary
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.gate.manifest import read_manifests
from ray_pipeline.gate.plan import plan_day
from ray_pipeline.gate.release import QuarantineRelease, plan_release
from ray_pipeline.gate.settle import Judged, settle
from ray_pipeline.lake.entries import Data, DataFile
from ray_pipeline.lake.history import read_history
from ray_pipeline.lake.keys import LogId
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.lake.safe_parquet import open_verified
from ray_pipeline.lake.topics import find_logs
from ray_pipeline.sla.measure import Array
from ray_pipeline.sla.result import CheckResult, Disposition, Scope, Verdict
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.store import MemoryStore
from ray_pipeline.types import ContractRef
from tests.unit.lake_verify.lakes import Writer, contract_of, order

PIPELINE, TOPIC = "shop", "orders"
DAYS = ("2013-01-01", "2013-01-02")
CONTRACT = contract_of()


def result(
    check: str, verdict: Verdict = Verdict.FAILED, *, scope: Scope = "day", day: str = DAYS[0], **changes: Any
) -> CheckResult:
    made = CheckResult(check, check.title(), "test", scope, "error", verdict, day=day)
    return replace(made, **({"breach": "quarantine"} if scope == "row" else {}) | changes)


LOG = LogId(PIPELINE, TOPIC, "c1", "t1", 0)
REF = ContractRef("orders", "1.0.0", "d" * 64)


def span(first: int, n: int, start: int, end: int, rows: int, **changes: Any) -> LogRange:
    return replace(LogRange(LOG, first, n, start, end, rows), **changes)


def day_decision(new: int = 0, published: int = 0, quarantined: int = 0, held: int = 0, **changes: Any) -> DayDecision:
    made = DayDecision(DAYS[0], Disposition.PUBLISHED, new, published, quarantined, held, 0, "manifest", "0" * 64)
    return replace(made, **changes)


def decision(n: int, **changes: Any) -> Decision:
    """A decision about nothing, which a test changes."""
    made = Decision(
        n=n,
        run_id=f"run-{n}",
        nonce=f"nonce-{n}",
        written_at="2013-01-02T00:00:00.000000Z",
        at="2013-01-02T00:00:00.000000Z",
        contract=REF,
        offsets=(),
        days=(),
        publish=(),
        quarantine=(),
        replaced=(),
        carried_out=(),
        verdict=VerdictSummary(0),
        results="",
    )
    return replace(made, **changes)


def data_file(key: str, rows: int = 10, day: str = DAYS[0]) -> DataFile:
    return DataFile(key, rows, rows * 10, "0" * 64, day)


def odd_rows(table: pa.Table, divisor: int) -> Array:
    """Rows whose quantity the divisor divides: what a test's row check flags."""
    return np.flatnonzero(table.column("qty").to_numpy() % divisor == 0).astype(np.int64)


@dataclass
class Verdicts:
    """What a test wants the gate to find; ``rows`` are row checks: id → divisor of ``odd_rows``."""

    day: Callable[[str], Sequence[CheckResult]] = lambda _: ()
    rows: Mapping[str, int] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.rows = self.rows or {}


class World:
    """A lake with two partitions and its gate."""

    def __init__(self, store: MemoryStore | None = None, seed: int = 0) -> None:
        self.store = store or MemoryStore()
        self.clock = FrozenClock()
        self._rng = Random(seed)
        self.writers = [Writer(self.store, partition).claim() for partition in (0, 1)]

    def land(self, rows: int, partition: int = 0, **changes: Any) -> None:
        """Commit this many rows; every third is of the second day."""
        writer = self.writers[partition]
        start = writer.log.tail.end
        writer.commit(start + rows, {offset: order(offset, **changes) for offset in range(start, start + rows)})

    def copy(self) -> World:
        """Return the same lake again, for another fate; only gates run on it."""
        twin = World.__new__(World)
        twin.store, twin.clock, twin._rng, twin.writers = MemoryStore(), FrozenClock(), Random(1), []
        twin.store.objects = dict(self.store.objects)
        return twin

    def ledger(self, store: ObjectStore | None = None) -> GateLedger:
        """Return the ledger as a process of its own sees it."""
        rng = Random(self._rng.getrandbits(64))
        return GateLedger(store or self.store, PIPELINE, TOPIC, clock=self.clock, rng=rng)

    def gate(
        self, run_id: str, verdicts: Verdicts | None = None, *, store: ObjectStore | None = None, **options: Any
    ) -> Decision:
        """Run a gate to its decision, planning anew as often as somebody else was quicker."""
        where = store or self.store
        ledger = self.ledger(where)
        for _ in range(20):
            state = ledger.state()
            found = ledger.find_run(run_id)
            if found is not None:
                return found
            decision = self.decide(ledger, state, run_id, verdicts or Verdicts(), where, **options)
            if ledger.append(decision):
                return decision
        raise AssertionError("never the first of twenty")

    def decide(
        self,
        ledger: GateLedger,
        state: GateState,
        run_id: str,
        verdicts: Verdicts,
        store: ObjectStore,
        *,
        schema: pa.Schema | None = None,
        must_rewrite: Callable[[DataFile], bool] = lambda _: False,
    ) -> Decision:
        ranges, new = landed_since(store, state)
        plans = []
        released = {release.day for release in state.pending_held}
        for day in sorted({*new, *state.held}):
            files = (*state.held.get(day, ()), *new.get(day, ()))
            flagged = {
                check: {file.key: flags(store, file, by) for file in files} for check, by in verdicts.rows.items()
            }
            results = [*verdicts.day(day), *(result(check, scope="row", day=day) for check in verdicts.rows)]
            plan = plan_day(
                day, new.get(day, ()), state.held.get(day, ()), results, flagged, day in released,
                must_rewrite=must_rewrite,
            )  # fmt: skip
            plans.append(plan)
        releases: list[QuarantineRelease] = []
        for release in state.pending_quarantine:

            def recheck(_: str, rows: pa.Table) -> dict[str, Any]:
                return rechecked(rows, verdicts)

            releases.append(plan_release(store, PIPELINE, TOPIC, state, release, CONTRACT, recheck, releases))
        judged = Judged(
            run_id=run_id,
            nonce=ledger.nonce(),
            at=ledger.written_at(),
            written_at=ledger.written_at(),
            contract=CONTRACT.ref,
            offsets=ranges,
            verdict=VerdictSummary(0),
            results="",
        )
        return settle(store, PIPELINE, TOPIC, state, judged, plans, releases, schema=schema)


def landed_since(store: ObjectStore, state: GateState) -> tuple[tuple[LogRange, ...], dict[str, list[DataFile]]]:
    """Return what of each log is new, and its files by day."""
    ranges, new = [], {}  # type: ignore[var-annotated]
    for log in find_logs(store, PIPELINE, TOPIC):
        before = state.position(log)
        first = 0 if before is None else before.n + 1
        start, end, rows, n = (None if before is None else before.end), 0, 0, -1
        times: list[str] = []
        for n, entry in read_history(store, log, first=first):  # noqa: B007
            start = getattr(entry, "start", start) if start is None else start
            if isinstance(entry, Data):
                rows += entry.good
                end = entry.end
                times += [moment for moment in (entry.event_time_min, entry.event_time_max) if moment]
                for file in entry.files:
                    new.setdefault(file.day, []).append(file)
        if n >= first:
            start = start or 0
            span = LogRange(
                log, first, n, start, max(end, start), rows, min(times, default=None), max(times, default=None)
            )
            ranges.append(span)
    return tuple(ranges), new


def flags(store: ObjectStore, file: DataFile, divisor: int) -> Array:
    return odd_rows(open_verified(store.get(file.key), file).read(), divisor)


def rechecked(rows: pa.Table, verdicts: Verdicts) -> dict[str, Array]:
    return {check: odd_rows(rows, divisor) for check, divisor in verdicts.rows.items()}


def rows_in(store: ObjectStore, files: Sequence[DataFile]) -> list[tuple[int, int]]:
    """Return partition and offset of every row in the files."""
    found: list[tuple[int, int]] = []
    for file in files:
        table = open_verified(store.get(file.key), file).read()
        found += zip(table["_partition"].to_pylist(), table["_offset"].to_pylist(), strict=True)
    return sorted(found)


def places(store: ObjectStore, state: GateState) -> dict[str, list[tuple[int, int]]]:
    """Return where every row is, by what the newest manifests say."""
    manifests = list(read_manifests(store, state))
    fates = [fate for manifest in manifests for fate in manifest.files]
    return {
        "landed": rows_in(store, [fate.file for fate in fates]),
        "published": rows_in(store, [file for manifest in manifests for file in manifest.published_files()]),
        "quarantined": rows_in(store, [fate.quarantined for fate in fates if fate.quarantined]),
        "held": rows_in(store, [file for files in state.held.values() for file in files]),
    }
