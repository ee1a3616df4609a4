"""An ODCS contract: each of its schema objects, compiled to a JSON Schema and a shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ray_pipeline.errors import Problem

from .document import Document, Path
from .odcs_expectations import expectations_of
from .odcs_lint import standard_problems
from .odcs_options import Compiling
from .odcs_records import compile_members, is_required
from .odcs_settings import Settings, read_settings
from .shape import EXTRA, OUR_COLUMNS, VALUE, Record

DRAFT = 2020
_RESERVED = (*OUR_COLUMNS, EXTRA, VALUE)
_NEW_TYPES = ("map", "vector")
_MARKS = ("kind", "apiVersion")


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """One dataset of a contract."""

    name: str
    physical_name: str | None
    json_schema: dict[str, Any]
    shape: Record
    settings: Settings


def is_odcs(data: object) -> bool:
    """Whether a file means to be an ODCS contract: it names the kind or the version, and no ``$schema``."""
    if not isinstance(data, Mapping) or "$schema" in data:
        return False
    return data.get("kind") == "DataContract" or "apiVersion" in data or _looks_like_one(data)


def _looks_like_one(data: Mapping[str, Any]) -> bool:
    """It forgot kind and apiVersion, yet holds what no JSON Schema has: ``schema``, a list of named objects."""
    objects = data.get("schema")
    return isinstance(objects, list) and any(isinstance(item, Mapping) and "name" in item for item in objects)


def read_objects(document: Document, *, assert_formats: bool) -> tuple[list[SchemaObject], list[Problem]]:
    """Compile every schema object of the file; problems and warnings of the whole file, in its order."""
    problems = list(standard_problems(document))
    said = {(problem.line, problem.key) for problem in problems}  # a key that the standard refuses is refused once
    data = document.data
    objects: list[SchemaObject] = []
    if isinstance(data, Mapping):
        problems += _identity_problems(document, data)
        listed = data.get("schema")
        for index, item in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(item, Mapping) and isinstance(item.get("name"), str):
                compiled, found = _compile_object(document, data, item, ("schema", index), assert_formats)
                objects.append(compiled)
                problems += [problem for problem in found if (problem.line, problem.key) not in said]
        problems += _repeated_names(document, objects)
    return objects, list(dict.fromkeys(problems))


def _identity_problems(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("id", "version"):
        if data.get(name) == "":
            yield document.problem((name,), "is empty; every landed row carries it")
    if not data.get("schema"):
        yield document.problem(("schema",), "missing; list the object whose records this contract is about")


def _repeated_names(document: Document, objects: list[SchemaObject]) -> Iterator[Problem]:
    seen: set[str] = set()
    for item in objects:
        if item.name in seen:
            yield document.problem(("schema",), f"{item.name} names two objects; give each a name of its own")
        seen.add(item.name)


def _compile_object(
    document: Document, data: Mapping[str, Any], item: Mapping[str, Any], path: Path, assert_formats: bool
) -> tuple[SchemaObject, list[Problem]]:
    compiling = Compiling(document, open_content=False, assert_formats=assert_formats)
    settings = read_settings(compiling, data, item, path)
    compiling.open_content = settings.content == "open"
    members = item.get("properties")
    if not isinstance(members, list) or not members:
        compiling.refuse((*path, "properties"), "missing; list the keys of a record")
        members = []
    schema, shape = compile_members(compiling, members, (*path, "properties"), reserved=_RESERVED)
    _check_event_time(compiling, settings, members)
    expectations_of(compiling, data, item, path, settings)  # for what is wrong with them; read again when needed
    _warn(compiling, data, members, (*path, "properties"))
    root = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"} | schema
    physical = item.get("physicalName")
    named = physical if isinstance(physical, str) else None
    return SchemaObject(item["name"], named, root, shape, settings), compiling.problems


def _check_event_time(compiling: Compiling, settings: Settings, members: list[Any]) -> None:
    name = settings.event_time
    if name is None:
        return
    column = next((m for m in members if isinstance(m, Mapping) and m.get("name") == name), None)
    if column is None:
        names = ", ".join(str(m.get("name")) for m in members if isinstance(m, Mapping))
        compiling.refuse(settings.event_time_path, f"{name} is no top-level property; there are: {names}")
    elif column.get("logicalType") not in ("timestamp", "date"):
        compiling.refuse(settings.event_time_path, f"{name} is {column.get('logicalType')}; name a timestamp or a date")
    elif not is_required(column):
        compiling.refuse(settings.event_time_path, f"{name} may be absent; add required: true to it")


def _warn(compiling: Compiling, data: Mapping[str, Any], members: list[Any], path: Path) -> None:
    named = [m for m in members if isinstance(m, Mapping) and isinstance(m.get("name"), str)]
    other = [m["name"] for m in named if m.get("physicalName", m["name"]) != m["name"]]
    if other:
        few = ", ".join(other[:3]) + (" …" if len(other) > 3 else "")
        compiling.warn(path, f"physicalName is not used: a record's keys are the names ({few})")
    version = str(data.get("apiVersion"))
    if not version.startswith(("v3.0", "v3.1")):
        return
    for index, member in enumerate(members):
        if not isinstance(member, Mapping):
            continue
        if member.get("logicalType") in _NEW_TYPES:
            compiling.warn((*path, index, "logicalType"), f"{member['logicalType']} is of v3.2.0, this file {version}")
        if "enum" in member:
            compiling.warn((*path, index, "enum"), f"is of v3.2.0, this file says {version}")
