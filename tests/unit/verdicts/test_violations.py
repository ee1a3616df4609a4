"""All violations of a record, and nothing of its values."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ray_pipeline.contracts.verdicts.names import names_in, shown

from .contracts import FLIGHT, bare, one

_SECRET = "jane.doe@example.com"
_EVERYTHING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "string": {"type": "string", "maxLength": 3, "minLength": 100, "pattern": "^[0-9]$", "format": "ipv4"},
        "number": {"maximum": 1, "exclusiveMaximum": 1, "multipleOf": 7, "enum": [1, 2], "const": 3, "not": {}},
        "low": {"minimum": 10, "exclusiveMinimum": 10},
        "array": {"uniqueItems": True, "maxItems": 1, "contains": {"type": "null"}, "prefixItems": [{"type": "null"}]},
        "few": {"minItems": 5, "items": False},
        "object": {"propertyNames": {"maxLength": 1}, "minProperties": 9, "maxProperties": 0,
                   "dependentRequired": {_SECRET: ["other"]}},
        "none": False,
        "either": {"anyOf": [{"type": "null"}], "oneOf": [{"type": "null"}]},
        "both": {"oneOf": [{}, True]},
    },
    "patternProperties": {"^p": False},
    "required": ["missing"],
    "unevaluatedProperties": False,
}  # fmt: skip


def _everything() -> dict[str, Any]:
    return {
        "string": _SECRET, "number": 5.5, "low": 1, "array": [_SECRET, _SECRET], "few": [_SECRET],
        "object": {_SECRET: _SECRET}, "none": _SECRET, "either": _SECRET, "both": _SECRET, "p": _SECRET,
        "surplus": _SECRET,
    }  # fmt: skip


def test_every_keyword_is_reported_with_its_place_and_without_the_value() -> None:
    reasons = bare(_EVERYTHING).validate([json.dumps(_everything()).encode()]).violations[0]
    found = {reason.rule for reason in reasons}
    assert found >= {
        "maxLength", "minLength", "pattern", "format", "maximum", "exclusiveMaximum", "multipleOf", "enum", "const",
        "not", "minimum", "exclusiveMinimum", "uniqueItems", "maxItems", "contains", "type", "minItems", "items",
        "propertyNames", "minProperties", "maxProperties", "dependentRequired", "properties", "anyOf", "oneOf",
        "patternProperties", "required", "unevaluatedProperties",
    }  # fmt: skip
    assert not [reason for reason in reasons if _SECRET in reason.message]
    assert all(reason.message and reason.schema_path.startswith("/") for reason in reasons)


def test_the_path_of_a_missing_or_surplus_key_is_its_parent_s() -> None:
    reasons = bare(FLIGHT).validate([b'{"origin":{"code":"x","gate":4},"legs":[{"to":1}],"a/b":1}']).violations[0]
    assert {(reason.path, reason.rule, reason.schema_path) for reason in reasons} == {
        ((), "required", "/required"),
        ((), "additionalProperties", "/additionalProperties"),
        (("origin",), "additionalProperties", "/properties/origin/additionalProperties"),
        (("legs", 0, "to"), "type", "/properties/legs/items/properties/to/type"),
    }


def test_several_missing_keys_are_several_violations() -> None:
    contract = bare({"type": "object", "required": ["a", "b"]})
    assert [v.message for v in contract.validate([b"{}"]).violations[0]] == ["'a' is missing", "'b' is missing"]


def test_keys_that_the_contract_does_not_name_are_escaped_and_cut() -> None:
    contract = bare({"type": "object", "additionalProperties": {"type": "integer"}})
    nasty = "\x1b[31m\u202e" + "x" * 200
    reason = contract.validate([json.dumps({nasty: "v"}).encode()]).violations[0][0]
    [part] = reason.path
    assert isinstance(part, str)
    assert part.isprintable()
    assert part.startswith("\\u001b[31m\\u202e")
    assert len(part) == 65
    doubled = contract.validate([b'{"a\\u001b":1,"a\\u001b":2}']).violations[0][0]
    assert (doubled.path, doubled.message) == ((), "'a\\u001b' is named twice")
    closed = one("a", {}).validate([json.dumps({nasty: 1, "q": 2}).encode()]).violations[0][0]
    assert closed.message.isprintable()
    assert len(closed.message) < 200


def test_the_same_place_is_explained_the_same_way_however_often_it_is_met() -> None:
    contract = bare(FLIGHT)
    bad = b'{"id":5,"nobody":1}'
    first, second = contract.validate([bad]).violations[0], contract.validate([bad, bad]).violations[1]
    assert first == second


def test_a_big_integer_is_judged_by_the_schema_as_the_integer_it_is() -> None:
    contract = one("x", {"type": ["integer", "string"], "maximum": 10**30, "multipleOf": 7})
    seven = 7 * 10**29
    verdicts = contract.validate([b'{"x":%d}' % n for n in (seven, seven + 1, 10**30 + 1)])
    assert verdicts.valid == [True, False, False]
    assert [reason.rule for reason in verdicts.violations[1]] == ["multipleOf"]
    assert verdicts.table["x"].to_pylist() == [str(seven)]


def test_an_overflow_is_named_beside_what_the_schema_says_of_it() -> None:
    contract = one("x", {"type": "integer", "maximum": 2**63 - 1})
    reasons = contract.validate([b'{"x":9223372036854775808}']).violations[0]
    assert [reason.rule for reason in reasons] == ["maximum", "arrow.overflow"]


def test_only_property_names_count_as_named() -> None:
    names = names_in({"properties": {"a": {}}, "required": ["b"], "enum": ["c"], "dependentRequired": {"d": ["e"]}})
    assert names == {"a", "b", "d", "e"}


@pytest.mark.parametrize(("text", "safe"), [("x" * 64, "x" * 64), ("x" * 65, "x" * 64 + "…"), ("é", "é"), ("", "")])
def test_names_are_cut_at_64_characters(text: str, safe: str) -> None:
    assert shown(text) == safe


def test_results_read_well_and_hide_nothing_in_html() -> None:
    verdicts = bare(FLIGHT).validate([b'{"id":"a"}', b'{"<b>":1}', *[b"{}"] * 20])
    assert repr(verdicts).splitlines()[0] == "<Verdicts: 22 records, 1 valid, 21 invalid>"
    assert "(record): required: 'id' is missing" in repr(verdicts)
    assert repr(verdicts).endswith("… and 12 more violations")
    assert "<b>'" not in verdicts._repr_html_()
    assert "&lt;b&gt;" in verdicts._repr_html_()
    assert verdicts.by_rule() == {"required": 21, "additionalProperties": 1}
    assert repr(bare(FLIGHT).judge([b"{}"])) == "<Judgement of 1 values: 1 refused>"
