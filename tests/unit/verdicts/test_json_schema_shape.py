"""A column is typed only where every valid record has that type."""

from __future__ import annotations

from typing import Any

import pytest

from ray_pipeline.contracts.json_schema_shape import shape_of
from ray_pipeline.contracts.shape import (
    Boolean,
    Date,
    Field,
    Integer,
    Json,
    ListOf,
    Number,
    Record,
    Shape,
    Text,
    Timestamp,
)


def _shape(member: Any, draft: int = 2020, **rest: Any) -> Shape:
    schema = {"type": "object", "properties": {"x": member}, "additionalProperties": False, **rest}
    shape = shape_of(schema, draft, {})
    assert isinstance(shape, Record)
    return shape.fields[0].shape


@pytest.mark.parametrize(
    ("member", "shape"),
    [
        ({"type": "string"}, Text()),
        ({"type": ["string", "null"]}, Text()),
        ({"type": "integer"}, Integer()),
        ({"type": "number"}, Number()),
        ({"type": ["number", "integer"]}, Number()),
        ({"type": "boolean"}, Boolean()),
        ({"type": "string", "format": "date"}, Date()),
        ({"type": "string", "format": "date-time"}, Timestamp()),
        ({"type": "string", "format": "time"}, Text()),
        ({"format": "date"}, Json()),
        ({}, Json()),
        (True, Json()),
        ({"type": "null"}, Json()),
        ({"type": ["string", "integer"]}, Json()),
        ({"enum": ["a", "b", None]}, Text()),
        ({"enum": ["a", 1]}, Json()),
        ({"enum": [1, 2.0]}, Integer()),
        ({"enum": [1, 2.5]}, Number()),
        ({"const": True}, Boolean()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, Integer()),
        ({"oneOf": [{"type": "null"}, {"type": "string", "format": "date"}]}, Date()),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}]}, Number()),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, Json()),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "string"}]}, Text()),
        ({"allOf": [{"type": ["integer", "string"]}, {"type": ["string", "null"]}]}, Text()),
        ({"type": "string", "not": {"type": "string"}}, Text()),
        ({"$ref": "#/$defs/d"}, Date()),
        ({"$ref": "#/$defs/d", "type": ["string", "null"]}, Date()),
        ({"$ref": "#/$defs/loop"}, Json()),
        ({"$ref": "#/$defs/nowhere"}, Json()),
        ({"type": "array", "items": {"type": "integer"}}, ListOf(Integer())),
        ({"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/d"}}}, ListOf(ListOf(Date()))),
        ({"type": "array"}, Json()),
        ({"type": "array", "prefixItems": [{}], "items": {"type": "integer"}}, Json()),
        ({"type": "object"}, Json()),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, Record((Field("a", Text()),), open=True)),
        ({"type": "object", "properties": {"_extra": {"type": "string"}}}, Json()),
        (
            {"allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}], "unevaluatedProperties": False},
            Record((Field("a", Text()),)),
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "if": {"properties": {"b": {}}},
                "unevaluatedProperties": False,
            },
            Record((Field("a", Text()),), open=True),
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "\ud800": {}, "gone": False},
                "patternProperties": {"^z": {}},
                "additionalProperties": False,
            },
            Record((Field("a", Text()),), open=True),
        ),
    ],
)
def test_a_member_lands_as(member: Any, shape: Shape) -> None:
    defs = {"d": {"type": "string", "format": "date"}, "loop": {"$ref": "#/$defs/loop"}}
    assert _shape(member, **{"$defs": defs}) == shape


def test_a_schema_inside_itself_ends_as_json_text() -> None:
    tree = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "kids": {"type": "array", "items": {"$ref": "#"}}},
    }
    assert shape_of(tree, 2020, {}) == Record((Field("name", Text()), Field("kids", ListOf(Record(
        (Field("name", Text()), Field("kids", Json())), open=True)))), open=True)  # fmt: skip


def test_references_that_multiply_do_not_explode() -> None:
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for level in range(1, 12):
        members = {f"m{number}": {"$ref": f"#/$defs/d{level - 1}"} for number in range(10)}
        defs[f"d{level}"] = {"type": "object", "properties": members}
    shape = shape_of({"$ref": "#/$defs/d11", "$defs": defs}, 2020, {})
    assert isinstance(shape, Record)
    assert len(repr(shape)) < 5_000_000


@pytest.mark.parametrize(
    "schema",
    [True, False, {}, {"properties": {"a": {"type": "string"}}}, {"type": ["object", "null"]}, {"type": "array"},
     {"type": "object", "additionalProperties": False}, {"$ref": "#"}, {"type": "object", "$schema": "urn:mine"}],
)  # fmt: skip
def test_where_a_record_may_be_no_object_or_has_no_columns_its_text_lands(schema: Any) -> None:
    assert shape_of(schema, 2020, {}) == Json()


def test_an_object_of_which_nothing_is_known_has_only_extras() -> None:
    assert shape_of({"type": "object"}, 2020, {}) == Record((), open=True)


def test_references_into_resources_and_embedded_documents_are_followed() -> None:
    document = {
        "$id": "http://x/a.json",
        "type": "object",
        "properties": {"z": {"$ref": "b.json"}, "a": {"$ref": "#/$defs/n"}},
        "$defs": {"n": {"type": "integer"}},
    }
    resources = {"http://x/a.json": document, "http://x/b.json": {"type": "boolean"}}
    shape = shape_of({"$ref": "http://x/a.json"}, 2020, resources)
    assert shape == Record((Field("z", Boolean()), Field("a", Integer())), open=True)


def test_siblings_of_a_reference_say_nothing_before_2019() -> None:
    schema = {"type": "object", "properties": {"x": {"$ref": "#/definitions/any", "type": "string"}},
              "definitions": {"any": {}}}  # fmt: skip
    assert shape_of(schema, 7, {}) == Record((Field("x", Json()),), open=True)
    assert shape_of(schema, 2019, {}) == Record((Field("x", Text()),), open=True)


def test_alternatives_that_double_with_every_level_take_no_time():
    levels = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(28)}
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/d0"}, "b": {"type": "integer"}},
        "$defs": {**levels, "d28": {"type": "integer"}},
    }
    shape = shape_of(schema, 2020, {})  # 2^28 looks would take minutes
    assert shape == Record((Field("a", Json()), Field("b", Json())), open=True)
