"""The Open Data Contract Standard's own schema, as its package ships it, and the versions of it that are read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from ray_pipeline.errors import Problem

from .document import Document, Path
from .schema_errors import problems_of

_CURRENT = re.compile(r"v3\.[12]\.[0-9]+")
_OLDER = re.compile(r"v3\.0\.[0-9]+")
_TYPED = "SchemaBaseProperty"
LOGICAL_TYPES = (
    "string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean", "map", "vector",
)  # fmt: skip


@cache
def official_schema() -> dict[str, Any]:
    """The JSON Schema in the ``open-data-contract-standard`` package."""
    text = files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft201909Validator(official_schema(), validate_formats=False, offline=True)


def standard_problems(document: Document) -> Iterator[Problem]:
    """Everything that the standard's schema says against the file, and against its version of the standard."""
    data = document.data
    if not isinstance(data, Mapping):
        yield document.problem((), "must be a mapping: an ODCS contract or a JSON Schema")
        return
    yield from _version_problems(document, data)
    errors = [e for e in _validator().iter_errors(data) if not _is_noise(e, data)]
    yield from problems_of(errors, document, official_schema())
    yield from _untyped(document, data)


def _version_problems(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    version = data.get("apiVersion")
    if not isinstance(version, str) or _CURRENT.fullmatch(version):
        return
    if _OLDER.fullmatch(version):
        message = f"{version} is read as v3.2.0; say v3.2.0 when the contract is next touched"
        yield document.problem(("apiVersion",), message, warning=True)
    elif re.fullmatch(r"3\.[0-9]+\.[0-9]+", version):
        yield document.problem(("apiVersion",), f"write it with a v: v{version}")
    else:
        yield document.problem(("apiVersion",), f"{version} is not read; migrate the contract to v3.1.0 or v3.2.0")


def _is_noise(error: jsonschema_rs.ValidationError, data: Mapping[str, Any]) -> bool:
    """What we say better elsewhere.

    The schema chooses a property's options by ``if logicalType is …``, which holds for a property without one: it
    must then satisfy every type at once. ``_untyped`` says what is really missing.
    """
    path: Path = tuple(error.instance_path)
    if path == ("apiVersion",):
        return isinstance(data.get("apiVersion"), str)
    typed = error.evaluation_path
    if _TYPED not in error.schema_path and "logicalTypeOptions" not in path:
        return False
    owner: Any = data
    if "logicalTypeOptions" in path:
        path = path[: path.index("logicalTypeOptions")]
    for step in path:
        owner = owner[step]
    has_type = isinstance(owner, Mapping) and owner.get("logicalType") in LOGICAL_TYPES
    return not has_type and "then" in typed


def _untyped(document: Document, data: Mapping[str, Any]) -> Iterator[Problem]:
    for path, owner in _properties(data.get("schema"), ("schema",)):
        if "logicalType" not in owner:
            types = ", ".join(LOGICAL_TYPES)
            yield document.problem((*path, "logicalType"), f"missing; a record cannot be judged without it: {types}")


def _properties(value: object, path: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every property of every schema object, with its path."""
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, Mapping):
            yield from _inside(item, (*path, index), is_property=len(path) > 1)


def _inside(
    owner: Mapping[str, Any], path: Path, *, is_property: bool = True
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    if is_property:
        yield path, owner
    yield from _properties(owner.get("properties"), (*path, "properties"))
    if isinstance(owner.get("items"), Mapping):
        yield from _inside(owner["items"], (*path, "items"))
    if isinstance(owner.get("map"), Mapping):
        for side in ("key", "value"):
            if isinstance(owner["map"].get(side), Mapping):
                yield from _inside(owner["map"][side], (*path, "map", side))
