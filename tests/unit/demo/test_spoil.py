from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from json import loads

import jsonschema
import orjson
import pytest

from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.verdicts.codes import CODES
from ray_pipeline.demo.events import TOPICS, Stream
from ray_pipeline.demo.spoil import ways_of
from ray_pipeline.demo.tricky import tricky_of
from ray_pipeline.demo.ways import Way

SPOILINGS = [pytest.param(topic, way, id=f"{topic}-{way.name}") for topic in TOPICS for way in ways_of(topic)]
TIMES = ("local-time-with-offset", "microseconds")
UNUSUAL = [pytest.param(topic, way, id=f"{topic}-{way.name}") for topic in TOPICS for way in tricky_of(topic)]


def _values(some_days: Mapping[str, Stream], topic: str, count: int = 400) -> list[bytes]:
    return [event.value or b"" for event in islice(some_days[topic].events(), count)]


def test_records_are_spoiled_in_twenty_two_named_ways_under_seventeen_rules() -> None:
    ways = [way for topic in TOPICS for way in ways_of(topic)]
    assert len({way.name for way in ways}) == 22
    assert len({way.rule for way in ways}) == 17


@pytest.mark.parametrize(("topic", "way"), SPOILINGS)
def test_every_spoiled_record_is_refused_by_the_rule_that_was_said(
    topic: str, way: Way, some_days: Mapping[str, Stream], contracts: Mapping[str, DataContract]
) -> None:
    spoiled = [way.change(value) for value in _values(some_days, topic)]
    contract = contracts[topic]
    judgement = contract.judge(spoiled)
    violations = judgement.violations | contract.columns(judgement).violations
    rules = {row: tuple(violation.rule for violation in found) for row, found in violations.items()}
    assert rules == dict.fromkeys(range(len(spoiled)), (way.rule, *way.also))


@pytest.mark.parametrize(("topic", "way"), [p for p in SPOILINGS if p.values[1].rule not in CODES])
def test_a_second_judge_finds_the_same_single_violation(
    topic: str, way: Way, some_days: Mapping[str, Stream], contracts: Mapping[str, DataContract]
) -> None:
    judge = jsonschema.Draft202012Validator(
        contracts[topic].json_schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    for value in _values(some_days, topic, 40):
        errors = list(judge.iter_errors(orjson.loads(way.change(value) or b"")))
        assert [error.validator for error in errors] == [way.rule]


@pytest.mark.parametrize(("topic", "way"), UNUSUAL)
def test_an_unusual_record_lands_as_the_plain_one_would(
    topic: str, way: Way, some_days: Mapping[str, Stream], contracts: Mapping[str, DataContract]
) -> None:
    values = _values(some_days, topic)
    unusual = [way.change(value) or b"" for value in values]
    assert sum(mine != plain for mine, plain in zip(unusual, values, strict=True)) > len(values) / 2
    verdicts = contracts[topic].validate(unusual)
    assert all(verdicts.valid)
    assert verdicts.table.equals(contracts[topic].validate(values).table)


@pytest.mark.parametrize(("topic", "way"), [p for p in UNUSUAL if p.values[1].name not in TIMES])
def test_an_unusual_record_says_the_same_by_the_standard_library(
    topic: str, way: Way, some_days: Mapping[str, Stream]
) -> None:
    for value in _values(some_days, topic, 100):
        assert loads(way.change(value) or b"") == loads(value)


@pytest.mark.parametrize(("topic", "way"), [*SPOILINGS, *UNUSUAL])
def test_a_way_is_a_function_of_the_bytes_alone(topic: str, way: Way, some_days: Mapping[str, Stream]) -> None:
    for value in _values(some_days, topic, 20):
        assert way.change(value) == way.change(bytes(value))
