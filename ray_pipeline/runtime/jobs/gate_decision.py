"""What a gate finds about one dataset, and what it proposes to do about each row. It writes nothing but states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ray_pipeline.errors import FileCorruptError
from ray_pipeline.gate.entries import Decision, GateState, Series, VerdictSummary
from ray_pipeline.gate.keys import result_key
from ray_pipeline.gate.ledger import GateLedger
from ray_pipeline.gate.plan import Action, DayPlan, plan_day
from ray_pipeline.gate.release import QuarantineRelease, plan_release
from ray_pipeline.gate.settle import Judged, settle
from ray_pipeline.lake.entries import DataFile, timestamp_text
from ray_pipeline.lake.ports import ObjectStore
from ray_pipeline.sla.result import (
    CheckResult,
    ColumnProfile,
    DatasetResult,
    DayResult,
    Disposition,
    GateReport,
    OffsetRange,
    Verdict,
)

from .day_views import (
    DayOutcome,
    dataset_view,
    earlier_partials,
    judge_day,
    published_days,
    readable_states,
)
from .gate_sql import sql_values
from .gate_state import FileUnreadableError, Known, States
from .key_findings import Recheck, find_keys, rechecker
from .released_keys import without_repeats
from .reporting import write_result

if TYPE_CHECKING:
    from ray_pipeline.config import PipelineConfig

SHOWN_HISTORY = 60
SET_ASIDE = " They are set aside."


@dataclass(frozen=True, slots=True)
class Proposal:
    """Everything that a decision needs, and what the report says of it."""

    result: DatasetResult
    plans: tuple[DayPlan, ...]
    releases: tuple[QuarantineRelease, ...]
    published_days: Mapping[str, tuple[int, int]]
    history: Mapping[str, Series]
    is_empty: bool
    """Nothing came, nothing changed: there is nothing to decide."""


def propose(
    known: Mapping[str, Known],
    name: str,
    states: States,
    at: datetime,
    must_rewrite: Callable[[DataFile], bool] = lambda _: False,
    damaged: Mapping[str, str] | None = None,
) -> Proposal:
    """Judge every day with new or held rows, and plan what becomes of them.

    ``damaged``: files that were measured once and cannot be read any more, and why.
    """
    one = known[name]
    plan = one.dataset.plan
    groups = states.groups(one)
    days = sorted({*one.new, *one.state.held})
    new_published = published_days(one, states, groups)
    published = {day: _plus(one.state.published_days, new_published, day) for day in days}
    keys = find_keys(known, name, states, days, at)
    history: dict[str, Series] = dict(one.state.history)
    remembered: dict[str, Series] = {}
    outcomes: dict[str, DayOutcome] = {}
    for day in days:
        parts, unreadable = readable_states(one, states, day, groups)
        unreadable |= {key: why for key, why in (damaged or {}).items() if key in {f.key for f in one.landed_of(day)}}
        outcome = judge_day(
            one,
            day,
            at,
            parts,
            unreadable,
            keys=keys.get(day, {}),
            sql=sql_values(one, day, unreadable),
            earlier=earlier_partials(one, states, groups, day, outcomes),
            published=published,
            history=history,
        )
        outcomes[day] = outcome
        for result in outcome.results:
            if result.value is not None:
                history[result.check] = _with(history.get(result.check, ()), day, result.value)
                remembered[result.check] = _with(remembered.get(result.check, ()), day, result.value)
    whole = dataset_view(one, at, history)
    checks = tuple(check.judge(whole) for check in plan.dataset_checks)
    for result in checks:
        if result.value is not None:
            remembered[result.check] = ((timestamp_text(at), result.value),)
    released = {release.day for release in one.state.pending_held}
    plans = tuple(
        plan_day(
            outcome.day,
            [file.file for file in one.new.get(outcome.day, ())],
            one.state.held.get(outcome.day, ()),
            outcome.results,
            outcome.flagged,
            # Of a day that is known in part nobody can say which rows to set aside: its release waits too.
            outcome.day in released and not outcome.unreadable,
            must_rewrite=must_rewrite,
            unreadable=outcome.unreadable,
        )
        for outcome in outcomes.values()
    )
    releases, problems = _releases(known, name, states, plans, at)
    found = _result(one, list(outcomes.values()), plans, releases, checks, _profile(one, states))
    return Proposal(
        replace(found, problems=problems),
        plans,
        releases,
        new_published,
        remembered,
        _is_empty(one, plans, releases),
    )


def settle_proposal(
    store: ObjectStore,
    config: PipelineConfig,
    ledger: GateLedger,
    known: Known,
    proposal: Proposal,
    run_id: str,
    at: str,
) -> Decision:
    """Write the files that the proposal means, and return the decision that makes them count once it is appended."""
    nonce = ledger.nonce()
    n = known.state.n + 1
    dataset = known.dataset
    verdict = summary_of(proposal.result)
    key = result_key(config.pipeline, dataset.name, n, nonce)
    write_result(store, key, config.pipeline, run_id, at, replace(proposal.result, decision=n))
    judged = Judged(
        run_id=run_id,
        nonce=nonce,
        at=at,
        written_at=ledger.written_at(),
        contract=dataset.contract.ref,
        offsets=known.ranges(),
        verdict=verdict,
        results=key,
        published_days=proposal.published_days,
        history=proposal.history,
    )
    return settle(store, config.pipeline, dataset.name, known.state, judged, proposal.plans, proposal.releases)


def summary_of(result: DatasetResult) -> VerdictSummary:
    """Return the verdict in short: the exit code that this dataset alone would give, and what broke."""
    alone = GateReport("", "", "", "", "", (result,))
    found = [*result.checks, *(check for day in result.days for check in day.checks)]
    unknown = {one.check for one in found if one.severity == "error" and one.verdict is Verdict.UNKNOWN}
    return VerdictSummary(
        int(alone.outcome), tuple(sorted({one.check for one in found if one.broken})), tuple(sorted(unknown))
    )


def _releases(
    known: Mapping[str, Known], name: str, states: States, plans: Sequence[DayPlan], at: datetime
) -> tuple[tuple[QuarantineRelease, ...], tuple[str, ...]]:
    """Return what to do about each pending release, and why some have to wait: a file cannot be read."""
    one = known[name]
    if not one.state.pending_quarantine:
        return (), ()
    recheck: Recheck = rechecker(known, name, states, at)
    topic, contract = one.dataset.topic, one.dataset.contract
    found: list[QuarantineRelease] = []
    problems: list[str] = []
    for release in one.state.pending_quarantine:
        try:
            found.append(plan_release(one.store, one.pipeline, topic, one.state, release, contract, recheck, found))
        except (FileCorruptError, FileUnreadableError) as error:
            problems.append(f"the release of entry {release.n} waits: {error}; restore the file from a copy")
    return without_repeats(one, states, plans, found), tuple(problems)


def _result(
    known: Known,
    outcomes: Sequence[DayOutcome],
    plans: Sequence[DayPlan],
    releases: Sequence[QuarantineRelease],
    checks: tuple[CheckResult, ...],
    profile: tuple[ColumnProfile, ...],
) -> DatasetResult:
    """Return what the report says: what is found, and what the books say once the proposal is decided."""
    dataset, state = known.dataset, known.state
    days = tuple(
        DayResult(
            day=outcome.day,
            disposition=plan.disposition,
            rows=outcome.rows,
            new_rows=outcome.new_rows,
            published=plan.published,
            quarantined=plan.quarantined,
            held=plan.held,
            reasons=plan.reasons,
            complete=outcome.view.complete,
            checks=tuple(
                _with_history(_waived(result, plan, state), state.history if i == 0 else {})
                for result in outcome.results
            ),
        )
        for i, (outcome, plan) in enumerate(zip(outcomes, plans, strict=True))
    )
    new = sum(plan.new for plan in plans)
    released = sum(release.released for release in releases)
    files = [file for plan in plans for file in plan.files]
    return DatasetResult(
        dataset=dataset.name,
        topic=dataset.topic,
        contract=dataset.contract.ref,
        contract_file=dataset.contract.file,
        support=dataset.expectations.support,
        days=days,
        checks=tuple(_with_history(result, state.history) for result in checks),
        not_judged=dataset.plan.not_judged,
        profile=profile,
        offsets=tuple(OffsetRange(span.log.partition, span.start, span.end) for span in known.ranges()),
        landed=state.landed + new,
        published=state.published + sum(plan.published for plan in plans) + released,
        quarantined=state.quarantined + sum(plan.quarantined for plan in plans) - released,
        held=sum(plan.held for plan in plans),
        new_rows=new,
        files_added=sum(file.action is Action.AS_IS for file in files),
        files_rewritten=sum(file.action is Action.REWRITE for file in files) + sum(bool(r.files) for r in releases),
        released=released,
        refused=sum(release.chosen for release in releases) - released,
    )


def _waived(result: CheckResult, plan: DayPlan, state: GateState) -> CheckResult:
    """Say who let a day through whose check broke; a check on rows sets them aside all the same.

    What a check on rows would set aside is not, while its whole day is held: then it says that.
    """
    if plan.held and result.detail.endswith(SET_ASIDE):
        result = replace(result, detail=f"{result.detail.removesuffix(SET_ASIDE)} They are held with their day.")
    release = next((one for one in state.pending_held if one.day == plan.day), None)
    held_back = plan.disposition in (Disposition.HELD, Disposition.PENDING)
    sets_aside = result.scope == "row" and result.breach == "quarantine" and result.verdict is Verdict.FAILED
    if release is None or held_back or sets_aside or result.verdict is Verdict.PASSED:
        return result
    told = f"{release.allowed_by}: {release.reason}"
    return replace(result, waived=told, detail=f"{result.detail} Let through all the same by {told}".strip())


def _with_history(result: CheckResult, history: Mapping[str, Series]) -> CheckResult:
    before = [pair for pair in history.get(result.check, ()) if result.day is None or pair[0] < result.day]
    return replace(result, history=tuple(before[-SHOWN_HISTORY:]))


def _profile(known: Known, states: States) -> tuple[ColumnProfile, ...]:
    """Return what the new rows look like."""
    measure = known.dataset.profile
    total: Any = measure.zero()
    for group in states.groups(known):
        if any(one.id == measure.id for one in group.measures):
            for new in known.landed.files:
                try:
                    total = total.merge(states.get(known, new.file, group)[measure.id])
                except FileUnreadableError:  # its day says so
                    continue
    found: tuple[ColumnProfile, ...] = total.value()
    return found


def _is_empty(known: Known, plans: Sequence[DayPlan], releases: Sequence[QuarantineRelease]) -> bool:
    if known.landed.files or known.landed.bad_files or releases:
        return False
    for plan in plans:
        manifest = known.manifests[plan.day]
        moved = any(file.action is not Action.HOLD for file in plan.files)
        if moved or (plan.disposition, plan.reasons) != (manifest.disposition, manifest.reasons):
            return False
    return True


def _plus(one: Mapping[str, tuple[int, int]], other: Mapping[str, tuple[int, int]], day: str) -> tuple[int, int]:
    a, b = one.get(day, (0, 0)), other.get(day, (0, 0))
    return a[0] + b[0], a[1] + b[1]


def _with(series: Series, name: str, value: float) -> Series:
    return tuple(sorted({**dict(series), name: value}.items()))
