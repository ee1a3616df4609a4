"""ODCS properties, and the containers that hold them: objects, arrays and maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import odcs_times, odcs_types
from .document import Path
from .engine import compile_schema
from .odcs_options import Compiled, Compiling, Options
from .schema_errors import shown
from .shape import EXTRA, Field, Json, ListOf, Record

_MEASURE = "measure"
_PARTS = {"properties": "object", "items": "array", "map": "map"}
"""A part of a property → the only logicalType that it belongs to."""


def compile_members(
    compiling: Compiling, members: list[Any], path: Path, *, reserved: tuple[str, ...] = ()
) -> tuple[dict[str, Any], Record]:
    """The schema keywords and the fields of an object's properties; ``path`` is that of the list."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    fields: list[Field] = []
    for index, member in enumerate(members):
        name = member.get("name") if isinstance(member, Mapping) else None
        if not isinstance(name, str):
            continue
        here: Path = (*path, index)
        if member.get("semanticType") == _MEASURE:
            compiling.warn((*here, "semanticType"), "a measure is computed, not part of a record; it is no column")
            continue
        _check_name(compiling, name, here, properties, reserved)
        compiled = compile_property(compiling, member, here)
        properties[name] = compiled.schema
        fields.append(Field(name, compiled.shape))
        if is_required(member):
            required.append(name)
    schema: dict[str, Any] = {"properties": properties}
    if required:
        schema["required"] = required
    if not compiling.open_content:
        schema["additionalProperties"] = False
    return schema, Record(tuple(fields), open=compiling.open_content)


def is_required(member: Mapping[str, Any]) -> bool:
    """Present and not null; a primary key always is."""
    return member.get("required") is True or member.get("primaryKey") is True


def _check_name(
    compiling: Compiling, name: str, path: Path, known: Mapping[str, Any], reserved: tuple[str, ...]
) -> None:
    if not name:
        compiling.refuse((*path, "name"), "is empty; write the record's key")
    if name in known:
        compiling.refuse((*path, "name"), f"{name} a second time; each key of an object has one property")
    if name in reserved:
        compiling.refuse((*path, "name"), f"{name} is a column that landing adds; rename it")
    elif name == EXTRA and compiling.open_content:
        compiling.refuse((*path, "name"), f"{name} is where open content keeps other keys; rename it")


def compile_property(compiling: Compiling, member: Mapping[str, Any], path: Path) -> Compiled:
    """What a property's value must be (null too, where it is not required) and what it lands as."""
    refused = len(compiling.problems)
    logical_type = member.get("logicalType")
    options = Options(compiling, member, path)
    _refuse_foreign_parts(compiling, member, path)
    compiled = _compile_type(compiling, logical_type, member, path, options)
    if compiled is None:  # reported by the standard's schema
        return Compiled({}, Json())
    options.finish(str(logical_type))
    schema = compiled.schema
    if len(compiling.problems) == refused and odcs_types.is_impossible(schema):
        compiling.refuse((*path, "logicalTypeOptions"), "no value satisfies these together; correct one of them")
    elif "enum" in member:
        schema = schema | _enum(compiling, member, schema, path)
    return Compiled(schema if is_required(member) else _or_null(schema), compiled.shape)


def _compile_type(
    compiling: Compiling, logical_type: object, member: Mapping[str, Any], path: Path, options: Options
) -> Compiled | None:
    match logical_type:
        case "string":
            return odcs_types.string(options, assert_formats=compiling.assert_formats)
        case "integer":
            return odcs_types.integer(options)
        case "number":
            return odcs_types.number(options)
        case "boolean":
            return odcs_types.boolean(options)
        case "vector":
            return odcs_types.vector(options)
        case "date":
            return odcs_times.date(options)
        case "timestamp":
            return odcs_times.timestamp(options)
        case "time":
            return odcs_times.time(options)
        case "object":
            return _object(compiling, member, path, options)
        case "array":
            return _array(compiling, member, path, options)
        case "map":
            return _map(compiling, member, path)
        case _:
            return None


