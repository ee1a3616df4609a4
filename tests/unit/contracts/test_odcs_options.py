"""Every logicalTypeOption of the standard changes the verdict, or is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from ray_pipeline.contracts.engine import compile_schema
from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.odcs_lint import official_schema
from ray_pipeline.errors import ContractError

from .builders import contract_text

Case = tuple[str, str, Any, dict[str, Any], Any, Any]

# logicalType, option, its value, the options beside it, a value that breaks it, a value that keeps it.
# Without the option (and with the others) both values are valid.
EFFECTS: list[Case] = [
    ("string", "minLength", 2, {}, "a", "ab"),
    ("string", "maxLength", 2, {}, "abc", "ab"),
    ("string", "pattern", "^[a-z]+$", {}, "A", "a"),
    ("string", "format", "email", {}, "nobody", "a@example.com"),
    ("string", "format", "uuid", {}, "1", "2eb8aa08-aa98-11ea-b4aa-73b441d16380"),
    ("string", "format", "ipv4", {}, "1.2.3.256", "1.2.3.4"),
    ("date", "minimum", "2013-01-01", {}, "2012-12-31", "2013-01-01"),
    ("date", "maximum", "2013-01-01", {}, "2013-01-02", "2013-01-01"),
    ("date", "exclusiveMinimum", "2013-01-01", {}, "2013-01-01", "2013-01-02"),
    ("date", "exclusiveMaximum", "2013-01-01", {}, "2013-01-01", "2012-12-31"),
    ("timestamp", "minimum", "2013-01-01T00:00:00Z", {}, "2013-01-01T00:30:00+01:00", "2013-01-01T00:00:00Z"),
    ("timestamp", "maximum", "2013-01-01T00:00:00.5Z", {}, "2013-01-01T00:00:00.50000001Z", "2013-01-01T00:00:00.5Z"),
    ("timestamp", "exclusiveMinimum", "2013-01-01T00:00:00Z", {}, "2013-01-01T01:00:00+01:00", "2013-01-01T00:00:01Z"),
    ("timestamp", "exclusiveMaximum", "2013-01-01T00:00:00Z", {}, "2013-01-01T00:00:00Z", "2012-12-31T23:59:59Z"),
    ("timestamp", "format", "yyyy-MM-dd'T'HH:mm:ssX", {}, "2013-01-01T00:00:00.5Z", "2013-01-01T00:00:00Z"),
    ("timestamp", "format", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", {}, "2013-01-01T00:00:00.500+00:00",
     "2013-01-01T00:00:00.500Z"),
    ("timestamp", "format", "yyyy-MM-dd'T'HH:mm:ss", {"timezone": False}, "2013-01-01T00:00:00Z",
     "2013-01-01T00:00:00"),
    ("time", "minimum", "06:00:00", {}, "05:59:59.999", "06:00:00"),
    ("time", "maximum", "06:00:00", {}, "06:00:00.001", "06:00:00.000"),
    ("time", "exclusiveMinimum", "06:00:00", {}, "06:00:00", "06:00:00.001"),
    ("time", "exclusiveMaximum", "06:00:00", {}, "06:00:00", "05:59:59"),
    ("time", "format", "HH:mm:ss", {}, "06:00:00.5", "06:00:00"),
    ("integer", "minimum", 3, {}, 2, 3),
    ("integer", "maximum", 3, {}, 4, 3),
    ("integer", "exclusiveMinimum", 3, {}, 3, 4),
    ("integer", "exclusiveMaximum", 3, {}, 3, 2),
    ("integer", "multipleOf", 5, {}, 4, -5),
    ("integer", "format", "i8", {}, 128, -128),
    ("integer", "format", "i16", {}, 2**15, -(2**15)),
    ("integer", "format", "i32", {}, 2**31, -(2**31)),
    ("integer", "format", "u8", {}, -1, 255),
    ("integer", "format", "u16", {}, 2**16, 2**16 - 1),
    ("integer", "format", "u32", {}, 2**32, 2**32 - 1),
    ("number", "minimum", 0.1, {}, 0.09, 0.1),
    ("number", "maximum", 0.1, {}, 0.11, 0.1),
    ("number", "exclusiveMinimum", 0.1, {}, 0.1, 0.11),
    ("number", "exclusiveMaximum", 0.1, {}, 0.1, 0.09),
    ("number", "multipleOf", 0.01, {}, 19.995, 19.99),
    ("number", "format", "f32", {}, 3.5e38, 3.4e38),
    ("object", "minProperties", 1, {}, {}, {"a": 1}),
    ("object", "maxProperties", 1, {}, {"a": 1, "b": 1}, {"a": 1}),
    ("object", "required", ["a"], {}, {"b": 1}, {"a": None}),
    ("array", "minItems", 1, {}, [], [1]),
    ("array", "maxItems", 1, {}, [1, 1], [1]),
    ("array", "uniqueItems", True, {}, [1, 1], [1, 2]),
    ("vector", "normalized", True, {"dimensions": 2}, [1, 1], [0.6, 0.8]),
    ("vector", "elementType", "int8", {"dimensions": 1}, [0.5], [127]),
    ("vector", "elementType", "float16", {"dimensions": 1}, [65505], [65504]),
    ("vector", "elementType", "binary", {"dimensions": 1}, [2], [1]),
    ("vector", "elementType", "uint8", {"dimensions": 1}, [-1], [255]),
]  # fmt: skip

# Options whose effect is to admit more: the value is refused without the option.
WIDENING: list[Case] = [
    ("timestamp", "timezone", False, {}, "2013-01-01T00:00:00", None),
    ("vector", "elementType", "float64", {"dimensions": 1}, [1e300], None),
]

REFUSED: list[tuple[str, str, Any, dict[str, Any]]] = [
    ("string", "pattern", "^(?!x)", {}),
    ("string", "format", "password", {}),
    ("string", "format", "byte", {}),
    ("string", "format", "binary", {}),
    ("integer", "format", "u64", {}),
    ("integer", "format", "i128", {}),
    ("integer", "format", "u128", {}),
    ("date", "format", "dd/MM/yyyy", {}),
    ("date", "format", "YYYY-MM-DD", {}),
    ("timestamp", "format", "yyyy-MM-dd HH:mm:ss", {}),
    ("timestamp", "format", "yyyy-MM-dd", {}),
    ("timestamp", "format", "EEE MMM d HH:mm:ss zzz yyyy", {}),
    ("timestamp", "defaultTimezone", "Europe/Berlin", {}),
    ("timestamp", "defaultTimezone", "Europe/Bonn", {"timezone": False}),
    ("timestamp", "defaultTimezone", "../etc/passwd", {"timezone": False}),
    ("timestamp", "minimum", "yesterday", {}),
    ("time", "timezone", True, {}),
    ("time", "defaultTimezone", "UTC", {}),
    ("time", "format", "hh:mm a", {}),
    ("boolean", "format", "yes/no", {}),
    ("map", "maxProperties", 3, {}),
    ("vector", "normalized", True, {"dimensions": 2, "elementType": "uint8"}),
    ("vector", "anything", 1, {"dimensions": 2}),
]

# Written down for people; the contract says so in a warning that names them.
ADVICE = [
    ("vector", "distanceMetric", "cosine"),
    ("vector", "embeddingModel", "acme/small"),
    ("vector", "embeddingModelVersion", "3"),
]

# Said again, or the default: no verdict could change. Each has a test of its own below.
RESTATED = {("date", "format"), ("time", "timezone"), ("vector", "dimensions"), ("timestamp", "defaultTimezone")}


def verdict(logical_type: str, options: dict[str, Any], value: Any) -> bool:
    extra = {"map": {"key": {"logicalType": "string"}, "value": {"logicalType": "string"}}}
    member = {"name": "v", "logicalType": logical_type, "logicalTypeOptions": options, "required": True}
    text = contract_text([member | (extra if logical_type == "map" else {})])
    contract = parse_contract(text, "a.yaml")
    judge = compile_schema(contract.json_schema, contract.draft, assert_formats=True, resources={}, ours=True)
    return judge.is_valid({"v": value})


@pytest.mark.parametrize("case", EFFECTS, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}")
def test_an_option_refuses_what_it_forbids_and_nothing_else(case: Case) -> None:
    logical_type, option, limit, others, broken, kept = case
    assert verdict(logical_type, others | {option: limit}, kept)
    assert not verdict(logical_type, others | {option: limit}, broken)
    assert verdict(logical_type, others, broken), "the case proves nothing: it is invalid without the option too"


@pytest.mark.parametrize("case", WIDENING, ids=lambda case: f"{case[0]}-{case[1]}")
def test_an_option_admits_what_it_allows(case: Case) -> None:
    logical_type, option, limit, others, value, _ = case
    assert verdict(logical_type, others | {option: limit}, value)
    assert not verdict(logical_type, others, value)


@pytest.mark.parametrize(("logical_type", "option", "value", "others"), REFUSED)
def test_an_option_without_effect_is_refused_by_name(
    logical_type: str, option: str, value: Any, others: dict[str, Any]
) -> None:
    with pytest.raises(ContractError) as caught:
        verdict(logical_type, others | {option: value}, None)
    assert [p.key for p in caught.value.problems] == [f"schema.t.properties.v.logicalTypeOptions.{option}"]
    assert caught.value.problems[0].line is not None


@pytest.mark.parametrize(("logical_type", "option", "value"), ADVICE)
def test_advice_is_named_in_a_warning(logical_type: str, option: str, value: str) -> None:
    member = {"name": "v", "logicalType": logical_type, "logicalTypeOptions": {"dimensions": 1, option: value}}
    (warning,) = parse_contract(contract_text([member]), "a.yaml").warnings
    assert warning.key.endswith(option)
    assert "no record is checked for it" in warning.message


def test_the_table_names_every_option_of_the_standard() -> None:
    standard = set()
    for rule in official_schema()["$defs"]["SchemaBaseProperty"]["allOf"]:
        options = rule.get("then", {}).get("properties", {}).get("logicalTypeOptions", {}).get("properties", {})
        tests = rule.get("if", {}).get("anyOf", [rule.get("if", {})])
        types = [t["properties"]["logicalType"]["const"] for t in tests if "properties" in t]
        standard |= {(logical_type, option) for logical_type in types for option in options}
    proven = {(case[0], case[1]) for case in (*EFFECTS, *WIDENING)}
    refused = {(case[0], case[1]) for case in REFUSED}
    assert len(standard) > 40
    always_refused = {("time", "defaultTimezone")}
    assert standard <= proven | always_refused | {(a, b) for a, b, _ in ADVICE} | RESTATED
    assert always_refused <= refused
    assert refused - standard == {("boolean", "format"), ("map", "maxProperties"), ("vector", "anything")}


def test_a_date_may_say_that_it_is_an_iso_date() -> None:
    assert verdict("date", {"format": "yyyy-MM-dd"}, "2013-01-31")
    assert not verdict("date", {"format": "yyyy-MM-dd"}, "31/01/2013")


@pytest.mark.parametrize("options", [{}, {"timezone": False}])
@pytest.mark.parametrize(
    "value", ["06:00:00Z", "06:00:00+01:00", "24:00:00", "6:00:00", "06:00", "06:00:60", "06:00:00\n"]
)
def test_a_time_is_a_time_of_day_without_zone(options: dict[str, Any], value: str) -> None:
    assert not verdict("time", options, value)
    assert verdict("time", options, "06:00:00.123456789")


def test_a_vector_has_as_many_numbers_as_its_dimensions() -> None:
    assert [verdict("vector", {"dimensions": 2}, [1.5] * n) for n in range(4)] == [False, False, True, False]


def test_the_default_zone_decides_which_local_times_exist_and_what_a_limit_means() -> None:
    value = "2024-03-10T02:30:00"  # skipped in New York, ordinary in Berlin
    assert verdict("timestamp", {"timezone": False, "defaultTimezone": "Europe/Berlin"}, value)
    assert not verdict("timestamp", {"timezone": False, "defaultTimezone": "America/New_York"}, value)
    limited = {"timezone": False, "defaultTimezone": "America/New_York", "minimum": "2024-01-01T00:00:00"}
    assert verdict("timestamp", limited, "2024-01-01T05:00:00Z")
    assert not verdict("timestamp", limited, "2024-01-01T04:59:59Z")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, float(2**63), 1.5, "1", True])
def test_an_integer_without_a_format_has_64_bits(value: Any) -> None:
    assert not verdict("integer", {}, value)
    assert verdict("integer", {}, 2**63 - 1)
    assert verdict("integer", {}, -(2**63))
    assert verdict("integer", {}, 1.0)


@pytest.mark.parametrize("value", ["2013-01-01T00:00:00", "2013-01-01", "2013-01-01 00:00:00Z", "2013-02-30T00:00:00Z"])
def test_a_timestamp_needs_a_zone(value: str) -> None:
    assert not verdict("timestamp", {}, value)
    assert not verdict("timestamp", {"timezone": True}, value)
