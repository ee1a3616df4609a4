"""Each code of ours, by an input that gets it."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from ray_pipeline.contracts.model import Limits
from ray_pipeline.contracts.shape import Record
from ray_pipeline.contracts.verdicts import CODES

from .contracts import FLIGHT, bare, one, rules

_GARBAGE = {
    b"": "json.malformed",
    b" \n": "json.malformed",
    b"{": "json.malformed",
    b'{"id":"a"}{"id":"b"}': "json.malformed",
    b'{"id":"a"} x': "json.malformed",
    b'{"id":"a",}': "json.malformed",
    b"{'id':'a'}": "json.malformed",
    b"NaN": "json.malformed",
    b'{"delay":NaN}': "json.malformed",
    b'{"delay":-Infinity}': "json.malformed",
    b'{"delay":01}': "json.malformed",
    b'{"delay":1.}': "json.malformed",
    b'{"delay":+1}': "json.malformed",
    b'{"id":"\\ud800"}': "json.malformed",
    b'{"id":"\\udc00\\ud800"}': "json.malformed",
    b'{"id":"\\ud800","delay":1e999}': "json.malformed",
    b'{"id":"a\nb"}': "json.malformed",
    b'{"id":"\\x41"}': "json.malformed",
    b'\xef\xbb\xbf{"id":"a"}': "json.malformed",
    b'{"id":"\xff"}': "json.not-utf8",
    b'{"id":"\xed\xa0\x80"}': "json.not-utf8",
    b"\xc3\x28": "json.not-utf8",
    b'\x00\x00\x00\x00\x07{"id":"a"}': "record.framed",
    b"\x01" + bytes(16) + b'{"id":"a"}': "record.framed",
    b"\x00\x00": "json.malformed",
    b"[" * 100_000: "json.too-deep",
    b"[" * 100_000 + b"]" * 100_000: "json.too-deep",
    b'{"id":' * 70 + b"1" + b"}" * 70: "json.too-deep",
    b"[" * 65 + b"]" * 65: "json.too-deep",
    b"[" * 64 + b"]" * 64: "type",
    b'{"id":"' + b"[" * 500 + b'"}': "maxLength",
    b'{"id":"a","id":"a"}': "json.duplicate-key",
    b'{"id":"a","\\u0069d":"b"}': "json.duplicate-key",
    b'{"id":"a","origin":{"code":"x","code":"x"}}': "json.duplicate-key",
    b'{"id":"a","legs":[{"to":"x"},{"to":"x" , "to"\t:"y"}]}': "json.duplicate-key",
    b'{"id":"a","nobody":{"x":[{"y":1,"y":2}]}}': "json.duplicate-key",
    b'{"id":"a","delay":' + b"9" * 5000 + b"}": "json.number-too-long",
    b'{"id":"a","delay":1e5000}': "json.number-too-long",
    b'{"id":"a","delay":-1E+99999999999999999999}': "json.number-too-long",
    b'{"id":"a","delay":1e400}': "arrow.overflow",
    b'{"id":"a","delay":9007199254740993}': "arrow.inexact",
    b'{"id":"a","seats":9223372036854775808}': "arrow.overflow",
    b'{"id":"a","seats":1e19}': "arrow.overflow",
    b'{"id":"a","seats":0.99999999999999999999}': "arrow.inexact",
    b'{"id":"a","at":"2013-01-01T00:00:00.1234567Z"}': "arrow.sub-microsecond",
    b'{"id":"a","at":"2016-12-31T23:59:60Z"}': "arrow.out-of-range",
    b'{"id":"a","at":"0000-12-31T00:00:00Z"}': "arrow.out-of-range",
    b'{"id":"a","day":"0000-12-31"}': "arrow.out-of-range",
    b"null": "type",
    b"[]": "type",
    b"{}": "required",
}


@pytest.mark.parametrize(("value", "code"), _GARBAGE.items(), ids=[repr(value[:40]) for value in _GARBAGE])
def test_any_bytes_get_one_stable_code(value: bytes, code: str) -> None:
    good = b'{"id":"a"}'
    verdicts = bare(FLIGHT).validate([good, value, good])
    assert verdicts.valid == [True, False, True]
    assert rules(verdicts, 1) == [code]
    assert verdicts.table.num_rows == 2


def test_a_tombstone_a_large_record_and_a_wide_one_are_refused_before_they_are_parsed() -> None:
    contract = bare(FLIGHT, limits=Limits(max_bytes=300, max_keys=30, max_items=40))
    wide = b'{"id":"a","x":{' + b",".join(b'"%d":0' % n for n in range(30)) + b"}}"
    long = b'{"id":"a","x":[' + b",".join([b"0"] * 41) + b"]}"
    judgement = contract.judge([None, b'{"id":"' + b"a" * 300 + b'"}', wide, long])
    assert [[reason.rule for reason in judgement.violations[n]] for n in range(4)] == [
        ["record.tombstone"],
        ["record.too-large"],
        ["json.too-many-keys"],
        ["json.too-many-items"],
    ]


def test_a_record_of_an_odcs_contract_is_an_object() -> None:
    contract = bare({"type": "object"}, kind="odcs")
    assert rules(contract.validate([b"[1]"])) == ["record.not-object"]


def test_more_than_a_hundred_violations_are_cut_with_a_marker() -> None:
    contract = one("n", {"type": "array", "items": {"type": "integer"}})
    reasons = contract.validate([b'{"n":[' + b",".join([b'"x"'] * 150) + b"]}"]).violations[0]
    assert len(reasons) == 101
    assert reasons[-1].rule == "record.more-violations"


def test_a_shape_that_its_schema_does_not_keep_refuses_the_record_instead_of_changing_it() -> None:
    contract = bare({"type": "object"}, shape=Record(bare(FLIGHT).shape.fields))  # type: ignore[union-attr]
    verdicts = contract.validate([b'{"id":5}', b'{"id":"a"}', b'{"origin":[]}', b'{"cancelled":"no"}'])
    assert verdicts.valid == [False, True, False, False]
    assert rules(verdicts) == rules(verdicts, 2) == rules(verdicts, 3) == ["arrow.mismatch"]


def test_every_code_has_a_meaning_and_a_test() -> None:
    elsewhere = {
        "record.tombstone", "record.too-large", "json.too-many-keys", "json.too-many-items", "record.not-object",
        "record.more-violations", "arrow.mismatch",
    }  # fmt: skip
    assert set(CODES) == elsewhere | {code for code in _GARBAGE.values() if "." in code}
    assert all(meaning and "\n" not in meaning for meaning in CODES.values())


def test_the_depth_cap_of_a_contract_is_its_own() -> None:
    contract = bare({"type": "object"}, limits=Limits(max_depth=3))
    verdicts = contract.validate([b'{"a":[[1]]}', b'{"a":[[[1]]]}', b'{"a":"[[[["}'])
    assert verdicts.valid == [True, False, True]


@pytest.mark.parametrize("was_on", [True, False])
def test_the_garbage_collector_is_left_as_it_was(was_on: bool) -> None:
    assert gc.isenabled()
    try:
        if not was_on:
            gc.disable()
        contract = replace(bare(FLIGHT))
        contract.judge([b"{}", b"", None])
        assert gc.isenabled() == was_on
    finally:
        gc.enable()


def test_no_records_are_a_table_without_rows() -> None:
    verdicts = bare(FLIGHT).validate([])
    assert (verdicts.valid, verdicts.violations, verdicts.table.num_rows) == ([], [], 0)
    assert verdicts.table.schema == bare(FLIGHT).landing_schema