def _object(compiling: Compiling, member: Mapping[str, Any], path: Path, options: Options) -> Compiled:
    members = member.get("properties")
    if isinstance(members, list) and members:
        inner, shape = compile_members(compiling, members, (*path, "properties"))
        schema = {"type": "object"} | inner
    else:  # free-form: whatever it holds lands as JSON text
        schema, shape = {"type": "object"}, None
    for name in ("minProperties", "maxProperties"):
        if (count := options.take(name, int, float)) is not None:
            schema[name] = int(count)
    names = options.take("required", list)
    if names is not None:
        known = schema.get("properties", {})
        for index, name in enumerate(names):
            if shape is not None and not shape.open and isinstance(name, str) and name not in known:
                compiling.refuse(
                    (*path, "logicalTypeOptions", "required", index),
                    f"{name!r} is no property of this object, which is closed; add it, or take this out",
                )
        named = [name for name in names if isinstance(name, str)]
        schema["required"] = list(dict.fromkeys([*schema.get("required", ()), *named]))
    return Compiled(schema, Json() if shape is None else shape)


def _array(compiling: Compiling, member: Mapping[str, Any], path: Path, options: Options) -> Compiled:
    schema: dict[str, Any] = {"type": "array"}
    for name in ("minItems", "maxItems"):
        if (count := options.take(name, int, float)) is not None:
            schema[name] = int(count)
    if options.take("uniqueItems", bool):
        schema["uniqueItems"] = True
    items = member.get("items")
    if not isinstance(items, Mapping):
        return Compiled(schema, ListOf(Json()))
    compiled = compile_property(compiling, items, (*path, "items"))
    return Compiled(schema | {"items": compiled.schema}, ListOf(compiled.shape))


def _map(compiling: Compiling, member: Mapping[str, Any], path: Path) -> Compiled:
    parts = member.get("map")
    key = parts.get("key") if isinstance(parts, Mapping) else None
    value = parts.get("value") if isinstance(parts, Mapping) else None
    if not isinstance(key, Mapping) or not isinstance(value, Mapping):
        return Compiled({"type": "object"}, Json())
    key_path = (*path, "map", "key")
    if key.get("logicalType") not in ("string", "date", "timestamp", "time", None):
        compiling.refuse((*key_path, "logicalType"), "a JSON key is text; use string, with a pattern where it helps")
    names = compile_property(compiling, {**key, "required": True}, key_path)
    values = compile_property(compiling, value, (*path, "map", "value"))
    return Compiled({"type": "object", "propertyNames": names.schema, "additionalProperties": values.schema}, Json())


def _refuse_foreign_parts(compiling: Compiling, member: Mapping[str, Any], path: Path) -> None:
    logical_type = member.get("logicalType")
    for part, owner in _PARTS.items():
        if part in member and isinstance(logical_type, str) and logical_type != owner:
            compiling.refuse((*path, part), f"belongs to logicalType: {owner}, this is {logical_type}; take one out")


def _enum(compiling: Compiling, member: Mapping[str, Any], schema: dict[str, Any], path: Path) -> dict[str, Any]:
    entries = member["enum"]
    if not isinstance(entries, list):
        return {}
    try:
        judge = compile_schema(schema, 2020, assert_formats=True, resources={}, ours=True)
    except ValueError:  # an option is wrong in itself; that is reported where it stands
        return {}
    values = []
    for index, entry in enumerate(entries):
        if not isinstance(entry, Mapping) or "value" not in entry:
            continue
        here: Path = (*path, "enum", index, "value")
        value = entry["value"]
        if value is None and not is_required(member):
            compiling.warn(here, "null is allowed already where required is not true; take it out")
        elif not judge.is_valid(value):
            compiling.refuse(
                here,
                f"{shown(value)} is no {member.get('logicalType')} that this property allows{_quoting(member, value)}",
            )
        else:
            values.append(value)
    return {"enum": values}


def _quoting(member: Mapping[str, Any], value: object) -> str:
    is_text = member.get("logicalType") in ("string", "date", "timestamp", "time")
    return "; quote it to make it text" if is_text and isinstance(value, bool | int | float) else "; correct it"


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    wider = schema | {"type": [schema["type"], "null"]}
    if "enum" in schema:
        wider["enum"] = [*schema["enum"], None]
    return wider
