"""What is decided, case by case."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from ray_pipeline.config.retrain import Arming
from ray_pipeline.retrain.decide import ATTEMPTS, Action, decide, look_level, looks_planned
from ray_pipeline.retrain.observed import Champion, Observed, Signal
from ray_pipeline.retrain.records import DAY, day_of, trigger_id
from ray_pipeline.retrain.state import Armed, LoopState, Phase, Run, Watch
from tests.unit.retrain.worlds import BAD, FEW, FINE, LOST, MODEL, POLICY, START, WON, at, loss, policy

CHAMPION = Champion(1, START - 30 * DAY)
ARMED = LoopState(armed={"labels": Armed(1, START)})
RUN = Run("r1", "labels", 1, START, 3)
WATCH = Watch("r1", 2, 1, START, at(14))
ID = trigger_id(MODEL, 1, "labels", day_of(START))


def seen(state: LoopState | None = None, **changes: Any) -> Observed:
    given = Observed(MODEL, state or LoopState(), CHAMPION, (BAD,), (), 10_000, START - 365 * DAY)
    return replace(given, **changes)


@pytest.mark.parametrize(
    ("what", "observed", "action", "code"),
    [
        ("nobody to replace", seen(champion=None), Action.WAIT, "no champion"),
        ("all is well", seen(signals=(FINE,)), Action.WAIT, "nothing armed"),
        ("nothing is known", seen(signals=()), Action.WAIT, "nothing armed"),
        ("a loss", seen(), Action.ARM, "armed"),
        ("a loss whose interval reaches down", seen(signals=(loss(0.05, low=0.019),)), Action.WAIT, "nothing armed"),
        ("a loss of four days", seen(signals=(loss(0.05, days=4),)), Action.WAIT, "nothing armed"),
        ("a loss that is no number", seen(signals=(loss(math.nan),)), Action.WAIT, "nothing armed"),
        ("data drift alone", seen(signals=(Signal(Arming.DRIFT, fired=True),)), Action.WAIT, "nothing armed"),
        ("the detector, which the policy does not name", seen(signals=(Signal(Arming.DETECTOR, fired=True),)),
         Action.WAIT, "nothing armed"),
        ("armed, and nothing against it", seen(ARMED), Action.TRIGGER, "armed"),
        ("armed, between the two lines", seen(ARMED, signals=(loss(0.015),)), Action.TRIGGER, "armed"),
        ("armed, and as usual again", seen(ARMED, signals=(loss(0.009),)), Action.DISARM, "as usual"),
        ("armed, and no labels come", seen(ARMED, signals=(Signal(Arming.LABELS),)), Action.TRIGGER, "armed"),
        ("armed for another champion", seen(replace(ARMED, armed={"labels": Armed(7, START)})), Action.ARM, "armed"),
        ("the gate is red", seen(ARMED, red=("arrivals was never gated",)), Action.HOLD, "gate red"),
        ("few labels", seen(ARMED, new_labels=4999), Action.HOLD, "labels"),
        ("labels that nobody can count", seen(ARMED, new_labels=None), Action.HOLD, "labels"),
        ("no history", seen(ARMED, first_us=START - 21 * DAY), Action.HOLD, "history"),
        ("a moment of history", seen(ARMED, first_us=START - 21 * DAY - 1), Action.TRIGGER, "armed"),
        ("labels to the last one", seen(ARMED, new_labels=5000), Action.TRIGGER, "armed"),
        ("in the cooldown", seen(replace(ARMED, starts=(at(-13),))), Action.HOLD, "cooldown"),
        ("after the cooldown", seen(replace(ARMED, starts=(at(-14),))), Action.TRIGGER, "armed"),
        ("said already", seen(replace(ARMED, waiting=(ID, "labels")), new_labels=1), Action.WAIT, "labels"),
        ("said for another reason", seen(replace(ARMED, waiting=(ID, "gate red")), new_labels=1), Action.HOLD,
         "labels"),
        ("the id was used", seen(replace(ARMED, used=frozenset({ID}))), Action.HOLD, "used"),
        ("answered today", seen(LoopState(answered={"labels": day_of(START)})), Action.WAIT, "nothing armed"),
        ("answered yesterday", seen(LoopState(answered={"labels": day_of(at(-1))})), Action.ARM, "armed"),
        ("a watched promotion", seen(replace(ARMED, watch=WATCH), champion=Champion(2, None)), Action.ARM, "armed"),
        ("an open run", seen(replace(ARMED, run=RUN), signals=(FINE,)), Action.TRAIN, "triggered"),
        ("interrupted too often", seen(LoopState(run=replace(RUN, attempts=ATTEMPTS))), Action.FAIL, "interrupted"),
        ("trained", seen(LoopState(run=replace(RUN, phase=Phase.TRAINED, challenger=2))), Action.JUDGE, "trained"),
        ("judged, no win",
         seen(LoopState(run=replace(RUN, phase=Phase.JUDGED, challenger=2, judgement=LOST))), Action.REFUSE, "no win"),
        ("judged, a win",
         seen(LoopState(run=replace(RUN, phase=Phase.JUDGED, challenger=2, judgement=WON))), Action.PROMOTE, "win"),
        ("promoted, not yet written",
         seen(LoopState(run=replace(RUN, phase=Phase.JUDGED, challenger=2, judgement=WON)),
              champion=Champion(2, None)), Action.PROMOTE, "win"),
        ("a win against who is champion no more",
         seen(LoopState(run=replace(RUN, phase=Phase.JUDGED, challenger=2, judgement=WON)),
              champion=Champion(3, None)), Action.REFUSE, "champion moved"),
        ("a win, and nobody is champion",
         seen(LoopState(run=replace(RUN, phase=Phase.JUDGED, challenger=2, judgement=WON)), champion=None),
         Action.REFUSE, "champion moved"),
    ],
    ids=lambda one: one.replace(" ", "-") if isinstance(one, str) else "",
)  # fmt: skip
def test_one_case(what: str, observed: Observed, action: Action, code: str) -> None:
    found = decide(observed, POLICY, START)
    assert (found.action, found.code) == (action, code), what
    assert found.reason


def test_a_run_has_the_id_of_its_signal_and_its_first_day() -> None:
    later = decide(seen(ARMED), POLICY, at(3))
    assert later.run == ID
    assert later.evidence["armed"] == {"labels": "2013-06-01T00:00:00Z"}


def test_of_two_armed_signals_the_first_one_is_named() -> None:
    state = LoopState(armed={"estimate": Armed(1, at(-2)), "labels": Armed(1, at(-1))})
    assert decide(seen(state), POLICY, START).signal == "estimate"


def test_a_budget_of_the_week_is_kept_without_a_cooldown() -> None:
    twice = policy(cooldown_days=0.0, weekly_budget=2)
    assert decide(seen(replace(ARMED, starts=(at(-6), at(-1)))), twice, START).code == "budget"
    assert decide(seen(replace(ARMED, starts=(at(-7), at(-1)))), twice, START).action is Action.TRIGGER
    assert decide(seen(ARMED), policy(weekly_budget=0), START).code == "budget"


def test_the_deadline_counts_from_the_last_decision_and_before_one_from_the_training() -> None:
    quiet = seen(signals=(FINE,))
    assert decide(quiet, POLICY, at(29.9)).action is Action.WAIT
    due = decide(quiet, POLICY, at(30))
    assert (due.action, due.signal) == (Action.ARM, "deadline")
    refused = replace(quiet, state=LoopState(decided_us=at(10)))
    assert decide(refused, POLICY, at(69.9)).action is Action.WAIT
    assert decide(refused, POLICY, at(70)).signal == "deadline"
    unknown = replace(quiet, champion=Champion(1, None))
    assert decide(unknown, POLICY, at(9999)).action is Action.WAIT


def test_drift_arms_where_the_policy_says_so() -> None:
    drift = seen(signals=(Signal(Arming.DRIFT, fired=True),))
    assert decide(drift, policy(arming=(Arming.DRIFT,)), START).action is Action.ARM


def test_a_clock_that_was_set_back_stands_still() -> None:
    state = replace(ARMED, at_us=at(20), starts=(at(10),))
    found = decide(seen(state), POLICY, at(-300))
    assert found.at_us == at(20)
    assert found.code == "cooldown"
    assert decide(seen(state), POLICY, at(24)).action is Action.TRIGGER


def watched(watch: Watch, days: float, champion: int = 2) -> tuple[Action, str]:
    found = decide(seen(LoopState(watch=watch), champion=Champion(champion, None), signals=()), POLICY, at(days))
    return found.action, found.code


def test_a_promotion_is_looked_at_once_a_week_and_at_its_end() -> None:
    assert watched(WATCH, 6.9)[0] is Action.WAIT
    assert watched(WATCH, 7)[0] is Action.LOOK
    once = replace(WATCH, looks=1, looked_us=at(7), last=LOST)
    assert watched(once, 13)[0] is Action.WAIT
    assert watched(once, 14)[0] is Action.LOOK
    assert watched(replace(once, looks=2, looked_us=at(14)), 14) == (Action.KEEP, "no loss")


def test_a_look_without_rows_is_tried_again_and_given_up() -> None:
    few = replace(WATCH, looked_us=at(14), last=FEW)
    assert watched(few, 14.5)[0] is Action.WAIT
    assert watched(few, 15)[0] is Action.LOOK
    last = replace(few, looked_us=at(27.5))
    assert watched(last, 28 - 1e-6)[0] is Action.WAIT
    assert watched(last, 28) == (Action.KEEP, "too few rows")


def test_a_month_after_the_promotion_it_is_still_looked_at_first() -> None:
    assert watched(WATCH, 31)[0] is Action.LOOK


def test_a_lost_promotion_is_rolled_back_whoever_did_half_of_it() -> None:
    lost = replace(WATCH, looks=1, looked_us=at(7), last=WON)
    assert watched(lost, 7) == (Action.ROLL_BACK, "loss")
    assert watched(lost, 7, champion=1) == (Action.ROLL_BACK, "loss")
    assert watched(lost, 7, champion=5) == (Action.KEEP, "champion moved")


def test_all_looks_together_are_as_sure_as_the_policy_says() -> None:
    assert looks_planned(POLICY) == 2
    assert look_level(POLICY) == pytest.approx(0.975)
    assert look_level(policy(watch_days=3.0)) == pytest.approx(POLICY.level)
