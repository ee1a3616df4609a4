"""The gate: judge what landed since the last one, decide once what becomes of every row, publish what holds.

The ledger's entry is the commit. What comes after it (the table's snapshot, the report, the lineage event) is a
projection of it: a run that dies before the entry has changed nothing, one that dies after it is finished by the next.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import SystemRandom
from typing import TYPE_CHECKING

from ray_pipeline import __version__
from ray_pipeline.clock import Clock, WallClock
from ray_pipeline.errors import FileCorruptError, RayPipelineError, UsageError
from ray_pipeline.gate.entries import Decision, GateState
from ray_pipeline.gate.lease import Lease, Leases
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.lake.entries import timestamp_text
from ray_pipeline.lake.keys import quote
from ray_pipeline.runtime.failpoints import failpoints
from ray_pipeline.runtime.wiring import load_contracts, open_lake
from ray_pipeline.sla.result import DatasetResult, Disposition, GateReport

from .gate_dataset import GateDataset, gate_datasets
from .gate_decision import Proposal, propose, settle_proposal
from .gate_state import Known, States, read_known, tasks_of
from .lease_keeper import held
from .measure_pass import LOCAL_BYTES, Progress, measure_all
from .publication import Publisher
from .reporting import earlier_result, keep_report
from .telling import Teller, telling

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig
    from ray_pipeline.lake.ports import ObjectStore

LONGEST_RUN_ID = 200
_TAKEN = ("index.html", "index.json")
"""The list of runs lies beside the runs."""
_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
"""Of the gate's clock: it is reckoned with, and a moment beyond the calendar's ends is none."""
ATTEMPTS = 5
"""How often a gate plans anew because a person's release came between."""


@dataclass(frozen=True, slots=True, repr=False)
class GateRunReport(GateReport):
    """What a run found, as a notebook shows it, and as ``print`` does."""

    def __repr__(self) -> str:
        return f"<GateRunReport {self.run_id!r}: {self.outcome.name}, {', '.join(d.dataset for d in self.datasets)}>"

    def __str__(self) -> str:
        from ray_pipeline.report.text import render_text

        return render_text(self)

    def _repr_html_(self) -> str:
        from ray_pipeline.report.notebook import repr_html

        return repr_html(self)


@dataclass
class _Run:
    """What one run carries along."""

    config: PipelineConfig
    store: ObjectStore
    run_id: str
    at: datetime
    clock: Clock
    dry_run: bool
    say: Callable[[str], None]
    passes: Callable[[str], None] = field(default_factory=failpoints)
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[step] = round(self.timings.get(step, 0.0) + time.monotonic() - began, 3)


