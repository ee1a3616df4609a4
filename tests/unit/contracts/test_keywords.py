"""Our own keywords judge ODCS contracts only, and say nothing of what they are not about."""

from __future__ import annotations

from typing import Any

import pytest

from ray_pipeline.contracts import keywords
from ray_pipeline.contracts.engine import compile_schema, knows_format, pattern_problem
from ray_pipeline.contracts.load import parse_contract

from .builders import contract_text


def judge(schema: dict[str, Any]) -> Any:
    return compile_schema(schema, 2020, assert_formats=True, resources={}, ours=True)


LIMIT = {"kind": "date", "limit": "2013-01-01", "zone": None}


@pytest.mark.parametrize("keyword", sorted(keywords.KEYWORDS))
@pytest.mark.parametrize("value", [None, 1, True, {}, "no date", ["x"], [True]])
def test_a_keyword_is_silent_on_what_is_another_s_business(keyword: str, value: Any) -> None:
    said = {keywords.LOCAL_TIMESTAMP: {"zone": "UTC"}, keywords.NORMALIZED: 0.1}.get(keyword, LIMIT)
    expected = keyword == keywords.LOCAL_TIMESTAMP and isinstance(value, str)
    assert judge({keyword: said}).is_valid(value) != expected


def test_a_message_has_the_limit_and_never_the_value() -> None:
    secret = "1999-09-09"
    (error,) = judge({keywords.MINIMUM: LIMIT}).iter_errors(secret)
    assert error.message == "before the minimum of 2013-01-01"
    assert keywords.RULES[error.kind.keyword] == "minimum"


def test_every_keyword_has_the_rule_that_people_see() -> None:
    assert set(keywords.RULES) == set(keywords.KEYWORDS)


@pytest.mark.parametrize("keyword", sorted(keywords.KEYWORDS))
def test_in_a_bare_schema_our_names_mean_nothing(keyword: str) -> None:
    contract = parse_contract(f'{{"{keyword}": "anything"}}', "s.json")
    assert contract.validate([b'"2013-01-01"', b"[1, 1]"]).valid == [True, True]


def test_a_format_that_nobody_knows_is_named_in_a_warning() -> None:
    text = '{"properties": {"a": {"format": "colour"}, "b": {"format": "date"}}}'
    (warning,) = parse_contract(text, "s.json").warnings
    assert (warning.key, warning.warning) == ("properties.a.format", True)
    assert parse_contract(text, "s.json", formats="annotate").warnings == ()
    assert (knows_format("uuid", 2020), knows_format("uuid", 7)) == (True, False)


def test_a_slip_that_switches_a_rule_off_is_named_in_a_warning() -> None:
    text = '{"type": "object", "requried": ["a"], "properties": {"propertes": {"x-unit": "m", "minimun": 3}}}'
    warnings = parse_contract(text, "s.json").warnings
    assert [w.key for w in warnings] == ["requried", "properties.propertes.minimun"]
    assert [w.message[-9:] for w in warnings] == ["required?", " minimum?"]
    assert "admits every record" in parse_contract('{"name": "not a schema"}', "s.json").warnings[0].message
    assert parse_contract("{}", "s.json").warnings == ()


NO_PATTERNS = ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(a)\1", r"(?<n>a)\k<n>", "[", "(a{1000}){1000}"]


@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_a_pattern_without_a_linear_time_engine_is_refused(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize("pattern", ["^[a-z]+$", r"^\d{3}$", r"\p{L}", "a|b", "(?<n>a)", r"\u0041", r"^\S+@\S+$", ""])
def test_an_ordinary_pattern_is_not(pattern: str) -> None:
    assert pattern_problem(pattern) is None


def test_a_hostile_pattern_takes_linear_time() -> None:
    member = {"name": "s", "logicalType": "string", "logicalTypeOptions": {"pattern": "^(a+)+$"}}
    contract = parse_contract(contract_text([member]), "a.yaml")
    assert contract.validate([b'{"s":"' + b"a" * 100_000 + b'!"}']).valid == [False]
