"""What a request gets: each status, and that no answer leaves without its event."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ray_pipeline.config.serve import HandOff
from ray_pipeline.contracts.load import load_contract
from ray_pipeline.contracts.verdicts import RecordJudge
from ray_pipeline.features.reading import Status
from ray_pipeline.runtime.predictions.policy import Answer, Refusal, Why
from ray_pipeline.runtime.predictions.prediction import PredictionRequest
from tests.unit.serve.desks import GOOD, NOON, FakeVersion, Got, World, alive, call, prediction, world

CONTRACT = Path("contracts/flights/predictions.odcs.yaml")
SECRET = "Zx9-payload-canary"


def ask(made: World, body: Any = None, **options: Any) -> Got:
    return asyncio.run(call(made.app, "/predict", GOOD if body is None else body, **options))


def test_an_answer_names_its_version_its_moment_and_every_feature_and_its_event_is_on_the_topic() -> None:
    made = world()
    got = ask(made, {**GOOD, "request_id": "r-1", "flight_id": "f1"})
    assert got.status == 200
    assert got.json == {
        "request_id": "r-1",
        "probability": 0.25,
        "model": {"name": "late_arrival", "version": 1},
        "as_of": "2013-02-23T12:00:00Z",
        "status": "complete",
        "features": {
            "origin_last_2h__departures": {"value": 12, "status": "PRESENT"},
            "tail__late": {"value": True, "status": "PRESENT"},
            "tail__seen": {"value": "2013-02-23T12:00:00Z", "status": "PRESENT"},
            "tail__note": {"value": "x", "status": "PRESENT"},
        },
    }
    key, event, at_ms = made.log.events[0]
    assert (key, event["request_id"], event["label_key"]) == (b"r-1", "r-1", "f1")
    assert abs(at_ms / 1000 - time.time()) < 60


def test_a_missing_feature_makes_the_answer_degraded() -> None:
    missing = {"tail__late": Status.NOT_FOUND}
    got = ask(world(FakeVersion(then=lambda request: prediction(request, 1, missing))))
    assert got.json["status"] == "degraded"
    assert got.json["features"]["tail__late"] == {"value": None, "status": "NOT_FOUND"}


def test_in_a_replay_a_request_may_name_its_moment_and_its_event_is_published_then() -> None:
    made = world(FakeVersion(replay=True))
    at = NOON + timedelta(hours=1)
    got = ask(made, {**GOOD, "as_of": at.isoformat()})
    assert got.json["as_of"] == "2013-02-23T13:00:00Z"
    assert made.log.events[0][2] == int(at.timestamp() * 1000)
    assert ask(world(), {**GOOD, "as_of": at.isoformat()}).status == 422


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({**GOOD, "gate": 1}, 422, "unknown_field", "gate"),
        ({"origin": "EWR"}, 422, "missing_field", "distance"),
        ({**GOOD, "distance": SECRET}, 422, "wrong_type", "distance"),
        ({**GOOD, "distance": 7.5}, 422, "wrong_type", "distance"),
        ({**GOOD, "distance": [SECRET]}, 422, "wrong_type", "distance"),
        ({**GOOD, "due": "2013-02-23T12:00:00"}, 422, "no_zone", "due"),
        ({**GOOD, "request_id": "a b"}, 422, "bad_request_id", "request_id"),
        ({**GOOD, "origin": SECRET * 200}, 422, "too_long", "origin"),
        (b"", 400, "not_json", None),
        (b"[]", 400, "not_json", None),
        (b'"' + SECRET.encode() + b'"', 400, "not_json", None),
        (b'{"origin": "EWR", "distance": NaN}', 400, "not_json", None),
        (b'{"origin": "EWR", "distance": Infinity}', 400, "not_json", None),
        (b'{"origin": "\xff\xfe", "distance": 1}', 400, "not_json", None),
        (b'{"origin": "EWR", "distance": 1} {}', 400, "not_json", None),
        (b'{"origin": "EWR", "origin": "JFK", "distance": 1}', 400, "duplicate_key", "origin"),
        (b'{"origin": "EWR", "distance": {"a": 1, "a": 2}}', 400, "duplicate_key", None),
        (b'{"origin": ' + b"[" * 30_000 + b"]" * 30_000 + b', "distance": 1}', 400, "not_json", None),
        (b'{"origin": ' + b"[" * 900 + b"]" * 900 + b', "distance": 1}', 422, "wrong_type", "origin"),
        (b'{"origin": "\\ud800", "distance": 1}', 400, "not_json", None),
        (b"x" * 70_000, 413, "body_too_large", None),
    ],
)
def test_a_request_that_is_none_is_refused_by_name_and_repeats_nothing_of_itself(
    body: Any, status: int, code: str, field: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    made = world()
    with caplog.at_level(logging.DEBUG):
        got = ask(made, body)
    assert (got.status, got.code, got.json["error"].get("field")) == (status, code, field)
    assert SECRET not in got.raw.decode() and SECRET not in caplog.text
    assert not made.log.events


def test_a_body_of_ten_megabytes_is_refused_before_it_is_kept() -> None:
    made = world()
    assert ask(made, GOOD, headers={"content-length": "10000000"}).status == 413
    chunks = [b"x" * 65_536] * 160
    taken = iter(chunks)
    assert ask(made, list(taken)).status == 413  # without a word about its length
    assert ask(made, GOOD, headers={"content-length": "9" * 400}).status == 413
    assert ask(made, GOOD, headers={"content-length": "-1"}).status == 413


def test_a_body_that_does_not_come_is_given_up() -> None:
    got = ask(world(timeout_seconds=0.05), b'{"origin": ', stall=True)
    assert (got.status, got.code) == (408, "body_too_slow")


def test_a_client_that_leaves_is_owed_nothing() -> None:
    made = world()
    assert ask(made, b'{"origin": ', leave=True).status == 0
    assert not made.log.events
    assert made.desk.turns.ongoing == 0


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
def test_only_json_is_taken_so_that_no_foreign_web_page_asks_in_somebodys_name(kind: str) -> None:
    got = ask(world(), headers={"content-type": kind})
    assert (got.status, got.code) == (415, "not_json_type")
    assert ask(world(), headers={"content-type": "Application/JSON; charset=utf-8"}).status == 200


def test_without_the_token_there_is_no_answer() -> None:
    made = world(token="s3cret")
    for given in (
        {},
        {"authorization": "s3cret"},
        {"authorization": "Bearer s3cre"},
        {"authorization": "Basic s3cret"},
    ):
        got = ask(made, headers=given)
        assert (got.status, got.code, got.headers["www-authenticate"]) == (401, "unauthorized", "Bearer")
        assert "s3cret" not in got.raw.decode()
    assert ask(made, headers={"authorization": "bearer s3cret"}).status == 200
    # a stranger is refused before the body is looked at
    assert ask(made, b"x" * 70_000).status == 401


def test_without_a_champion_there_is_a_sentence_and_a_word_about_trying_again() -> None:
    got = ask(world(champion=False))
    assert (got.status, got.code, got.headers["retry-after"]) == (503, "no_champion", "1")
    assert "late_arrival" in got.json["error"]["message"]


@pytest.mark.parametrize(
    ("why", "status", "code"),
    [
        (Why.NOT_FOUND, 404, "entity_unknown"),
        (Why.STALE, 503, "feature_stale"),
        (Why.UNAVAILABLE, 503, "store_unavailable"),
    ],
)
def test_what_the_policies_refuse_has_its_status_and_no_event(why: Why, status: int, code: str) -> None:
    made = world(FakeVersion(then=lambda request: Refusal(request.request_id, why, "because of tail__late")))
    got = ask(made, {**GOOD, "request_id": "r-9"})
    assert (got.status, got.code, got.json["request_id"]) == (status, code, "r-9")
    assert got.json["error"]["message"] == "because of tail__late"
    assert not made.log.events


def test_an_answer_whose_event_is_not_taken_is_not_given() -> None:
    made = world()
    made.log.full = "its queue is full"
    got = ask(made)
    assert (got.status, got.code) == (503, "not_logged")
    assert "probability" not in got.json


def test_acknowledged_waits_for_the_brokers() -> None:
    async def scene() -> None:
        made = world(hand_off=HandOff.ACKNOWLEDGED)
        made.log.acknowledge = False
        asked = asyncio.create_task(call(made.app, body=GOOD))
        while not made.log.reports:
            await asyncio.sleep(0)
        assert not asked.done()
        made.log.reports[0](None)
        assert (await asked).status == 200

    asyncio.run(scene())


def test_acknowledged_refuses_what_the_brokers_refuse_and_what_they_are_silent_about() -> None:
    made = world(hand_off=HandOff.ACKNOWLEDGED, timeout_seconds=0.1)
    made.log.refuse = "no right to this topic"
    assert (ask(made).status, ask(made).code) == (503, "not_logged")
    made.log.acknowledge = False
    assert (ask(made).status, ask(made).code) == (503, "not_logged")


def test_queued_waits_for_the_brokers_too_once_an_event_was_lost() -> None:
    made = world()
    made.log.lossy, made.log.refuse = True, "no right to this topic"
    assert ask(made).code == "not_logged"
    made.log.refuse = None
    assert ask(made).status == 200


def test_a_store_that_hangs_gives_504_and_keeps_its_turn_while_health_goes_on() -> None:
    release, began = threading.Event(), threading.Event()

    def hang(request: PredictionRequest) -> Answer:
        began.set()
        release.wait(10)
        return prediction(request, 1)

    async def scene() -> None:
        made = world(FakeVersion(then=hang), timeout_seconds=0.1, max_ongoing=1, max_queued=1)
        slow = await call(made.app, body=GOOD)
        assert (slow.status, slow.code) == (504, "too_slow")
        assert made.desk.turns.ongoing == 1  # its thread still waits
        assert (await call(made.app, "/healthz")).status == 200
        waiting = await call(made.app, body=GOOD)
        assert (waiting.status, waiting.code) == (504, "too_slow")
        release.set()
        while made.desk.turns.ongoing:
            await asyncio.sleep(0)
        assert (await call(made.app, body=GOOD)).status == 200
        assert len(made.log.events) == 1  # the late answer was given to nobody, so it is no event

    asyncio.run(scene())


def test_beyond_the_queue_requests_are_refused_at_once() -> None:
    release = threading.Event()

    def wait(request: PredictionRequest) -> Answer:
        release.wait(10)
        return prediction(request, 1)

    async def scene() -> None:
        made = world(FakeVersion(then=wait), max_ongoing=2, max_queued=3)
        first = [asyncio.create_task(call(made.app, body=GOOD)) for _ in range(5)]
        while made.desk.turns.waiting < 3:
            await asyncio.sleep(0)
        refused = await call(made.app, body=GOOD)
        assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "busy", "1")
        release.set()
        assert [got.status for got in await asyncio.gather(*first)] == [200] * 5
        assert made.desk.turns.ongoing == made.desk.turns.waiting == 0

    asyncio.run(scene())


def test_an_error_of_ours_is_500_and_neither_answer_nor_log_quotes_it(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: PredictionRequest) -> Answer:
        raise RuntimeError(SECRET)

    with caplog.at_level(logging.DEBUG):
        got = ask(world(FakeVersion(then=broken)), {**GOOD, "request_id": "r-5"})
    assert (got.status, got.code, got.json["request_id"]) == (500, "internal", "r-5")
    assert SECRET not in got.raw.decode() and SECRET not in caplog.text
    assert "RuntimeError" in caplog.text and "test_predict.py" in caplog.text


def test_the_end_delivers_what_is_queued_and_refuses_what_comes_after() -> None:
    async def scene() -> None:
        made = world(refresh_seconds=0.1)
        async with alive(made.app):
            assert (await call(made.app, body=GOOD)).status == 200
        assert made.log.closed
        got = await call(made.app, body=GOOD)
        assert (got.status, got.code) == (503, "ending")
        assert (await call(made.app, "/healthz")).status == 200
        assert (await call(made.app, "/readyz")).json["reasons"]["process"] == "it ends"

    asyncio.run(scene())


def test_every_event_keeps_the_contract() -> None:
    missing = {"tail__late": Status.INVALID, "tail__seen": Status.OUTSIDE_MAX_AGE}
    made = world(FakeVersion(then=lambda request: prediction(request, 1, missing)))
    # the largest request that is taken
    largest = {**GOOD, "origin": 'é"\\\n日本' * 160, "flight_id": "é" * 200, "request_id": "r" * 100}
    assert ask(made, largest).status == 200
    assert ask(made, {**GOOD, "due": "2013-02-23T12:00:00.123456+05:30"}).status == 200
    assert ask(made, {**GOOD, "distance": None, "origin": None}).status == 200
    found = RecordJudge(load_contract(CONTRACT)).validate(made.log.values)
    assert found.violations == [(), (), ()]
