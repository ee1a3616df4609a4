"""The pages beside /predict, and what decides whether a replica is ready."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi.openapi.models import OpenAPI

from ray_pipeline.errors import ModelFileError, OnlineStoreUnavailableError
from ray_pipeline.model.manifest import ModelManifest
from ray_pipeline.serve.health import Health
from tests.unit.serve.desks import GOOD, FakeVersion, Got, World, call, world


def get(made: World, path: str, **options: Any) -> Got:
    return asyncio.run(call(made.app, path, **options))


def test_the_process_is_alive_whatever_else_is_wrong() -> None:
    made = world(FakeVersion(trouble=OnlineStoreUnavailableError("redis", "read", "away")), champion=False)
    assert (get(made, "/healthz").status, get(made, "/healthz").json) == (200, {"status": "alive"})


def test_ready_names_the_version_that_answers() -> None:
    got = get(world(), "/readyz")
    assert got.status == 200
    assert got.json == {
        "ready": True,
        "model": {"name": "late_arrival", "version": 1},
        "reasons": {},
        "warnings": {},
        "pipeline": "flights",
        "replica": "r1",
    }


def test_each_thing_that_is_in_the_way_has_its_name() -> None:
    made = world(FakeVersion(trouble=OnlineStoreUnavailableError("redis", "read", "connection refused")))
    made.log.trouble = "no broker answers"
    made.settle()
    got = get(made, "/readyz")
    assert got.status == 503
    assert got.json["reasons"] == {
        "online_store": "redis did not read: connection refused",
        "topic": "no broker answers",
    }
    got = get(world(champion=False), "/readyz")
    assert (got.status, list(got.json["reasons"]), got.json["model"]) == (503, ["champion"], None)


def test_a_challenger_that_cannot_load_is_told_and_the_old_one_stays_ready() -> None:
    made = world()

    def refuse(manifest: ModelManifest) -> FakeVersion:
        raise ModelFileError(manifest.shown, "model.skops", "types that are not listed: os.system")

    made.desk.champion._open = refuse
    made.registry.promote(2)
    made.desk.champion.look()
    got = get(made, "/readyz")
    assert (got.status, got.json["model"]["version"]) == (200, 1)
    assert got.json["warnings"] == {
        "champion": "model.skops of model late_arrival/2: types that are not listed: os.system"
    }
    text = get(made, "/metrics").raw.decode()
    assert "serve_model_load_failures_total 1.0" in text
    assert 'serve_model_version{model="late_arrival"} 1.0' in text
    assert asyncio.run(call(made.app, body=GOOD)).json["model"]["version"] == 1


def test_a_stranger_reads_names_and_no_sentences() -> None:
    made = world(token="s3cret")
    made.log.trouble = "no broker answers at kafka.internal:9092"
    made.settle()
    got = get(made, "/readyz")
    assert (got.status, got.json["reasons"]) == (503, ["topic"])
    assert "kafka.internal" not in got.raw.decode()
    assert "kafka.internal" in get(made, "/readyz", headers={"authorization": "Bearer s3cret"}).raw.decode()


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/docs"])
def test_the_other_pages_are_for_the_holder_of_the_token(path: str) -> None:
    made = world(token="s3cret")
    assert get(made, path).status == 401
    assert get(made, path, headers={"authorization": "Bearer s3cret"}).status == 200


def test_metrics_count_answers_by_code_features_by_status_and_steps_by_seconds() -> None:
    made = world()
    asyncio.run(call(made.app, body=GOOD))
    asyncio.run(call(made.app, body=b"{"))
    got = get(made, "/metrics")
    text = got.raw.decode()
    assert got.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'serve_requests_total{code="ok",status="200"} 1.0',
        'serve_requests_total{code="not_json",status="400"} 1.0',
        'serve_features_total{status="PRESENT",view="tail"} 3.0',
        'serve_seconds_count{step="all"} 2.0',
        'serve_seconds_count{step="answer"} 1.0',
        'serve_seconds_count{step="hand_off"} 1.0',
        "serve_model_swaps_total 1.0",
        "serve_events_delivered_total 1.0",
        "serve_events_failed_total 0.0",
        "serve_events_queued 0.0",
        "serve_ready 1.0",
        "serve_ongoing 0.0",
        "serve_waiting 0.0",
    ):
        assert line in text, line


def test_openapi_has_the_fields_of_the_version_that_answers_and_is_valid() -> None:
    found = get(world(), "/openapi.json").json
    OpenAPI.model_validate(found)
    schema = found["components"]["schemas"]["Request"]
    assert list(schema["properties"]) == ["origin", "distance", "due", "flight_id", "request_id"]
    assert schema["required"] == ["origin", "distance"]
    assert schema["properties"]["distance"]["type"] == ["integer", "null"]
    assert set(found["paths"]["/predict"]["post"]["responses"]) >= {
        "200",
        "400",
        "401",
        "404",
        "413",
        "422",
        "503",
        "504",
    }
    replay = get(world(FakeVersion(replay=True)), "/openapi.json").json
    assert "as_of" in replay["components"]["schemas"]["Request"]["properties"]
    none = get(world(champion=False, token="t"), "/openapi.json", headers={"authorization": "Bearer t"}).json
    OpenAPI.model_validate(none)
    assert none["components"]["schemas"]["Request"]["additionalProperties"] is True
    assert none["paths"]["/predict"]["post"]["security"] == [{"token": []}]


def test_the_page_for_people_needs_nothing_from_elsewhere() -> None:
    got = get(world(), "/docs")
    text = got.raw.decode()
    assert got.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert "<code>distance</code>" in text and "body_too_large" in text
    assert "<script" not in text and "http://" not in text and "https://" not in text


def test_other_paths_and_methods_are_refused() -> None:
    made = world()
    assert (get(made, "/").status, get(made, "/").code) == (404, "no_such_page")
    for path, method, allowed in (("/predict", "GET", "POST"), ("/healthz", "POST", "GET, HEAD")):
        got = get(made, path, method=method)
        assert (got.status, got.code, got.headers["allow"]) == (405, "method_not_allowed", allowed)
    got = get(made, "/healthz", method="HEAD")
    assert (got.status, got.raw) == (200, b"")


def test_a_check_that_is_silent_is_trouble_and_one_that_breaks_too() -> None:
    now = [0.0]

    def broken() -> str | None:
        raise ZeroDivisionError("secret")

    health = Health({"good": lambda: None, "bad": broken}, patience=10.0, monotonic=lambda: now[0])
    assert health.troubles() == {"good": "not checked yet", "bad": "not checked yet"}
    health.check("good")
    health.check("bad")
    assert health.troubles() == {"bad": "the check broke (ZeroDivisionError)"}
    now[0] = 11.0
    assert health.troubles()["good"] == "has not answered for 11 seconds"
