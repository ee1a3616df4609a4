"""The contracts of the running example: sound by the standard, and true of every event of the year."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path

import duckdb
import jsonschema
import open_data_contract_standard
import orjson
import pyarrow as pa
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from ray_pipeline.contracts.lint import lint
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.verdicts import Verdicts
from ray_pipeline.demo.events import TOPICS, Stream

from .conftest import CONTRACTS

STANDARD = Path(open_data_contract_standard.__file__).with_name("schema.json")


@pytest.mark.parametrize("topic", TOPICS)
def test_a_contract_holds_to_the_letter_of_the_standard(topic: str) -> None:
    file = CONTRACTS / f"{topic}.odcs.yaml"
    text = file.read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(text), json.loads(STANDARD.read_text(encoding="utf-8")))
    assert OpenDataContractStandard.from_string(text).apiVersion == "v3.2.0"
    assert lint(file) == ()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_contract_is_named_after_its_topic(topic: str, contracts: Mapping[str, DataContract]) -> None:
    contract = contracts[topic]
    assert (contract.dataset, contract.physical_name, contract.id) == (topic, topic, f"flights.{topic}")
    assert contract.event_time == ("observed_at" if topic == "weather" else "occurred_at")


def test_relationships_point_at_what_exists() -> None:
    files = {f"{topic}.odcs.yaml": yaml.safe_load((CONTRACTS / f"{topic}.odcs.yaml").read_text()) for topic in TOPICS}
    ids = {
        f"{file}#schema/{item['id']}/properties/{member['id']}"
        for file, contract in files.items()
        for item in contract["schema"]
        for member in item["properties"]
    }
    departures = files["departures.odcs.yaml"]["schema"][0]["relationships"][0]
    arrival = files["arrivals.odcs.yaml"]["schema"][0]["properties"][0]["relationships"][0]
    assert {*departures["to"], arrival["to"]} <= ids


@pytest.mark.parametrize("topic", TOPICS)
def test_a_second_judge_agrees_on_a_sample(
    topic: str, contracts: Mapping[str, DataContract], some_days: Mapping[str, Stream]
) -> None:
    judge = jsonschema.Draft202012Validator(
        contracts[topic].json_schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    events = list(some_days[topic].events())
    for event in random.Random(7).sample(events, 150):
        judge.validate(orjson.loads(event.value or b""))


@pytest.fixture(scope="module", params=TOPICS)
def whole_year(
    request: pytest.FixtureRequest, contracts: Mapping[str, DataContract], year: Mapping[str, Stream]
) -> tuple[DataContract, list[bytes], Verdicts]:
    """A topic's contract, all its events of the year, and what became of them."""
    contract = contracts[request.param]
    values = [event.value or b"" for event in year[request.param].events()]
    return contract, values, contract.validate(values)


def test_every_event_of_the_year_lands_as_it_was_said(whole_year: tuple[DataContract, list[bytes], Verdicts]) -> None:
    contract, values, verdicts = whole_year
    assert all(verdicts.valid)
    assert verdicts.table.num_rows == len(values)
    assert verdicts.table.schema == contract.landing_schema
    for row in random.Random(3).sample(range(len(values)), 200):
        assert _as_said(verdicts.table.slice(row, 1)) == _complete(orjson.loads(values[row]), contract)


def test_of_all_sql_rules_the_year_breaks_one_once(whole_year: tuple[DataContract, list[bytes], Verdicts]) -> None:
    contract, _, verdicts = whole_year
    rules = [rule for rule in yaml.safe_load(contract.text)["schema"][0]["quality"] if rule["type"] == "sql"]
    assert rules
    with duckdb.connect() as database:
        database.register("landed", verdicts.table)
        for rule in rules:
            (found,) = database.execute(rule["query"].replace("${table}", "landed")).fetchone() or ()
            assert found == (1 if rule["id"] == "wind-speed-plausible" else 0), rule["id"]


def _as_said(row: pa.Table) -> dict[str, object]:
    (values,) = row.to_pylist()
    return {name: f"{value:%Y-%m-%dT%H:%M:%SZ}" if hasattr(value, "year") else value for name, value in values.items()}


def _complete(document: dict[str, object], contract: DataContract) -> dict[str, object]:
    """Absent and null are both null in Parquet."""
    whole: dict[str, object] = {}
    for column in contract.landing_schema:
        value = document.get(column.name)
        if isinstance(value, dict):
            value = {child.name: value.get(child.name) for child in column.type}
        whole[column.name] = value
    return whole
