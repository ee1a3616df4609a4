"""What landed comes back as a record that its contract judges as it judged the first one."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from ray_pipeline.contracts.arrow import landing_schema
from ray_pipeline.contracts.rebuild import rebuild
from ray_pipeline.contracts.shape import (
    Boolean,
    Date,
    Field,
    Integer,
    Json,
    ListOf,
    Number,
    Record,
    RootShape,
    Shape,
    Text,
    Timestamp,
)


def back(rows: list[dict[str, Any]], shape: RootShape, schema: object = True, **options: bool) -> list[str]:
    table = pa.Table.from_pylist(rows, landing_schema(shape))
    return [text.decode() for text in rebuild(table, shape, schema, **options).to_pylist()]


def one(value: Any, shape: Shape) -> str:
    [text] = back([{"x": value}], Record((Field("x", shape),)))
    return text.removeprefix('{"x":').removesuffix("}")


@pytest.mark.parametrize(
    ("value", "shape", "text"),
    [
        ("plain", Text(), '"plain"'),
        ('"\\/\b\f\n\r\t\x00\x1f\x7fé\u2028😀', Text(), None),
        (-(2**63), Integer(), "-9223372036854775808"),
        (True, Boolean(), "true"),
        (date(2013, 1, 31), Date(), '"2013-01-31"'),
        (datetime(2013, 1, 31, 5, 15, tzinfo=UTC), Timestamp(), '"2013-01-31T05:15:00Z"'),
        (datetime(2013, 1, 31, 5, 15, 0, 120, tzinfo=UTC), Timestamp(), '"2013-01-31T05:15:00.000120Z"'),
        (datetime(1, 1, 1, tzinfo=UTC), Timestamp(), '"0001-01-01T00:00:00Z"'),
        ('{"a" : 1e400}', Json(), '{"a" : 1e400}'),
        ([[1, None], None, []], ListOf(ListOf(Integer())), "[[1,null],null,[]]"),
    ],
)
def test_each_shape(value: Any, shape: Shape, text: str | None) -> None:
    found = one(value, shape)
    assert json.loads(found) == value if text is None else found == text


@pytest.mark.parametrize(
    "number", [0.0, -0.0, 5.0, 0.1, 1e20, 1.7976931348623157e308, 5e-324, 123456789.123456789, 2.0**53]
)
def test_numbers_keep_every_bit(number: float) -> None:
    found = float(one(number, Number()))
    assert (found, str(found)) == (number, str(number))


NESTED = Record(
    (Field("id", Text()), Field("inner", Record((Field("a", Integer()), Field("b", Text())), open=True))), open=True
)


def test_nulls_are_left_out_or_kept_and_extra_keys_are_spliced_in() -> None:
    rows = [
        {"id": "x", "inner": {"a": 1, "b": None, "_extra": '{"c":[1]}'}, "_extra": '{"d":{}}'},
        {"id": None, "inner": {"a": None, "b": None, "_extra": None}, "_extra": None},
        {"id": None, "inner": None, "_extra": None},
    ]
    assert back(rows, NESTED) == ['{"id":"x","inner":{"a":1,"c":[1]},"d":{}}', '{"inner":{}}', "{}"]
    assert back(rows, NESTED, keep_nulls=True) == [
        '{"id":"x","inner":{"a":1,"b":null,"c":[1]},"d":{}}',
        '{"id":null,"inner":{"a":null,"b":null}}',
        '{"id":null,"inner":null}',
    ]


def test_a_key_that_must_be_there_is_written_even_where_it_is_null() -> None:
    inner = {"type": ["object", "null"], "properties": {}, "required": ["b"]}
    schema = {"properties": {"inner": {"$ref": "#/$defs/inner"}}, "required": ["id"], "$defs": {"inner": inner}}
    rows = [{"id": None, "inner": {"a": None, "b": None, "_extra": None}, "_extra": None}]
    assert back(rows, NESTED, schema) == ['{"id":null,"inner":{"b":null}}']
    schema["properties"] = {"inner": {"anyOf": [inner, {"type": "null"}]}}
    assert back(rows, NESTED, schema) == ['{"id":null,"inner":{"b":null}}']


def test_a_record_that_is_no_object_comes_back_whole() -> None:
    assert back([{"_value": "[1, 2]"}, {"_value": "null"}], Json()) == ["[1, 2]", "null"]


def test_rows_of_a_slice_and_of_several_chunks_are_the_same() -> None:
    rows = [{"id": f'"{i}' if i % 2 else None, "inner": None, "_extra": None} for i in range(10)]
    table = pa.Table.from_pylist(rows, landing_schema(NESTED))
    whole = rebuild(table, NESTED).to_pylist()
    assert rebuild(table.slice(3, 4), NESTED).to_pylist() == whole[3:7]
    assert rebuild(pa.concat_tables([table.slice(0, 5), table.slice(5)]), NESTED).to_pylist() == whole
    assert rebuild(table.slice(0, 0), NESTED).to_pylist() == []
