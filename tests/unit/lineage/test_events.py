"""Every event keeps OpenLineage's schemas, and says what the gate found: no more, no less."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline import load_contract
from ray_pipeline.lineage.gate import GateRun, Volume, gate_ended, gate_events, gate_failed, gate_started
from ray_pipeline.lineage.names import Places, name_location, name_topic
from ray_pipeline.sla.result import (
    CheckResult,
    ColumnProfile,
    DatasetResult,
    DayResult,
    Disposition,
    NotJudged,
    OffsetRange,
    Verdict,
)
from ray_pipeline.types import ContractRef
from tests.unit.lineage import training_runs
from tests.unit.lineage.runs import DEPARTURES, RESULT, check, gate_run
from tests.unit.lineage.valid_events import GOLDEN, complaints, facets_of, registry

FINISHED = "2013-01-04T03:00:20Z"
EVENTS = gate_events(
    gate_run(),
    RESULT,
    FINISHED,
    read=Volume(4, 120_000),
    written=Volume(bytes=90_000),
    created=True,
    report="s3://bucket/lake/report.html",
)
START, COMPLETE = EVENTS


def output(event: dict[str, Any]) -> dict[str, Any]:
    return event["outputs"][0]


def landed(event: dict[str, Any]) -> dict[str, Any]:
    return event["inputs"][-1]


def test_a_realistic_run_keeps_every_schema() -> None:
    assert [complaint for event in EVENTS for complaint in complaints(event)] == []
    assert [event["eventType"] for event in EVENTS] == ["START", "COMPLETE"]


def test_every_schema_that_is_written_down_is_used_by_a_realistic_run() -> None:
    failed = gate_failed(gate_run(), FINISHED, "the store did not answer")
    told = (*EVENTS, failed, *training_runs.events())
    used = {facet["_schemaURL"].partition("#")[0] for event in told for _, facet in facets_of(event)}
    assert used | {START["schemaURL"].partition("#")[0]} == set(registry())
    assert len(list(GOLDEN.glob("*.schema.json"))) == 14


def test_the_schemas_are_sharp_enough_to_refuse() -> None:
    wrong = json.loads(json.dumps(COMPLETE))
    wrong["run"]["runId"] = "nightly"
    wrong["eventTime"] = "yesterday"
    landed(wrong)["inputFacets"]["dataQualityAssertions"]["assertions"][0]["success"] = "yes"
    output(wrong)["facets"]["version"]["dataSetVersion"] = 1
    found = " ".join(complaints(wrong))
    assert all(what in found for what in ("runId", "eventTime", "success", "dataSetVersion"))


def test_the_places_have_the_names_that_other_producers_give_them() -> None:
    named = [(one["namespace"], one["name"]) for one in (*COMPLETE["inputs"], *COMPLETE["outputs"])]
    assert named == [
        ("kafka://kafka-1:9092", "departures"),
        ("s3://bucket", "lake/flights/data/departures"),
        ("s3://bucket", "lake/curated/flights/departures"),
        ("s3://bucket", "lake/flights/_gate/departures/quarantine"),
    ]
    assert (COMPLETE["job"]["namespace"], COMPLETE["job"]["name"]) == ("flights", "flights.gate.departures")


@pytest.mark.parametrize(
    ("servers", "namespace"),
    [
        ("k", "kafka://k:9092"),
        ("[::1]", "kafka://[::1]:9092"),
        ("[::1]:19092,k", "kafka://[::1]:19092"),
        ("SASL_SSL://k:1", "kafka://k:1"),
    ],
)
def test_the_first_broker_names_the_cluster(servers: str, namespace: str) -> None:
    assert name_topic(servers, "t").namespace == namespace


def test_a_place_is_named_without_its_credential() -> None:
    assert "hunter2" not in str(name_location("postgresql://ann:hunter2@db:5432/lake?password=hunter2"))


def test_one_run_has_one_id_of_version_7_whatever_the_person_called_it() -> None:
    ids = {event["run"]["runId"] for event in EVENTS}
    assert len(ids) == 1
    run_id = uuid.UUID(ids.pop())
    assert (run_id.version, run_id.variant) == (7, uuid.RFC_4122)
    assert run_id.int >> 80 == 1_357_268_401_250
    others = {gate_run(run_id=name).uuid for name in ("", "nightly", "a/b", "ü", "\udc80", "x" * 5000)}
    assert len(others) == 6
    assert replace(gate_run(), dataset="arrivals").uuid != gate_run().uuid
    assert replace(gate_run(), started_at="2013-01-04T04:00:01.25+01:00").uuid == gate_run().uuid
    assert COMPLETE["run"]["facets"]["rayPipeline_gate"]["runId"] == "nightly"


def test_a_check_is_one_assertion_over_its_days() -> None:
    found = landed(COMPLETE)["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(one["params"]["check"], one["assertion"], one["success"]) for one in found] == [
        ("carrier-known", "not_null", False),
        ("delay-is-the-difference", "custom_sql", False),
        ("freshness", "freshness", True),
    ]
    assert found[0]["params"] == {
        "check": "carrier-known",
        "scope": "row",
        "days": 2,
        "failedDays": 1,
        "newestFailedDays": ["2013-01-02"],
        "rows": 12,
    }
    assert (found[0]["actual"], found[0]["expected"], found[0]["column"]) == ("12 rows", "0 rows", "carrier")
    gate = COMPLETE["run"]["facets"]["rayPipeline_gate"]
    assert gate["notAsserted"] == ["volume"]
    assert gate["verdicts"] == {"failed": 2, "not enough history": 1, "passed": 2}
    assert (gate["daysHeld"], gate["newestDaysHeld"]) == (1, ["2013-01-02"])


def test_what_was_read_and_written_is_counted() -> None:
    read = landed(COMPLETE)["inputFacets"]["dataQualityMetrics"]
    assert (read["rowCount"], read["bytes"], read["fileCount"]) == (1785, 120_000, 4)
    written = output(COMPLETE)["outputFacets"]["outputStatistics"]
    assert (written["rowCount"], written["size"], written["fileCount"]) == (840, 90_000, 4)
    assert COMPLETE["outputs"][1]["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert output(COMPLETE)["facets"]["version"]["datasetVersion"] == "3055729675574597004"
    assert [one["partition"] for one in COMPLETE["run"]["facets"]["rayPipeline_offsets"]["partitions"]] == [0, 1]


def test_the_bounds_of_a_column_are_numbers_and_never_those_of_a_classified_one() -> None:
    columns = landed(COMPLETE)["inputFacets"]["dataQualityMetrics"]["columnMetrics"]
    assert columns["distance_miles"] == {"nullCount": 0, "count": 1785, "min": 80, "max": 4983}
    assert columns["aircraft.tail_number"] == {"nullCount": 6, "count": 1779}
    assert columns["departure_delay_minutes"] == {"nullCount": 6, "count": 1779}
    assert columns["occurred_at"] == {"nullCount": 0, "count": 1785}
    salary = ColumnProfile("salary", "double", 1, 0, "314159", "314159", classified=True)
    highest = check("highest", Verdict.FAILED, kind="max", column="salary", unit="", value=314159.0)
    day = DayResult("2013-01-01", Disposition.HELD, 1, 1, held=1, checks=(highest,))
    secret = replace(RESULT, profile=(salary,), days=(day,), checks=())
    assert "314159" not in json.dumps(gate_ended(gate_run(), secret, FINISHED))


def test_each_curated_column_comes_from_the_landed_one_and_that_from_the_key_of_the_record() -> None:
    lineage = output(COMPLETE)["facets"]["columnLineage"]["fields"]
    of_table = [field["name"] for field in output(COMPLETE)["facets"]["schema"]["fields"]]
    of_topic = {field["name"] for field in COMPLETE["inputs"][0]["facets"]["schema"]["fields"]}
    assert list(lineage) == of_table
    assert {name for name, field in lineage.items() if len(field["inputFields"]) == 2} == of_topic
    assert [one["namespace"] for one in lineage["carrier"]["inputFields"]] == ["s3://bucket", "kafka://kafka-1:9092"]
    assert "_offset" in lineage
    assert "_offset" not in of_topic
    types = {field["name"]: field["type"] for field in output(COMPLETE)["facets"]["schema"]["fields"]}
    assert (types["occurred_at"], types["_offset"], types["_partition"]) == ("timestamptz", "long", "int")


def test_the_team_of_the_contract_owns_the_job_and_no_person_is_named() -> None:
    assert START["job"]["facets"]["ownership"]["owners"] == [{"name": "team:flight-operations", "type": "OWNER"}]
    assert "duty-officer" not in json.dumps(EVENTS)


def test_what_kept_the_gate_from_its_work_makes_it_fail_and_broken_data_does_not() -> None:
    troubled = gate_ended(gate_run(), replace(RESULT, problems=("the catalog is locked",)), FINISHED)
    assert troubled["eventType"] == "FAIL"
    assert troubled["run"]["facets"]["errorMessage"]["message"] == "the catalog is locked"
    assert complaints(troubled) == []
    failed = gate_failed(gate_run(), FINISHED, "x" * 10_000)
    assert len(failed["run"]["facets"]["errorMessage"]["message"]) == 4_000
    assert complaints(failed) == []


def test_a_dry_run_writes_nothing() -> None:
    started, ended = gate_events(gate_run(dry_run=True), RESULT, FINISHED)
    assert started["outputs"] == ended["outputs"] == []
    assert ended["run"]["facets"]["rayPipeline_gate"]["dryRun"] is True


def test_files_that_others_wrote_have_no_topic(tmp_path: Path) -> None:
    file = tmp_path / "orders.json"
    file.write_text(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "integer"}))
    contract = load_contract(file)
    run = replace(
        gate_run(contract), places=Places(name_location("s3://vendor/drop")), schema=DEPARTURES.landing_schema
    )
    started, ended = gate_events(run, replace(RESULT, offsets=(), snapshot_id=None), FINISHED)
    assert [complaint for event in (started, ended) for complaint in complaints(event)] == []
    assert [one["name"] for one in ended["inputs"]] == ["drop"]
    assert "ownership" not in ended["job"]["facets"]


def test_the_same_run_gives_the_same_bytes() -> None:
    again = gate_events(gate_run(), RESULT, FINISHED)
    assert json.dumps(again) == json.dumps(gate_events(gate_run(), RESULT, FINISHED))
    assert gate_started(gate_run()) == again[0] == START


def test_a_year_of_failing_days_still_makes_a_small_event() -> None:
    days = tuple(
        DayResult(
            f"day-{n:04d}",
            Disposition.HELD,
            9,
            9,
            held=9,
            checks=tuple(check(f"check-{c}", Verdict.FAILED, f"day-{n:04d}") for c in range(20)),
        )
        for n in range(3650)
    )
    ended = gate_ended(gate_run(), replace(RESULT, days=days), FINISHED)
    assert len(json.dumps(ended)) < 60_000
    assert complaints(ended) == []


texts = st.text(max_size=20)
counts = st.integers(0, 2**62)
days = st.dates().map(str)
numbers = st.none() | st.floats()
checks = st.builds(
    CheckResult,
    check=texts,
    name=texts,
    kind=texts,
    scope=st.sampled_from(["row", "day", "dataset"]),
    severity=st.sampled_from(["error", "warning", "info"]),
    verdict=st.sampled_from(Verdict),
    day=st.none() | days,
    column=st.none() | texts,
    dimension=st.none() | texts,
    value=numbers,
    unit=texts,
    target=texts,
    detail=texts,
    rows=st.none() | counts,
)
profiles = st.builds(
    ColumnProfile,
    name=texts,
    type=st.sampled_from(["int32", "int64", "double", "string", "decimal128(9, 2)", "bool"]),
    rows=counts,
    nulls=counts,
    minimum=st.none() | texts | st.floats().map(str) | st.integers().map(str),
    maximum=st.none() | texts | st.floats().map(str) | st.integers().map(str),
    classified=st.booleans(),
)
results = st.builds(
    DatasetResult,
    dataset=texts,
    topic=texts,
    contract=st.just(ContractRef("c", "1", "0" * 64)),
    contract_file=texts,
    decision=st.none() | counts,
    days=st.lists(
        st.builds(
            DayResult,
            day=days,
            disposition=st.sampled_from(Disposition),
            rows=counts,
            new_rows=counts,
            published=counts,
            quarantined=counts,
            held=counts,
            checks=st.lists(checks, max_size=4).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    checks=st.lists(checks, max_size=3).map(tuple),
    not_judged=st.lists(st.builds(NotJudged, texts, texts), max_size=2).map(tuple),
    profile=st.lists(profiles, max_size=3).map(tuple),
    offsets=st.lists(st.builds(OffsetRange, counts, counts, counts), max_size=3).map(tuple),
    new_rows=counts,
    snapshot_id=st.none() | counts,
    problems=st.lists(texts, max_size=2).map(tuple),
)
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()).map(
    lambda at: at.isoformat()
)
runs = st.builds(
    lambda run_id, at, started, table, dry, topic: replace(
        gate_run(run_id=run_id, table=table, dry_run=dry), at=at, started_at=started, dataset=topic
    ),
    st.text(),
    moments,
    moments,
    st.none() | st.sampled_from(["/srv/warehouse/t", "file:///srv/t/metadata/1.metadata.json", "s3://b/t"]),
    st.booleans(),
    texts,
)


@settings(deadline=None, max_examples=60)
@given(run=runs, result=results, finished=moments, report=st.none() | texts)
def test_whatever_a_gate_finds_its_events_keep_every_schema(
    run: GateRun, result: DatasetResult, finished: str, report: str | None
) -> None:
    events = gate_events(run, result, finished, report=report)
    assert [complaint for event in events for complaint in complaints(event)] == []
    assert json.loads(json.dumps(events, allow_nan=False)) == list(events)
    assert len({event["run"]["runId"] for event in events}) == 1
    assert events[1]["eventType"] == ("FAIL" if result.problems else "COMPLETE")
