"""What the loop does next. One pure function of what was observed, the policy and the moment; it always answers.

::

    nothing open ── a signal arms ── may it train? ──no── wait, and say why
                                         │yes
                                      trigger → train → judge ─┬─ promote → look (again) ─┬─ keep
                                                  └─ fail      └─ refuse                  └─ roll back

Each decision but the last of a step is done and written down, which changes the state; then it is decided again. A
clock that was set back stands still here: no decision is of an earlier moment than the ledger's last entry.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from ray_pipeline.config.retrain import Arming, RetrainConfig
from ray_pipeline.features.training_spec import moment_text
from ray_pipeline.text import count

from .judge import MIN_DAYS
from .observed import Champion, Observed, Signal
from .records import DAY, day_of, trigger_id
from .state import WEEK, Phase, Run, Watch

ATTEMPTS = 3
"""A training whose step was interrupted so often is given up."""


class Action(StrEnum):
    """What is to be done."""

    WAIT = "wait"
    """Nothing: what there is to say is said already."""
    ARM = "arm"
    DISARM = "disarm"
    HOLD = "hold"
    """Write down why an armed signal does not train."""
    TRIGGER = "trigger"
    TRAIN = "train"
    JUDGE = "judge"
    PROMOTE = "promote"
    REFUSE = "refuse"
    FAIL = "fail"
    LOOK = "look"
    """Compare a promoted version with the one before it."""
    KEEP = "keep"
    ROLL_BACK = "roll_back"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and why."""

    action: Action
    code: str
    """The reason in one word."""
    reason: str
    """… and as a sentence."""
    at_us: int
    """The moment that it is decided for."""
    run: str | None = None
    signal: str | None = None
    champion: int | None = None
    challenger: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the decision as ``--output json`` prints it."""
        found = asdict(self) | {"action": str(self.action), "at": moment_text(self.at_us)}
        del found["at_us"]
        return found


def decide(observed: Observed, policy: RetrainConfig, now_us: int) -> Decision:
    """Say what the loop does next."""
    at = now_us if observed.state.at_us is None else max(now_us, observed.state.at_us)
    case = _Case(observed, policy, at)
    if observed.state.run is not None:
        return case.of_run(observed.state.run)
    if observed.champion is None:
        return case.told(
            Action.WAIT, "no champion", "no version is champion: train one and promote it; the loop replaces champions"
        )
    for found in case.in_order(observed.champion):
        if found is not None:
            return found
    return case.nothing(observed.champion)


def look_level(policy: RetrainConfig) -> float:
    """Return the confidence of each look at a promotion, so that all looks together are as sure as the policy says."""
    return 1 - (1 - policy.level) / looks_planned(policy)


def looks_planned(policy: RetrainConfig) -> int:
    """Return how often a promotion is looked at: once a week, and at the end."""
    return max(1, math.ceil(policy.watch_days * DAY / WEEK))


@dataclass(frozen=True, slots=True)
class _Case:
    observed: Observed
    policy: RetrainConfig
    at: int

    def told(self, action: Action, code: str, reason: str, **more: Any) -> Decision:
        champion = self.observed.champion
        given = {"champion": None if champion is None else champion.version} | more
        return Decision(action, code, reason, self.at, **given)

    # An open run goes on, whatever the signals say by now

    def of_run(self, run: Run) -> Decision:
        more: dict[str, Any] = {"run": run.id, "signal": run.signal, "champion": run.champion}
        if run.phase is Phase.TRIGGERED:
            if run.attempts >= ATTEMPTS:
                said = f"the training was begun {count(run.attempts, 'time')}, and each time the step was interrupted"
                return self.told(Action.FAIL, "interrupted", said, **more)
            return self.told(Action.TRAIN, "triggered", f"run {run.id} has no challenger yet", **more)
        more["challenger"] = run.challenger
        if run.phase is Phase.TRAINED:
            return self.told(Action.JUDGE, "trained", f"version {run.challenger} is to be judged", **more)
        more["evidence"] = {"judgement": run.judgement}
        said = str((run.judgement or {}).get("reason") or "the judgement gives no reason")
        if not run.won:
            return self.told(Action.REFUSE, "no win", said, **more)
        champion = self.observed.champion
        version = None if champion is None else champion.version
        if version not in (run.champion, run.challenger):
            moved = f"version {version} was made champion meanwhile" if version else "there is no champion any more"
            told = f"{moved}, and version {run.challenger} was judged against version {run.champion}"
            return self.told(Action.REFUSE, "champion moved", told, **more)
        return self.told(Action.PROMOTE, "win", said, **more)

    def in_order(self, champion: Champion) -> Iterator[Decision | None]:
        """Yield what there may be to do, the first thing first."""
        yield from (self.of_watch(one, champion) for one in (self.observed.state.watch,) if one is not None)
        armings = tuple(dict.fromkeys(self.policy.arming))
        yield from (self.of_signal(self.signal(name, champion), champion) for name in armings)
        yield self.of_armed(champion)

    # A promotion that is watched

    def of_watch(self, watch: Watch, champion: Champion) -> Decision | None:
        more: dict[str, Any] = {"run": watch.run, "evidence": {"judgement": watch.last}}
        if watch.lost and champion.version in (watch.version, watch.before):
            told = str((watch.last or {}).get("reason") or "the version before did better; the look gives no reason")
            return self.told(Action.ROLL_BACK, "loss", told, **more, challenger=watch.before)
        if champion.version != watch.version:
            told = f"version {champion.version} was made champion while version {watch.version} was watched"
            return self.told(Action.KEEP, "champion moved", told, **more, challenger=watch.version)
        if watch.is_over:
            told = f"version {watch.version} did not lose to version {watch.before} in {self.policy.watch_days:g} days"
            return self.told(Action.KEEP, "no loss", told, **more, challenger=watch.version)
        if self._look_is_due(watch):
            told = f"version {watch.version} is compared with version {watch.before}, the one before it"
            return self.told(Action.LOOK, "due", told, run=watch.run, challenger=watch.version)
        if self.at >= watch.until_us + _us(self.policy.watch_days):
            told = f"too few labelled rows to compare version {watch.version} with the one before; it stays"
            return self.told(Action.KEEP, "too few rows", told, **more, challenger=watch.version)
        return None

    def _look_is_due(self, watch: Watch) -> bool:
        if watch.looked_us is not None and self.at - watch.looked_us < DAY:
            return False  # nothing new can be known, and steps may come by the second
        return self.at >= min(watch.until_us, watch.since_us + WEEK * (watch.looks + 1))

    # Signals arm and disarm

    def signal(self, name: Arming, champion: Champion) -> Signal:
        """Return what a source says; the deadline is known here."""
        if name is not Arming.DEADLINE:
            found = next((one for one in self.observed.signals if one.name is name), None)
            return found or Signal(name)
        known = [one for one in (self.observed.state.decided_us, champion.trained_us) if one is not None]
        if not known:
            return Signal(name)
        due = max(known) + _us(self.policy.deadline_days)
        since, until = moment_text(max(known)), moment_text(due)
        said = f"the last decision, or training, was of {since}; at the latest {until} a challenger is trained"
        return Signal(name, fired=self.at >= due, said=said, facts={"since": since, "due": until})

    def of_signal(self, signal: Signal, champion: Champion) -> Decision | None:
        name = str(signal.name)
        armed = self.observed.state.armed.get(name)
        is_armed = armed is not None and armed.champion == champion.version
        evidence = {"signal": signal.to_json()}
        if not signal.is_known:
            return None  # labels that do not come neither arm nor disarm
        if is_armed:
            if not self._disarms(signal):
                return None
            said = f"{name} is as usual again: {signal.said}"
            return self.told(Action.DISARM, "as usual", said, signal=name, evidence=evidence)
        today = day_of(self.at)
        again = trigger_id(self.observed.model, champion.version, name, today) in self.observed.state.used
        if again or not self._arms(signal) or self.observed.state.answered.get(name) == today:
            return None
        said = f"{name}: {signal.said}"
        return self.told(Action.ARM, "armed", said, signal=name, evidence=evidence)

    def _arms(self, signal: Signal) -> bool:
        if signal.fired is not None:
            return signal.fired
        low = signal.low
        return low is not None and math.isfinite(low) and low > self.policy.arm_loss and signal.days >= MIN_DAYS

    def _disarms(self, signal: Signal) -> bool:
        if signal.fired is not None:
            return not signal.fired
        return signal.excess is not None and signal.excess < self.policy.disarm_loss

    # May what is armed train?

    def of_armed(self, champion: Champion) -> Decision | None:
        armed = {
            name: self.observed.state.armed[name].since_us
            for name in dict.fromkeys(map(str, self.policy.arming))
            if name in self.observed.state.armed and self.observed.state.armed[name].champion == champion.version
        }
        if not armed:
            return None
        name = min(armed, key=lambda one: armed[one])  # of equal ones the policy's first
        run = trigger_id(self.observed.model, champion.version, name, day_of(armed[name]))
        more: dict[str, Any] = {"run": run, "signal": name}
        more["evidence"] = {"armed": {one: moment_text(since) for one, since in armed.items()}} | self._facts()
        against = next(self._against(run), None)
        if against is None:
            seen = self.signal(Arming(name), champion).said
            why = f": {seen}" if seen else ""
            said = f"{name}{why}; armed since {moment_text(armed[name])}, and nothing speaks against a training"
            return self.told(Action.TRIGGER, "armed", said, **more)
        code, why = against
        action = Action.WAIT if self.observed.state.waiting == (run, code) else Action.HOLD
        return self.told(action, code, f"{name} is armed, but {why}", **more)

    def _against(self, run: str) -> Iterator[tuple[str, str]]:
        """Yield what speaks against a training, the gravest first."""
        state, policy, seen = self.observed.state, self.policy, self.observed
        if policy.spec is None:
            yield "no spec", "retrain.spec names no model spec"
        if seen.red:
            yield "gate red", f"the gate is red: {'; '.join(seen.red)}"
        if state.watch is not None:
            until = moment_text(state.watch.until_us)
            yield "watching", f"version {state.watch.version} was promoted and is watched until {until}"
        if run in state.used:
            yield "used", f"run {run} was already"
        last, cooldown = state.last_start_us, _us(policy.cooldown_days)
        if last is not None and self.at - last < cooldown:
            yield (
                "cooldown",
                f"the last training began at {moment_text(last)}; none until {moment_text(last + cooldown)}",
            )
        begun = sum(one > self.at - WEEK for one in state.starts)
        if begun >= policy.weekly_budget:
            spent = f"{count(begun, 'training')} in the last seven days, of {policy.weekly_budget}"
            yield "budget", f"the budget is spent: {spent}"
        if seen.new_labels is None:
            yield "labels", "new labels cannot be counted"
        elif seen.new_labels < policy.min_new_labels:
            yield (
                "labels",
                f"there are {count(seen.new_labels, 'new label')}, and {policy.min_new_labels:,} are asked for",
            )
        held_back = _us(policy.judge_days + policy.calibrate_days)
        if seen.first_us is not None and self.at - held_back <= seen.first_us:
            asked = f"{policy.judge_days:g} days to judge and {policy.calibrate_days:g} to calibrate"
            yield "history", f"data begins at {moment_text(seen.first_us)}, and {asked} leave nothing to fit"

    def nothing(self, champion: Champion) -> Decision:
        """Say that nothing is armed, and what the signals are."""
        watch = self.observed.state.watch
        watched = f"; it is watched until {moment_text(watch.until_us)}" if watch is not None else ""
        said = f"no signal is armed; version {champion.version} stays champion{watched}"
        return self.told(Action.WAIT, "nothing armed", said, evidence=self._facts())

    def _facts(self) -> dict[str, Any]:
        seen = self.observed
        return {
            "signals": [one.to_json() for one in seen.signals],
            "new_labels": seen.new_labels,
            "gate": list(seen.red),
        }


def _us(days: float) -> int:
    return round(days * DAY)
