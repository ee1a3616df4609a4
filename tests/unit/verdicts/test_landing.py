"""What valid records land as, and what odd ones cost their neighbours."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from ray_pipeline.contracts.shape import (
    Boolean,
    Date,
    Field,
    Integer,
    Json,
    ListOf,
    Number,
    Record,
    Text,
    Timestamp,
)
from ray_pipeline.contracts.verdicts import columns

from .contracts import FLIGHT, bare, one, rules


def _landed(schema: Any, literal: str, **changes: Any) -> Any:
    verdicts = one("x", schema, **changes).validate([f'{{"x":{literal}}}'.encode()])
    return verdicts.table["x"].to_pylist()[0] if verdicts.valid[0] else rules(verdicts)[0]


@pytest.mark.parametrize(
    ("literal", "landed"),
    [
        ("1", 1),
        ("1.0", 1),
        ("1e3", 1000),
        ("1E+3", 1000),
        ("10e-1", 1),
        ("-0", 0),
        ("-0.0", 0),
        ("0e-999999999999", 0),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", "arrow.overflow"),
        ("-9223372036854775809", "arrow.overflow"),
        ("18446744073709551616", "arrow.overflow"),
        ("9007199254740993.0", 2**53 + 1),
        ("1.23456789012345678e17", 123456789012345678),
        ("1e18", 10**18),
        ("9007199254740993e0", 2**53 + 1),
        ("123456789012345e3", 123456789012345000),
        ("1e19", "arrow.overflow"),
        ("1e400", "arrow.overflow"),
        ("1e-400", "arrow.inexact"),
        ("1.00000000000000000001", "arrow.inexact"),
        ("1.5", "type"),
        ("true", "type"),
        ("null", None),
    ],
)
def test_an_integer_lands_as_the_integer_it_is(literal: str, landed: Any) -> None:
    assert _landed({"type": ["integer", "null"]}, literal) == landed


@pytest.mark.parametrize(
    ("literal", "landed"),
    [
        ("1", 1.0),
        ("0.1", 0.1),
        ("0.30000000000000004", 0.30000000000000004),
        ("1E5", 1e5),
        ("9007199254740992", 2.0**53),
        ("9007199254740993", "arrow.inexact"),
        ("9007199254740994", 2.0**53 + 2),
        ("-9007199254740993", "arrow.inexact"),
        ("1700000000000000000", 1.7e18),
        ("10000000000000000000000", 1e22),
        ("100000000000000000000001", "arrow.inexact"),
        ("9007199254740993.0", 2.0**53),
        ("1e400", "arrow.overflow"),
        ("-1e400", "arrow.overflow"),
        ("1.7976931348623159e308", "arrow.overflow"),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("9" * 400, "arrow.overflow"),
        ("1e-400", 0.0),
        ("5e-324", 5e-324),
        ("-0", 0.0),
    ],
)
def test_a_number_lands_as_the_nearest_double_and_an_integer_literal_only_exactly(literal: str, landed: Any) -> None:
    assert _landed({"type": "number"}, literal) == landed


@pytest.mark.parametrize(
    ("text", "landed"),
    [
        ("2013-01-01T05:15:00Z", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        ("2013-01-01t05:15:00z", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        ("2013-01-01T05:15:00+05:30", datetime(2012, 12, 31, 23, 45, tzinfo=UTC)),
        ("2013-01-01T05:15:00-00:00", datetime(2013, 1, 1, 5, 15, tzinfo=UTC)),
        ("2013-01-01T05:15:00.5Z", datetime(2013, 1, 1, 5, 15, 0, 500_000, tzinfo=UTC)),
        ("2013-01-01T05:15:00.123456Z", datetime(2013, 1, 1, 5, 15, 0, 123_456, tzinfo=UTC)),
        ("2013-01-01T05:15:00.1234560000Z", datetime(2013, 1, 1, 5, 15, 0, 123_456, tzinfo=UTC)),
        ("2013-01-01T05:15:00.1234567Z", "arrow.sub-microsecond"),
        ("2016-12-31T23:59:60Z", "arrow.out-of-range"),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+00:01", "arrow.out-of-range"),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("9999-12-31T23:59:59-00:01", "arrow.out-of-range"),
        ("2013-01-01 05:15:00Z", "format"),
        ("2013-01-01T05:15:00", "format"),
        ("2013-02-29T00:00:00Z", "format"),
    ],
)
def test_a_date_time_lands_as_the_moment_it_says(text: str, landed: Any) -> None:
    schema = {"type": "string", "format": "date-time"}
    assert _landed(schema, json.dumps(text)) == landed


def test_digits_below_a_microsecond_are_truncated_and_counted_where_the_contract_says_so() -> None:
    contract = one("x", {"type": "string", "format": "date-time"}, sub_microseconds="truncate")
    texts = ["2013-01-01T00:00:00.1234569Z", "2013-01-01T00:00:00.1234560Z", "2013-01-01t00:00:00Z"]
    verdicts = contract.validate([json.dumps({"x": text}).encode() for text in texts])
    assert [moment.microsecond for moment in verdicts.table["x"].to_pylist()] == [123456, 123456, 0]
    assert verdicts.truncated == 1


@pytest.mark.parametrize(
    ("text", "landed"),
    [
        ("2013-07-01T12:00:00", datetime(2013, 7, 1, 16, tzinfo=UTC)),
        ("2013-01-01T12:00:00", datetime(2013, 1, 1, 17, tzinfo=UTC)),
        ("2013-07-01T12:00:00Z", datetime(2013, 7, 1, 12, tzinfo=UTC)),
        ("2013-07-01t12:00:00.5+02:00", datetime(2013, 7, 1, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2013-11-03T01:30:00", datetime(2013, 11, 3, 5, 30, tzinfo=UTC)),  # had twice: the first
        ("2050-07-01T12:00:00", datetime(2050, 7, 1, 16, tzinfo=UTC)),  # past the zone's table
    ],
)
def test_a_local_time_is_read_in_the_contract_s_zone(text: str, landed: datetime) -> None:
    shape = Record((Field("x", Timestamp("America/New_York")),))
    contract = one("x", {"type": "string"}, shape=shape)
    others = ["2013-07-01T12:00:00", "2013-07-01T12:00:00Z"]
    records = [json.dumps({"x": moment}).encode() for moment in (text, *others)]
    assert contract.validate(records).table["x"].to_pylist()[0] == landed
    assert contract.validate(records[:1]).table["x"].to_pylist() == [landed]


def test_nested_and_listed_times_are_cast_where_they_stand() -> None:
    verdicts = bare(FLIGHT).validate(
        [
            b'{"id":"a","legs":[{"to":"x","left":"2013-01-01T00:00:00Z"},{"to":"y"}]}',
            b'{"id":"b","legs":[]}',
            b'{"id":"c"}',
            b'{"id":"d","legs":[{"left":"2013-01-01T00:00:00Z"},{"left":"2013-01-01T00:00:00.0000001Z"}]}',
            b'{"id":"e","legs":[{"left":"2013-01-02t00:00:00z"}],"day":"2013-02-03"}',
        ]
    )
    first = datetime(2013, 1, 1, tzinfo=UTC)
    assert verdicts.valid == [True, True, True, False, True]
    assert [(v.path, v.rule) for v in verdicts.violations[3]] == [(("legs", 1, "left"), "arrow.sub-microsecond")]
    assert verdicts.table["legs"].to_pylist() == [
        [{"to": "x", "left": first}, {"to": "y", "left": None}],
        [],
        None,
        [{"to": None, "left": datetime(2013, 1, 2, tzinfo=UTC)}],
    ]
    assert verdicts.table["day"].to_pylist()[-1] == date(2013, 2, 3)


def test_keys_that_an_open_contract_does_not_name_are_kept_as_written() -> None:
    contract = bare({"type": "object", "properties": {"a": {"type": "integer"}, "r": {"type": "object", "properties": {
        "b": {"type": "string"}}}}})  # fmt: skip
    records = [
        b'{"a":1}',
        b'{"z":1.50,"a":1.0,"y":[1e400,123456789012345678901234567890,"\\u00e9"]}',
        b'{"r":{"b":"x","c":null},"_extra":"mine"}',
    ]
    table = contract.validate(records).table
    assert table["a"].to_pylist() == [1, 1, None]
    assert table["_extra"].to_pylist() == [
        None,
        '{"z":1.50,"y":[1e400,123456789012345678901234567890,"é"]}',
        '{"_extra":"mine"}',
    ]
    assert table["r"].to_pylist()[2] == {"b": "x", "_extra": '{"c":null}'}


def test_what_arrow_cannot_type_lands_as_json_text() -> None:
    contract = one("x", {"type": ["integer", "string", "array"]})
    table = contract.validate([b'{"x":1}', b'{"x":"1"}', b'{"x":[1, {"a": 4.9e-324}]}', b"{}"]).table
    assert table["x"].to_pylist() == ["1", '"1"', '[1,{"a":4.9e-324}]', None]


def test_where_a_record_may_be_no_object_the_text_lands() -> None:
    verdicts = bare(True).validate([b" null\n", b"[1e400]", b'{"a":1}', b'"x"', b'{"a":1,"a":1}'])
    assert verdicts.valid == [True, True, True, True, False]
    assert verdicts.table.to_pydict() == {"_value": ["null", "[1e400]", '{"a":1}', '"x"']}


def test_records_of_many_lines_and_records_with_escapes_land() -> None:
    pretty = json.dumps({"id": "a\u2028é\x00", "origin": {"code": "x"}, "legs": [{"to": "y"}]}, indent=2).encode()
    verdicts = bare(FLIGHT).validate([pretty, b'\n{"\\u0069d"\n:"\\ud83d\\ude00\\/"}\r\n'])
    assert verdicts.table["id"].to_pylist() == ["a\u2028é\x00", "😀/"]


def test_odd_rows_among_many_land_in_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_ROWS", 50)
    records = [json.dumps({"id": f"r{n}", "seats": n}).encode() for n in range(500)]
    for n in range(0, 500, 70):
        records[n] = json.dumps({"id": f"r{n}", "seats": float(n)}).encode()
    for n in range(100, 250):
        records[n] = f'{{"id":"r{n}","seats":{n}e0,"delay":1700000000000000000}}'.encode()
    records[77] = b'{"id":"r77","seats":1e30}'
    verdicts = bare(FLIGHT).validate(records)
    kept = [n for n in range(500) if n != 77]
    assert verdicts.table["seats"].to_pylist() == kept
    assert verdicts.table["id"].to_pylist() == [f"r{n}" for n in kept]


def test_an_integer_column_of_32_bits_refuses_what_64_would_hold() -> None:
    contract = one("x", {"type": "integer"}, shape=Record((Field("x", Integer(32)),)))
    verdicts = contract.validate([b'{"x":2147483647}', b'{"x":2147483648}', b'{"x":1.0}'])
    assert verdicts.valid == [True, False, True]
    assert verdicts.table["x"].to_pylist() == [2147483647, 1]


def test_lists_of_everything_land() -> None:
    shapes = {"i": Integer(), "n": Number(), "t": Text(), "b": Boolean(), "d": Date(), "j": Json(), "l": ListOf(Text())}
    contract = bare({"type": "object"}, shape=Record(tuple(Field(k, ListOf(v)) for k, v in shapes.items())))
    record = {"i": [1.0, None, 2], "n": [1, 0.5], "t": [], "b": [True], "d": ["2013-01-01"], "j": [{"a": 1}, None, 2],
              "l": [["x"], [], None]}  # fmt: skip
    row = contract.validate([json.dumps(record).encode(), b"{}"]).table.to_pylist()[0]
    assert row == {**record, "i": [1, None, 2], "d": [date(2013, 1, 1)], "j": ['{"a":1}', None, "2"]}


def test_the_rows_of_columns_are_the_indices_of_the_values() -> None:
    contract = bare(FLIGHT)
    landed = contract.columns(contract.judge([None, b'{"id":"a"}', b"{", b'{"id":"b","seats":1e30}', b'{"id":"c"}']))
    assert list(landed.rows) == [1, 4]
    assert landed.table["id"].to_pylist() == ["a", "c"]
    assert set(landed.violations) == {3}
    assert landed.table.schema == contract.landing_schema


@pytest.mark.parametrize("literal", ["9007199254740993.0", "9.007199254740993e15", "9007199254740993"])
@pytest.mark.parametrize("neighbour", ["0", "1.5", "9223372036854775807"])
def test_an_integer_that_a_double_rounds_is_judged_as_what_it_is(literal, neighbour):
    contract = bare(
        {
            "type": "object",
            "properties": {"x": {"type": "integer", "maximum": 2**53, "multipleOf": 2}, "y": {}},
            "additionalProperties": False,
        }
    )
    text = f'{{"x":{literal},"y":{neighbour}}}'.encode()
    assert rules(contract.validate([text])) == ["maximum", "multipleOf"]
    verdicts = contract.validate([b'{"x":2.0,"y":0}', text, b'{"x":4,"y":1}'])
    assert verdicts.valid == [True, False, True]
    assert verdicts.table["x"].to_pylist() == [2, 4]


@pytest.mark.parametrize("neighbour", ["0", "9223372036854775807", "123456789012345678901234567890"])
@pytest.mark.parametrize("literal", ["1.0", "1e18", "9223372036854775807.0"])
def test_in_draft_4_a_number_with_a_point_or_an_exponent_is_no_integer_whatever_stands_beside_it(literal, neighbour):
    contract = bare(
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "properties": {"x": {"type": "integer"}, "y": {}},
            "additionalProperties": False,
        }
    )
    assert rules(contract.validate([f'{{"x":{literal},"y":{neighbour}}}'.encode()])) == ["type"]


@pytest.mark.parametrize("neighbour", ["0", "1234567890123456789"])
def test_a_decimal_is_judged_as_the_double_that_lands_whatever_stands_beside_it(neighbour):
    contract = bare({"type": "object", "properties": {"x": {"type": "number", "maximum": 2**63 - 1}, "y": {}}})
    text = f'{{"x":9.223372036854775807e18,"y":{neighbour}}}'.encode()
    assert rules(contract.validate([text])) == ["maximum"]