def run_gate(
    config: PipelineConfig,
    datasets: Sequence[str] = (),
    *,
    at: datetime | None = None,
    run_id: str | None = None,
    dry_run: bool = False,
    ray_address: str | None = None,
    local_bytes: int = LOCAL_BYTES,
    on_message: Callable[[str], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    clock: Clock | None = None,
) -> GateRunReport:
    """Judge and publish some datasets, or all; return what was found.

    ``at`` is the gate's clock (default: now). ``run_id`` makes the run repeatable: what it decided once it does not
    decide again. ``dry_run`` judges and changes nothing. More than ``local_bytes`` of new Parquet are measured by a
    Ray Data job at ``ray_address`` (see ``ray_session``), less in this process.

    Raises ``UsageError``/``ContractError`` before anything is read, ``GateBusyError`` where another gate works on one
    of the datasets, ``StoreUnavailableError`` where the store does not answer; nothing is published by half.
    """
    clock = clock or WallClock()
    started = clock.now()
    for name in datasets:
        config.dataset(name)
    names = tuple(dict.fromkeys(datasets)) or tuple(config.datasets)
    if at is not None and at.tzinfo is None:
        raise UsageError("the gate's clock needs its offset from UTC, as in 2013-02-25T06:00:00Z")
    if at is not None and not _EARLIEST <= at <= _LATEST:
        raise UsageError(f"the gate's clock is between {_EARLIEST:%Y} and {_LATEST:%Y}, not {at.isoformat()}")
    if run_id is not None:
        check_run_id(run_id)
    compiled = gate_datasets(config, load_contracts(config))
    run = _Run(
        config,
        open_lake(config),
        run_id or f"{started:%Y%m%dT%H%M%SZ}-{SystemRandom().getrandbits(32):08x}",
        (at or started).astimezone(UTC),
        clock,
        dry_run,
        on_message or (lambda _sentence: None),
    )
    chosen = {name: compiled[name] for name in names}
    at_text, started_text = timestamp_text(run.at), timestamp_text(started)
    with telling(config, chosen, run.run_id, at_text, started_text, dry_run=dry_run) as teller:
        try:
            results, repeated = _results(run, compiled, names, teller, local_bytes, ray_address, on_progress)
        except BaseException as error:
            teller.failed(error, timestamp_text(clock.now()))
            raise
        report = GateRunReport(
            run_id=run.run_id,
            pipeline=config.pipeline,
            at=at_text,
            started_at=started_text,
            finished_at=timestamp_text(clock.now()),
            datasets=tuple(results[name] for name in names),
            dry_run=dry_run,
            repeated=repeated,
            version=__version__,
            timings=dict(run.timings),
        )
        run.passes("gate_published")
        kept = report if dry_run else keep_report(run.store, config, compiled, report, run.say)
        run.passes("gate_reported")
        return kept


def check_run_id(run_id: str) -> None:
    """Refuse what cannot name a run: it is part of the names of objects."""
    try:
        name = quote(run_id)
    except ValueError:
        name = None
    if not run_id.strip() or name in _TAKEN or name is None or len(name) > LONGEST_RUN_ID:
        how = f"write 1 to {LONGEST_RUN_ID} letters, digits or -_., as nightly-2013-02-25"
        raise UsageError(f"{run_id[:40]!r} cannot name a run: {how}")


def _results(
    run: _Run,
    compiled: Mapping[str, GateDataset],
    names: Sequence[str],
    teller: Teller,
    local_bytes: int,
    ray_address: str | None,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[dict[str, DatasetResult], bool]:
    """Gate every dataset; return what was found, and whether all of it was decided by an earlier try of this run."""
    ledgers = {
        name: GateLedger(run.store, run.config.pipeline, name, clock=run.clock, rng=SystemRandom()) for name in compiled
    }
    publisher = Publisher(run.config, run.store, run.passes)
    with ExitStack() as leases:
        if not run.dry_run:
            for name in sorted(names):  # in one order, so that two gates never wait for each other
                leases.enter_context(_leased(run, ledgers[name]))
            run.passes("gate_leased")
        states = {name: ledgers[name].state() for name in compiled}
        decided = {name: ledgers[name].find_run(run.run_id) for name in names}
        open_names = [name for name in names if decided[name] is None]
        teller.began(open_names)
        with run.timed("read the logs"):
            known = _known(run, compiled, states, open_names)
        with run.timed("measure"):
            _measure(run, known, open_names, local_bytes, ray_address, on_progress)
        run.passes("gate_measured")
        results = {}
        for name in names:
            earlier = decided[name]
            if earlier is None:
                results[name] = _gate_dataset(run, known, name, ledgers[name], publisher)
            else:
                run.say(f"{name}: run {run.run_id} was decided before (entry {earlier.n}); nothing is done again")
                results[name] = _repeated(run, ledgers[name], compiled[name], earlier, publisher)
            teller.ended(name, results[name], timestamp_text(run.clock.now()))
    return results, bool(names) and not open_names


def _known(
    run: _Run, compiled: Mapping[str, GateDataset], states: Mapping[str, GateState], names: Sequence[str]
) -> dict[str, Known]:
    """Read the logs of the datasets, and of the parents that their relationships look into."""
    parents = {parent for name in names for parent in compiled[name].parents.values() if parent is not None}
    return {
        name: read_known(compiled[name], run.store, run.config.pipeline, states[name])
        for name in sorted({*names, *parents})
    }


def _measure(
    run: _Run,
    known: Mapping[str, Known],
    names: Sequence[str],
    local_bytes: int,
    ray_address: str | None,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    """Measure in one pass what no gate measured before; a file that cannot be read is named where its day is judged."""
    tasks = [
        task
        for name, one in known.items()
        for task in tasks_of(one, run.store, {*one.new, *one.state.held} if name in names else ())
    ]
    subjects = {name: one.dataset.subject for name, one in known.items()}
    measure_all(
        run.config,
        run.store,
        subjects,
        tasks,
        local_bytes=local_bytes,
        ray_address=ray_address,
        on_progress=on_progress,
    )


def _gate_dataset(
    run: _Run, known: Mapping[str, Known], name: str, ledger: GateLedger, publisher: Publisher
) -> DatasetResult:
    """Judge one dataset, decide, and project the decision."""
    one = known[name]
    states = States(run.store, run.config.pipeline)
    must_rewrite = publisher.must_rewrite(one.dataset)
    damaged: dict[str, str] = {}
    attempts = 0
    while attempts < ATTEMPTS:
        try:
            with run.timed("judge"):
                proposal = propose({**known, name: one}, name, states, run.at, must_rewrite, damaged)
            refusal = publisher.refusal(ledger, one.dataset)
            if refusal is not None:
                return _undecided(proposal.result, one.state, refusal)
            if run.dry_run:
                return proposal.result
            decision = _decide(run, ledger, one, proposal)
        except FileCorruptError as error:  # since it was measured; its day is judged again, and held
            if error.key in damaged:
                raise
            damaged[error.key] = str(error)
            continue
        attempts += 1
        if decision is not None or proposal.is_empty:
            with run.timed("publish"):
                return publisher.project(ledger, one.dataset, proposal.result, decision)
        # Somebody's entry came between: a release, or another gate that did not ask for the lease.
        if (earlier := ledger.find_run(run.run_id)) is not None:
            return _repeated(run, ledger, one.dataset, earlier, publisher)
        one = read_known(one.dataset, run.store, run.config.pipeline, ledger.state())
    raise GateOvertakenError(name)


def _undecided(result: DatasetResult, state: GateState, refusal: str) -> DatasetResult:
    """Return what was found where nothing is decided: the verdicts, and the books as they are."""
    days = tuple(
        replace(day, disposition=Disposition.INSPECTED, published=0, quarantined=0, held=0, reasons=())
        for day in result.days
    )
    return replace(
        result,
        days=days,
        offsets=(),
        landed=state.landed,
        published=state.published,
        quarantined=state.quarantined,
        held=state.held_rows,
        new_rows=0,
        files_added=0,
        files_rewritten=0,
        released=0,
        refused=0,
        problems=(*result.problems, refusal),
    )


def _decide(run: _Run, ledger: GateLedger, known: Known, proposal: Proposal) -> Decision | None:
    """Write what the proposal needs and append the decision; None where there is nothing to decide, or it lost."""
    if proposal.is_empty:
        return None
    with run.timed("decide"):
        decision = settle_proposal(run.store, run.config, ledger, known, proposal, run.run_id, timestamp_text(run.at))
        run.passes("gate_files_written")
        appended = ledger.append(decision)
        run.passes("gate_decided")
        return decision if appended else None


def _repeated(
    run: _Run, ledger: GateLedger, dataset: GateDataset, decision: Decision, publisher: Publisher
) -> DatasetResult:
    """Finish what an earlier try of this run left to do, and return what it found."""
    found = earlier_result(run.store, decision, dataset.name)
    if run.dry_run:
        return found
    with run.timed("publish"):
        return publisher.caught_up(ledger, dataset, found)


def _leased(run: _Run, ledger: GateLedger) -> AbstractContextManager[Lease]:
    leases = Leases(run.store, run.config.pipeline, ledger.dataset, clock=run.clock, rng=SystemRandom())
    return held(leases, ledger.state().n + 1, f"{socket.gethostname()}:{os.getpid()}", run.run_id, run.say)


class GateOvertakenError(RayPipelineError):
    """Other entries came between at every try."""

    retryable = True

    def __init__(self, dataset: str) -> None:
        super().__init__(dataset)

    def __str__(self) -> str:
        return f"{self.args[0]}: other entries came into the gate's ledger at every try; run the gate again"
