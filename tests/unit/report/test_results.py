"""``run_results.json``: everything of the report, in a shape that is written down."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from ray_pipeline.contracts import expectations
from ray_pipeline.report.results import SCHEMA_VERSION, from_bytes, from_results, schema, to_bytes, to_results
from ray_pipeline.sla import measure, result
from ray_pipeline.types import ContractRef

from .samples import flights
from .strategies import reports

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def test_three_weeks_of_flights_validate_and_come_back(validator: Draft202012Validator) -> None:
    report = flights()
    data = to_bytes(report)
    validator.validate(json.loads(data))
    assert from_bytes(data) == report


@SLOW
@given(report=reports)
def test_every_report_validates_and_comes_back(validator: Draft202012Validator, report: result.GateReport) -> None:
    data = to_bytes(report)
    validator.validate(json.loads(data))
    assert from_bytes(data) == report
    assert to_bytes(from_bytes(data)) == data


def test_the_outcome_is_there_as_word_and_as_number() -> None:
    report = flights()
    document = to_results(report)
    assert (document["outcome"], document["exit_code"]) == ("broken", 1)
    unknown = replace(report, datasets=(replace(report.datasets[0], problems=("a file is gone",)),))
    assert [to_results(unknown)[key] for key in ("outcome", "exit_code")] == ["unknown", 3]
    assert [to_results(replace(report, datasets=()))[key] for key in ("outcome", "exit_code")] == ["held", 0]


def test_an_outcome_whose_number_is_another_does_not_validate(validator: Draft202012Validator) -> None:
    assert not validator.is_valid(to_results(flights(2)) | {"exit_code": 3})


def test_the_totals_add_up() -> None:
    totals = to_results(flights())["totals"]
    assert totals["published"] + totals["quarantined"] + totals["held"] == totals["new_rows"]
    assert (totals["days_held"], totals["days_pending"]) == (1, 2)
    every = [check for dataset in flights().datasets for day in dataset.days for check in day.checks]
    every += [check for dataset in flights().datasets for check in dataset.checks]
    assert sum(totals["checks"].values()) == len(every)
    assert totals["checks"]["failed"] == sum(check.verdict is result.Verdict.FAILED for check in every)


def test_equal_reports_have_equal_bytes() -> None:
    report = flights(3)
    day = report.datasets[0].days[0]
    whole = [
        replace(check, value=None if check.value is None else 3, history=(("2013-02-01", 3),)) for check in day.checks
    ]
    real = [
        replace(check, value=None if check.value is None else 3.0, history=(("2013-02-01", 3.0),))
        for check in day.checks
    ]
    one, two = (
        replace(
            report, datasets=(replace(report.datasets[0], days=(replace(day, checks=tuple(checks)),)),), timings=times
        )
        for checks, times in ((whole, {"b": 1, "a": 2.0}), (real, {"a": 2.0, "b": 1.0}))
    )
    assert one == two
    assert to_bytes(one) == to_bytes(two)


def test_the_schema_names_every_field_and_demands_it() -> None:
    """A field that is added to a result is added to the schema too."""
    document = schema()
    kinds = {
        name: kind
        for module in (result, measure, expectations)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and is_dataclass(kind)
    } | {"ContractRef": ContractRef}
    described = {name: part for name, part in document["$defs"].items() if part.get("type") == "object"}
    assert set(described) <= set(kinds)
    for name, part in described.items():
        assert set(part["properties"]) == set(part["required"]) == {item.name for item in fields(kinds[name])}, name
    own = {item.name for item in fields(result.GateReport)}
    derived = {"schema", "schema_version", "outcome", "exit_code", "summary", "totals"}
    assert set(document["properties"]) == set(document["required"]) == own | derived
    assert document["properties"]["schema_version"]["const"] == SCHEMA_VERSION
    assert document["$defs"]["Verdict"]["enum"] == [verdict.value for verdict in result.Verdict]
    assert document["$defs"]["Disposition"]["enum"] == [fate.value for fate in result.Disposition]


def test_a_reader_passes_over_what_it_does_not_know() -> None:
    report = flights(2)
    document = to_results(report) | {"colour": "blue"}
    document["datasets"][0]["days"][0]["shape"] = {"round": True}
    assert from_results(document) == report


def _at(document: Any, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for part in parents:
        document = document[int(part) if part.isdigit() else part]
    if value is ...:
        del document[last]
    else:
        document[last] = value


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("schema", "dbt", "not the results of a gate"),
        ("schema_version", 2, "schema version 2"),
        ("run_id", 7, "/run_id: not a text"),
        ("dry_run", 1, "/dry_run: not true or false"),
        ("datasets", {}, "/datasets: not an array"),
        ("datasets/0/landed", True, "/datasets/0/landed: not a whole number"),
        ("datasets/0/days/0/disposition", "gone", "/datasets/0/days/0/disposition: not one of"),
        ("datasets/0/checks/0/severity", "fatal", "not one of error, warning, info"),
        ("datasets/0/checks/0/value", "12", "not a number"),
        ("datasets/0/checks/0/history", [["2013-02-01"]], "history/0: not an array of 2"),
        ("datasets/0/topic", ..., "/datasets/0: a field of DatasetResult is missing"),
    ],
)
def test_what_is_no_report_is_refused_by_its_place(path: str, value: object, sentence: str) -> None:
    document = to_results(flights(2))
    _at(document, path, value)
    with pytest.raises(ValueError) as caught:
        from_results(document)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"schema": "ray-pipeline.run-results"}'])
def test_bytes_that_are_no_results_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        from_bytes(data)
