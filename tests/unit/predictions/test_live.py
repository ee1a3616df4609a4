"""Answers from the online store: what the policies let through, and what becomes of a store that is away."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ray_pipeline.config.serve import Policy, ServeConfig
from ray_pipeline.connectors.online.settings import ClockKind
from ray_pipeline.errors import OnlineStoreDeniedError, UsageError
from ray_pipeline.features.reading import OffsetRange, Status
from ray_pipeline.runtime.features.answers import FeatureAnswer, FeatureValue
from ray_pipeline.runtime.features.remembered import Remembered
from ray_pipeline.runtime.predictions.live import answer
from ray_pipeline.runtime.predictions.policy import Policies, Refusal, Why, judge, told_apart
from ray_pipeline.runtime.predictions.prediction import Prediction, Source
from ray_pipeline.runtime.predictions.predictor import score
from ray_pipeline.testing.clock import FrozenClock
from ray_pipeline.testing.online import MemoryOnlineStore
from tests.prediction_stub import AT, EPOCH, StubModel, predictor, request, store

REFUSE = Policies(Policy.REFUSE, Policy.REFUSE, Policy.REFUSE)
ANSWER = Policies(Policy.ANSWER, Policy.ANSWER, Policy.ANSWER)


def one(found: list[Prediction | Refusal]) -> Prediction:
    (answered,) = found
    assert isinstance(answered, Prediction)
    return answered


def refused(found: list[Prediction | Refusal]) -> Refusal:
    (answered,) = found
    assert isinstance(answered, Refusal)
    return answered


def test_an_answer_says_what_it_rests_on() -> None:
    found = one(answer(predictor(), store(), [request()], REFUSE))
    assert found.probability == pytest.approx((6 + 7 + 1) / 100)
    assert (found.model, found.version, found.training_set) == ("late", 3, "set/v1")
    assert found.file_sha256 == "a" * 64
    assert found.views == {"live": "data"}
    assert (found.as_of, found.source, found.is_complete) == (AT, Source.ONLINE, True)
    assert found.features["live__n"].offsets == (OffsetRange(0, 0, 4), OffsetRange(1, 1, 5))
    assert found.features["calendar__hour"] == FeatureValue(7, Status.PRESENT)


def test_requests_keep_their_order_whether_they_name_a_moment_or_not() -> None:
    clock = FrozenClock(AT + timedelta(minutes=1))
    asked = [request(n, as_of=None if n % 2 else AT) for n in range(6)]
    found, _ = told_apart(answer(predictor(), store(), asked, REFUSE, machine=clock))
    assert [each.request.request_id for each in found] == [f"r{n}" for n in range(6)]
    assert [each.as_of for each in found] == [AT if n % 2 == 0 else clock.now() for n in range(6)]


def test_now_in_a_replay_is_the_newest_event() -> None:
    found = one(answer(predictor(), store(), [request(as_of=None)], REFUSE, clock=ClockKind.REPLAY))
    assert found.as_of == AT


@pytest.mark.parametrize("clock", list(ClockKind))
def test_what_was_asked_before_is_answered_as_if_it_had_not_been(clock: ClockKind) -> None:
    machine, remembered = FrozenClock(AT + timedelta(minutes=1)), Remembered()
    with_model, asked = predictor(), [request(n, as_of=moment) for n in range(3) for moment in (None, AT)]
    for each in asked * 2:
        known = answer(with_model, store(), [each], ANSWER, clock=clock, machine=machine, remembered=remembered)
        assert known == answer(with_model, store(), [each], ANSWER, clock=clock, machine=machine)
    assert len(remembered) > 0
    assert remembered.decode.size > 0


def test_all_views_and_the_clock_are_read_at_once() -> None:
    online = store()
    online.asked.clear()
    calls = []
    read = online.read_together
    online.read_together = lambda asked, *, marks: (calls.append(marks), read(asked, marks=marks))[1]  # type: ignore[method-assign]
    one(answer(predictor(), online, [request(as_of=None)], ANSWER, clock=ClockKind.REPLAY))
    assert calls == [True]
    assert online.asked == ["read marks", "read states"]


def test_a_replay_that_has_not_begun_gives_no_answer() -> None:
    found = refused(answer(predictor(), MemoryOnlineStore(), [request(as_of=None)], ANSWER, clock=ClockKind.REPLAY))
    assert found.why is Why.UNAVAILABLE
    assert "no event yet" in found.message


def test_what_is_missing_is_refused_or_answered_with_its_status() -> None:
    nowhere = request(origin="XXX")
    found = refused(answer(predictor(), store(), [nowhere], REFUSE))
    assert (found.why, found.features) == (Why.NOT_FOUND, ("live__n",))
    assert "serve.on_missing" in found.message
    answered = one(answer(predictor(), store(), [nowhere], ANSWER))
    assert answered.features["live__n"].status is Status.NOT_FOUND
    assert answered.probability == pytest.approx((7 + 1) / 100)
    assert not answered.is_complete


def test_what_is_stale_or_cannot_be_said_is_refused_or_answered() -> None:
    late = request(as_of=AT + timedelta(hours=12))
    found = refused(answer(predictor(), store(), [late], REFUSE))
    assert (found.why, found.features) == (Why.STALE, ("live__n",))
    answered = one(answer(predictor(), store(), [late], ANSWER))
    assert answered.features["live__n"].status is Status.OUTSIDE_MAX_AGE
    assert answered.features["live__n"].value is None


def test_a_request_value_that_is_not_known_is_missing_too() -> None:
    found = refused(answer(predictor(), store(), [request(due=None)], REFUSE))
    assert found.features == ("calendar__hour",)


def test_missing_is_said_before_stale() -> None:
    features = {
        "a": FeatureValue(None, Status.INVALID),
        "b": FeatureValue(None, Status.NOT_FOUND),
        "c": FeatureValue(1, Status.PRESENT),
    }
    both = judge("r", features, Policy.REFUSE, Policy.REFUSE)
    assert both is not None
    assert (both.why, both.features) == (Why.NOT_FOUND, ("b",))
    stale = judge("r", features, Policy.ANSWER, Policy.REFUSE)
    assert stale is not None
    assert (stale.why, stale.features) == (Why.STALE, ("a",))
    assert judge("r", features, Policy.ANSWER, Policy.ANSWER) is None
    many = judge("r", {f"f{n}": features["b"] for n in range(9)}, Policy.REFUSE, Policy.ANSWER)
    assert many is not None
    assert "f0, f1, f2 and 6 more" in many.message


def test_the_policies_are_those_of_the_configuration() -> None:
    serve = ServeConfig(on_missing=Policy.REFUSE, on_stale=Policy.ANSWER, on_unavailable=Policy.ANSWER)
    assert Policies.of(serve) == Policies(Policy.REFUSE, Policy.ANSWER, Policy.ANSWER)


class Denied(MemoryOnlineStore):
    def read_states(self, *_: object) -> list[list[object]]:  # type: ignore[override]
        raise OnlineStoreDeniedError("redis://host", "read", "wrong password")


@pytest.mark.parametrize("denied", [False, True])
def test_a_store_that_is_away_is_refused_without_its_address(denied: bool) -> None:
    away = Denied() if denied else store()
    away.is_down = not denied
    found = refused(answer(predictor(), away, [request()], Policies()))
    assert found.why is Why.UNAVAILABLE
    assert found.message == "the online store does not answer"


@pytest.mark.parametrize("policies", [ANSWER, replace(ANSWER, on_stale=Policy.REFUSE)])
def test_where_the_policy_answers_every_stored_feature_is_invalid(policies: Policies) -> None:
    away = store()
    away.is_down = True
    clock = FrozenClock(datetime(2026, 1, 1, tzinfo=UTC))
    found, _ = told_apart(answer(predictor(), away, [request(1), request(2, as_of=None)], policies, machine=clock))
    assert [each.as_of for each in found] == [AT, clock.now()]
    for each in found:
        assert each.features["live__n"] == FeatureValue(None, Status.INVALID)
        assert each.features["calendar__hour"].value == 7
        assert not each.is_complete


def test_a_store_that_is_away_takes_the_now_of_a_replay_with_it() -> None:
    away = store()
    away.is_down = True
    found = answer(predictor(), away, [request(1, as_of=None), request(2)], ANSWER, clock=ClockKind.REPLAY)
    assert isinstance(found[0], Refusal)
    assert isinstance(found[1], Prediction)


def test_nothing_is_asked_for_nothing() -> None:
    model = StubModel()
    assert answer(predictor(model), store(), [], REFUSE) == []
    assert not model.seen


def test_a_number_that_is_not_finite_is_null_to_the_model_and_in_the_answer() -> None:
    model = StubModel()
    for odd in (math.inf, -math.inf, math.nan):
        features = {"live__n": FeatureValue(odd, Status.PRESENT), "calendar__hour": FeatureValue(7, Status.PRESENT)}
        (found,) = score(predictor(model), [request()], [FeatureAnswer(AT, features)], Source.ONLINE)
        assert found.features["live__n"] == FeatureValue(None, Status.PRESENT)
        assert np.isnan(model.seen[-1][0, 0])
        assert features["live__n"].value is odd


def test_no_probability_is_made_without_a_moment() -> None:
    with pytest.raises(UsageError, match="the replay has not begun"):
        score(predictor(), [request()], [FeatureAnswer(None, {})], Source.ONLINE)


def test_moments_of_the_request_are_values_that_the_model_can_see() -> None:
    found = one(answer(predictor(), store(), [request(due=EPOCH + timedelta(hours=9))], REFUSE))
    assert found.features["calendar__hour"].value == 9
