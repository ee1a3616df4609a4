"""What the judge promises for every record, found out with generated ones."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given, note, settings
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
from ray_pipeline.contracts.verdicts import CODES, Verdicts, columns
from ray_pipeline.contracts.verdicts.times import RefusedTimeError, cast_timestamps, microseconds_of
from tests.property.json_texts import Texts

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

_SEEDS = st.integers(0, 2**48)
_CASES = pytest.mark.parametrize("contract", _CONTRACTS.values(), ids=_CONTRACTS)


@_CASES
@settings(max_examples=1500, deadline=None)
@given(seed=_SEEDS)
def test_every_accepted_row_is_its_record(contract: DataContract, seed: int) -> None:
    texts = Texts(seed).records(most=12)
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
@settings(max_examples=1500, deadline=None)
@given(seed=_SEEDS)
def test_what_the_schema_refuses_is_refused_by_jsonschema_too_and_the_other_way_round(
    contract: DataContract, seed: int
) -> None:
    text = Texts(seed).record()
    note(text)
    verdicts = contract.validate([text.encode()])
    rules = {reason.rule for reason in verdicts.violations[0]}
    reference = jsonschema.Draft202012Validator(
        contract.json_schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    refused = not reference.is_valid(json.loads(text, parse_float=_double))
    if rules - _ONLY_OURS:
        assert refused
    if not rules:
        assert not refused


def _double(literal: str) -> float | Decimal | int:
    """Where json.loads says infinity, jsonschema is wrong: 1e400 is an integer."""
    value = float(literal)
    if not math.isinf(value):
        return value
    return int(Decimal(literal)) if Decimal(literal) == Decimal(literal).to_integral_value() else Decimal(literal)


@_CASES
@settings(max_examples=1500, deadline=None)
@given(seed=_SEEDS)
def test_a_verdict_does_not_depend_on_neighbours(contract: DataContract, seed: int) -> None:
    texts = Texts(seed)
    records = [text.encode() for text in texts.records(most=20)]
    order = texts.shuffled(len(records))
    together = contract.validate(records)
    shuffled = contract.validate([records[index] for index in order])
    rows = _rows(together)
    assert [shuffled.violations[place] for place in range(len(order))] == [together.violations[i] for i in order]
    assert _rows(shuffled) == {place: rows[index] for place, index in enumerate(order) if index in rows}
    for index, record in enumerate(records):
        alone = contract.validate([record])
        assert alone.violations[0] == together.violations[index]
        assert _rows(alone) == ({0: rows[index]} if index in rows else {})


def _rows(verdicts: Verdicts) -> dict[int, str]:
    places = [index for index, valid in enumerate(verdicts.valid) if valid]
    return dict(zip(places, map(repr, verdicts.table.to_pylist()), strict=True))


@_CASES
@settings(max_examples=1500, deadline=None)
@given(seed=_SEEDS, rows=st.integers(1, 9))
def test_the_size_of_a_block_changes_nothing(contract: DataContract, seed: int, rows: int) -> None:
    records = [text.encode() for text in Texts(seed).records(most=40)]
    whole = contract.validate(records)
    before = columns._ROWS
    try:
        columns._ROWS = rows
        cut = contract.validate(records)
    finally:
        columns._ROWS = before
    assert (cut.valid, cut.violations, _rows(cut)) == (whole.valid, whole.violations, _rows(whole))


@_CASES
@settings(max_examples=1500, deadline=None)
@given(seed=_SEEDS, noise=st.lists(st.none() | st.binary(max_size=60), max_size=4))
def test_any_bytes_get_one_verdict_and_nobody_dies(
    contract: DataContract, seed: int, noise: list[bytes | None]
) -> None:
    texts = Texts(seed)
    values = [*noise, *(texts.spoiled() for _ in range(4)), texts.record().encode()]
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


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
@settings(max_examples=1500, deadline=None)
@given(seed=_SEEDS)
def test_a_local_time_is_the_moment_that_the_zone_database_says(zone: str, seed: int) -> None:
    draw = Texts(seed)
    span = (datetime(1, 1, 2), 3_652_055) if seed % 2 else (datetime(1960, 1, 1), 750_000)
    texts = [draw.moment(("", "", "", "Z", "z", "+01:00"), *span) for _ in range(10)]

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
            local = datetime.fromisoformat(text.upper()[:26]).replace(tzinfo=ZoneInfo(zone))
            assert found == (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@settings(max_examples=1500, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False), digits=st.integers(17, 40))
def test_arrow_reads_decimals_as_python_does(value: float, digits: int) -> None:
    contract = _CONTRACTS["flat"]
    literals = [repr(value), f"{Decimal(value):.{digits}e}", f"{Decimal(value) * (1 + Decimal(2) ** -54):.{digits}e}"]
    table = contract.validate([f'{{"s":"","n":{literal}}}'.encode() for literal in literals]).table
    wanted = [double for literal in literals if not math.isinf(double := float(literal))]
    assert table["n"].to_pylist() == wanted
