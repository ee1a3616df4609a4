"""What the judge promises for every record, found out with generated ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ray_pipeline.contracts.load import parse_contract
from ray_pipeline.contracts.model import DataContract
from ray_pipeline.contracts.shape import (
    EXTRA,
    VALUE,
    Date,
    Integer,
    Json,
    ListOf,
    Number,
    Record,
    Shape,
    Timestamp,
)
from ray_pipeline.contracts.verdicts import CODES, columns

_TIME = {"type": ["string", "null"], "format": "date-time"}
_FLAT = {
    "i": {"type": ["integer", "null"], "maximum": 10**17},
    "n": {"type": ["number", "null"]},
    "s": {"type": "string", "maxLength": 6},
    "t": _TIME,
    "d": {"type": "string", "format": "date"},
    "b": {"type": "boolean"},
}
_NESTED = {
    **_FLAT,
    "r": {"type": ["object", "null"], "properties": _FLAT, "additionalProperties": False},
    "l": {"type": "array", "items": {"type": "object", "properties": _FLAT, "additionalProperties": False}},
    "m": {"type": "array", "items": {"type": ["integer", "null"]}, "maxItems": 3},
}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "flat": {"type": "object", "properties": _FLAT, "additionalProperties": False, "required": ["s"]},
    "nested": {"type": "object", "properties": _NESTED, "additionalProperties": False},
    "open": {"type": "object", "properties": {**_NESTED, "r": {"type": "object", "properties": _FLAT}}},
    "untyped": {"type": "object", "properties": {"i": {"type": ["integer", "string"]}, "r": {}, "n": {"minimum": 2}}},
    "anything": {"minProperties": 1},
}
_CONTRACTS = {name: parse_contract(json.dumps(schema), name) for name, schema in _SCHEMAS.items()}

_NUMBERS = st.one_of(
    st.integers(-100, 100).map(str),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["1.0", "1e3", "-0", "-0.0", "9007199254740993", "9007199254740993.0", "9223372036854775808",
                     "18446744073709551616", "1e400", "0.99999999999999999999", "123456789012345e3", "4.9e-324"]),
)  # fmt: skip
_STRINGS = st.one_of(st.text(max_size=8), st.sampled_from(['"', "\\", '":', '\\":', " :", "{[", "1234567890123456789"]))
_MOMENTS = st.builds(
    lambda moment, fraction, zone: moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + fraction + zone,
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    st.sampled_from(["", "", ".5", ".123456", ".1234567", ".120000000"]),
    st.sampled_from(["Z", "Z", "z", "+05:30", "-23:59", ""]),
)
_DAYS = st.dates().map(lambda day: day.isoformat())
_KEYS = st.one_of(st.sampled_from("instdbrlm"), st.sampled_from(['a"', "\\", "é", "_extra", "x:"]))


def _quoted(text: str) -> st.SearchStrategy[str]:
    return st.booleans().map(lambda ascii_only: json.dumps(text, ensure_ascii=ascii_only))


_SCALARS = st.one_of(
    _NUMBERS, _STRINGS.flatmap(_quoted), _MOMENTS.map(json.dumps), _DAYS.map(json.dumps),
    st.sampled_from(["true", "false", "null"]),
)  # fmt: skip
_SPACES = st.sampled_from(["", "", "", " ", "\n", "\t "])


def _object(members: list[tuple[str, str]], space: str) -> str:
    return "{" + ",".join(f"{json.dumps(key)}{space}:{space}{value}{space}" for key, value in members) + "}"


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(_object, st.lists(st.tuples(_KEYS, values), max_size=6), _SPACES)


_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]"), _objects(inner)),
    max_leaves=8,
)
_TYPED = {
    "i": _NUMBERS, "n": _NUMBERS, "s": _STRINGS.flatmap(_quoted), "t": _MOMENTS.map(json.dumps),
    "d": _DAYS.map(json.dumps), "b": st.sampled_from(["true", "false"]),
}  # fmt: skip
_FITTING_FLAT = st.fixed_dictionaries({"s": _TYPED["s"]}, optional={k: v for k, v in _TYPED.items() if k != "s"})
_FITTING = st.builds(
    lambda members, extra, space: _object([*members.items(), *extra], space),
    st.fixed_dictionaries(
        {"s": _TYPED["s"]},
        optional={
            **{key: value for key, value in _TYPED.items() if key != "s"},
            "r": _FITTING_FLAT.map(lambda members: _object([*members.items()], "")),
            "l": st.lists(_FITTING_FLAT.map(lambda members: _object([*members.items()], " ")), max_size=2).map(
                lambda items: f"[{','.join(items)}]"
            ),
        },
    ),
    st.lists(st.tuples(_KEYS, _VALUES), max_size=1),
    _SPACES,
)
_TEXTS = st.one_of(_FITTING, _FITTING, _objects(_VALUES), _VALUES)
_CASES = pytest.mark.parametrize("contract", _CONTRACTS.values(), ids=_CONTRACTS)


@_CASES
@settings(max_examples=150, deadline=None)
@given(texts=st.lists(_TEXTS, min_size=1, max_size=12))
def test_every_accepted_row_is_its_record(contract: DataContract, texts: list[str]) -> None:
    verdicts = contract.validate([text.encode() for text in texts])
    accepted = [text for text, valid in zip(texts, verdicts.valid, strict=True) if valid]
    assert verdicts.table.schema == contract.landing_schema
    for text, row in zip(accepted, verdicts.table.to_pylist(), strict=True):
        record = json.loads(text, parse_float=Decimal)
        if isinstance(contract.shape, Json):
            assert _same_json(row[VALUE], record)
        else:
            _assert_same(row, record, contract.shape)


def _assert_same(landed: Any, value: Any, shape: Shape) -> None:
    if value is None:
        assert landed is None
        return
    match shape:
        case Record(fields=fields, open=is_open):
            for field in fields:
                _assert_same(landed[field.name], value.get(field.name), field.shape)
            extras = {key: item for key, item in value.items() if key not in {field.name for field in fields}}
            assert _same_json(landed[EXTRA], extras) if extras else not (is_open and landed[EXTRA])
            assert is_open or not extras
        case ListOf(items=items):
            assert len(landed) == len(value)
            for one, other in zip(landed, value, strict=True):
                _assert_same(one, other, items)
        case Integer():
            assert type(landed) is int
            assert landed == value
        case Number():
            assert landed == float(value)
            assert not isinstance(value, int) or int(landed) == value
        case Timestamp():
            assert landed == _moment(value)
        case Date():
            assert landed == date.fromisoformat(value)
        case Json():
            assert _same_json(landed, value)
        case _:
            assert landed == value
            assert type(landed) is type(value)


def _same_json(text: str, value: Any) -> bool:
    return bool(json.loads(text, parse_float=Decimal) == value)


def _moment(text: str) -> datetime:
    head, _, tail = text.upper().partition(".")
    if not tail:
        return datetime.fromisoformat(head)
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    zone = tail[len(digits) :]
    return datetime.fromisoformat(head + zone) + timedelta(microseconds=int(digits[:6].ljust(6, "0")))


_ONLY_OURS = frozenset(CODES)
"""Where jsonschema (over json.loads) accepts what we refuse: it keeps the last of two equal keys, takes NaN and lone
surrogates, has no caps, and knows no columns."""


@_CASES
@settings(max_examples=150, deadline=None)
@given(text=_TEXTS)
def test_what_the_schema_refuses_is_refused_by_jsonschema_too_and_the_other_way_round(
    contract: DataContract, text: str
) -> None:
    verdicts = contract.validate([text.encode()])
    rules = {reason.rule for reason in verdicts.violations[0]}
    reference = jsonschema.Draft202012Validator(
        contract.json_schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    refused = not reference.is_valid(json.loads(text))
    if rules - _ONLY_OURS:
        assert refused
    if not rules:
        assert not refused


@_CASES
@settings(max_examples=60, deadline=None)
@given(texts=st.lists(_TEXTS, min_size=2, max_size=20), data=st.data())
def test_a_verdict_does_not_depend_on_neighbours(contract: DataContract, texts: list[str], data: st.DataObject) -> None:
    records = [text.encode() for text in texts]
    order = data.draw(st.permutations(range(len(records))))
    together = contract.validate(records)
    shuffled = contract.validate([records[index] for index in order])
    rows = _rows(together)
    assert [shuffled.violations[place] for place in range(len(order))] == [together.violations[i] for i in order]
    assert _rows(shuffled) == {place: rows[index] for place, index in enumerate(order) if index in rows}
    for index, record in enumerate(records):
        alone = contract.validate([record])
        assert alone.violations[0] == together.violations[index]
        assert _rows(alone) == ({0: rows[index]} if index in rows else {})


def _rows(verdicts: Any) -> dict[int, str]:
    places = [index for index, valid in enumerate(verdicts.valid) if valid]
    return dict(zip(places, map(repr, verdicts.table.to_pylist()), strict=True))


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(_FITTING, min_size=8, max_size=40), rows=st.integers(1, 9))
def test_the_size_of_a_block_changes_nothing(texts: list[str], rows: int) -> None:
    contract, records = _CONTRACTS["nested"], [text.encode() for text in texts]
    whole = contract.validate(records)
    before = columns._ROWS
    try:
        columns._ROWS = rows
        cut = contract.validate(records)
    finally:
        columns._ROWS = before
    assert (cut.valid, cut.violations, _rows(cut)) == (whole.valid, whole.violations, _rows(whole))


_MUTATIONS: list[Callable[[bytes, int], bytes]] = [
    lambda text, at: text[:at],
    lambda text, at: text[:at] + b"\xff" + text[at:],
    lambda text, at: text[:at] + text,
    lambda text, at: text[:at] + b"\x00" + text[at + 1 :],
    lambda text, at: text[:at] + b"[" * (at * 20) + text[at:],
    lambda text, at: text[:at] + b"NaN" + text[at:],
    lambda text, at: text[:at] + b"9" * (at * 10) + text[at:],
    lambda text, at: text[:at] + b"\\ud800" + text[at:],
]


@_CASES
@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.none(),
            st.builds(
                lambda text, mutate, at: mutate(text.encode(), min(at, len(text.encode()))),
                _TEXTS, st.sampled_from(_MUTATIONS), st.integers(0, 200),
            ),
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_bytes_get_one_verdict_and_nobody_dies(contract: DataContract, values: list[bytes | None]) -> None:
    judgement = contract.judge(values)
    landed = contract.columns(judgement)
    assert [index in judgement.violations for index in range(len(values))] == [not valid for valid in judgement.valid]
    assert sorted([*landed.rows, *landed.violations]) == [i for i, valid in enumerate(judgement.valid) if valid]
    assert landed.table.num_rows == len(landed.rows)
    for reasons in [*judgement.violations.values(), *landed.violations.values()]:
        assert reasons
        assert all(reason.message.isprintable() for reason in reasons)
    for index in (i for i, valid in enumerate(judgement.valid) if valid):
        json.loads(values[index])  # type: ignore[arg-type]


_LOCAL = st.builds(
    lambda moment, fraction, zone, separator: moment.strftime(f"%Y-%m-%d{separator}%H:%M:%S").rjust(19, "0")
    + fraction + zone,
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.datetimes(datetime(1970, 1, 1), datetime(2040, 1, 1)),
    st.sampled_from(["", ".25", ".123456"]),
    st.sampled_from(["", "", "Z", "+01:00"]),
    st.sampled_from("Tt"),
)  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
@settings(max_examples=100, deadline=None)
@given(texts=st.lists(_LOCAL, min_size=1, max_size=10))
def test_a_local_time_is_the_moment_that_the_zone_database_says(zone: str, texts: list[str]) -> None:
    import pyarrow as pa

    from ray_pipeline.contracts.verdicts.times import RefusedTimeError, cast_timestamps, microseconds_of

    def exact(text: str) -> int | None:
        try:
            return microseconds_of(text, zone, truncate=False)
        except RefusedTimeError:
            return None

    cast = cast_timestamps(pa.array(texts), zone, truncate=False)
    assert cast.array.cast(pa.int64()).to_pylist() == [exact(text) for text in texts]
    assert cast.refused.tolist() == [index for index, text in enumerate(texts) if exact(text) is None]
    for text, found in zip(texts, cast.array.cast(pa.int64()).to_pylist(), strict=True):
        if found is not None and text[-1].isdigit() and "+" not in text:
            local = datetime.fromisoformat(text.upper()).replace(tzinfo=ZoneInfo(zone))
            assert found == (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@settings(max_examples=300, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), digits=st.integers(17, 40))
def test_arrow_reads_decimals_as_python_does(value: float, digits: int) -> None:
    contract = _CONTRACTS["flat"]
    literals = [repr(value), f"{Decimal(value):.{digits}e}", f"{Decimal(value) * (1 + Decimal(2) ** -54):.{digits}e}"]
    table = contract.validate([f'{{"s":"","n":{literal}}}'.encode() for literal in literals]).table
    wanted = [double for literal in literals if not math.isinf(double := float(literal))]
    assert table["n"].to_pylist() == wanted
