"""A bare JSON Schema as a contract: which draft it is, whether it is sound, and what it lands as."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard
from urllib.parse import urldefrag, urljoin

import jsonschema_rs

from ray_pipeline.errors import Problem

from .document import Document, Path
from .engine import JSON_SCHEMA_DRAFTS, METASCHEMAS, compile_schema, pattern_problem
from .json_schema_hints import hints
from .json_schema_shape import shape_of
from .schema_errors import nearest, problems_of
from .shape import EXTRA, OUR_COLUMNS, VALUE, Date, Field, Json, ListOf, Record, RootShape, Shape, Text, Timestamp
from .subschemas import subschemas

Schema = dict[str, Any] | bool
_RESERVED: Final = (*OUR_COLUMNS, EXTRA, VALUE)
_DEFAULT_DRAFT: Final = 2020
_REF_SILENCES_ITS_SIBLINGS: Final = 7
_MAX_BAD_REFS: Final = 50
_REFS: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_NOT_PRESENT: Final = re.compile(r"Resource '(?P<uri>.*?)' is not present")
_NO_POINTER: Final = re.compile(r"(?:Pointer|Anchor) '(?P<fragment>.*?)' does not exist")


@dataclass(frozen=True, slots=True)
class BareSchema:
    """A sound JSON Schema and what follows from it."""

    schema: Schema
    draft: int
    shape: RootShape


def read_schema_file(
    document: Document, resources: Mapping[str, object], *, assert_formats: bool
) -> tuple[BareSchema | None, list[Problem]]:
    """Check the schema against its metaschema, its references and its patterns, and find its shape."""
    schema = document.data
    if not _is_schema(schema):
        return None, [document.problem((), "a JSON Schema is a mapping, or true or false")]
    draft, metaschema, problem = _draft(document, schema, resources)
    if problem is not None:
        return None, [problem]
    problems = list(_unsound(document, schema, draft, metaschema, resources))
    if not problems:
        problems = [*_bad_patterns(document, schema, draft)]
        problems += _unreachable(document, schema, draft, resources, spare_patterns=bool(problems))
    if problems:
        return None, problems
    shape = shape_of(schema, draft, resources)
    shape = shape if assert_formats else _untimed_root(shape)
    if isinstance(shape, Record):
        for field in shape.fields:
            if field.name in _RESERVED:
                path: Path = ("properties", field.name)
                problems.append(document.problem(path, f"{field.name} is a column that landing adds; rename it"))
    problems += hints(document, schema, draft, assert_formats=assert_formats)
    return BareSchema(schema, draft, shape), problems


def _is_schema(value: object) -> TypeGuard[Schema]:
    return isinstance(value, dict | bool)


def _draft(document: Document, schema: Schema, resources: Mapping[str, object]) -> tuple[int, str, Problem | None]:
    """The draft and the metaschema that ``$schema`` names, itself or through metaschemas in ``resources``."""
    root = schema if isinstance(schema, dict) else {}
    first = uri = root.get("$schema", METASCHEMAS[_DEFAULT_DRAFT])
    for _ in range(len(resources) + 1):
        if not isinstance(uri, str):
            return 0, "", document.problem(("$schema",), "must be the address of a metaschema, as text")
        bare = uri.removesuffix("#")
        if bare in JSON_SCHEMA_DRAFTS:
            return JSON_SCHEMA_DRAFTS[bare], str(first), None
        resource = resources.get(bare, resources.get(uri))
        uri = resource.get("$schema") if isinstance(resource, Mapping) else None
        if uri is None:
            break
    known = ", ".join(JSON_SCHEMA_DRAFTS)
    hint = nearest(str(first), JSON_SCHEMA_DRAFTS) or f"; known: {known}"
    return 0, "", document.problem(("$schema",), f"{first} is no draft that is read, nor in resources{hint}")


def _unsound(
    document: Document, schema: Schema, draft: int, metaschema: str, resources: Mapping[str, object]
) -> Iterator[Problem]:
    check = compile_schema({"$ref": metaschema}, draft, assert_formats=False, resources=resources)
    yield from problems_of(check.iter_errors(schema), document, {})


def _bad_patterns(document: Document, schema: Schema, draft: int) -> Iterator[Problem]:
    for path, sub in subschemas(schema):
        if "$ref" in sub and draft <= _REF_SILENCES_ITS_SIBLINGS:
            continue
        patterns = [((*path, "pattern"), sub["pattern"])] if isinstance(sub.get("pattern"), str) else []
        if isinstance(sub.get("patternProperties"), dict):
            patterns += [((*path, "patternProperties", name), name) for name in sub["patternProperties"]]
        for where, pattern in patterns:
            if reason := pattern_problem(pattern):
                yield document.problem(where, f"{pattern!r} {reason}")


def _unreachable(
    document: Document, schema: Schema, draft: int, resources: Mapping[str, object], *, spare_patterns: bool
) -> Iterator[Problem]:
    """Every reference that leads nowhere: each is reported, taken out, and the rest compiled again."""
    rest = copy.deepcopy(schema)
    if spare_patterns:
        _forget_patterns(rest)
    for _ in range(_MAX_BAD_REFS):
        try:
            compile_schema(rest, draft, assert_formats=True, resources=resources)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            message = getattr(error, "message", str(error)).splitlines()[0]
            culprits = list(_culprits(rest, message))
            if not culprits:
                yield from _other_fault(error, document, message)
                return
            for path, sub, word in culprits:
                yield document.problem((*path, word), _nowhere(sub.pop(word), draft))
        else:
            return
    yield document.problem((), "has more references that lead nowhere; correct these first")


def _other_fault(error: Exception, document: Document, message: str) -> Iterator[Problem]:
    if isinstance(error, jsonschema_rs.ValidationError) and not isinstance(
        error.kind, jsonschema_rs.ValidationErrorKind.Referencing
    ):
        yield from problems_of([error], document, {})
    else:
        yield document.problem((), f"is not sound: {message}")


def _nowhere(reference: object, draft: int) -> str:
    if not isinstance(reference, str) or reference.startswith("#"):
        return f"{reference} leads nowhere in this file; correct it"
    if urldefrag(reference).url.removesuffix("#") in JSON_SCHEMA_DRAFTS:
        return f"{reference} is the metaschema of another draft (this is {METASCHEMAS[draft]}); give it in resources"
    return f"{reference} is not in this file and not in resources; nothing is fetched, so give it there"


def _culprits(schema: Schema, message: str) -> Iterator[tuple[Path, dict[str, Any], str]]:
    missing, pointer = _NOT_PRESENT.search(message), _NO_POINTER.search(message)
    for path, sub in subschemas(schema):
        for word in _REFS:
            reference = sub.get(word)
            if not isinstance(reference, str):
                continue
            url, fragment = urldefrag(reference)
            gone = missing is not None and bool(url) and _names(missing.group("uri"), url, _bases(schema, path))
            dangling = pointer is not None and fragment == pointer.group("fragment")
            if gone or dangling:
                yield path, sub, word


def _names(uri: str, url: str, bases: list[str]) -> bool:
    target = urldefrag(uri).url
    return target == url or any(urljoin(base, url) == target for base in bases) or target.endswith(url.lstrip("./"))


def _bases(schema: Schema, path: Path) -> list[str]:
    """The ``$id``s on the way to a subschema, each resolved against the one above."""
    bases: list[str] = []
    here: Any = schema
    for step in (None, *path):
        here = here if step is None else here[step]
        own = here.get("$id", here.get("id")) if isinstance(here, dict) else None
        if isinstance(own, str):
            bases.append(urljoin(bases[-1], own) if bases else own)
    return bases


def _forget_patterns(schema: Schema) -> None:
    for _, sub in list(subschemas(schema)):
        if isinstance(sub.get("pattern"), str):
            sub.pop("pattern")
        if isinstance(sub.get("patternProperties"), dict):
            sub["allOf"] = [*sub.get("allOf", ()), *sub.pop("patternProperties").values()]


def _untimed_root(shape: RootShape) -> RootShape:
    untimed = _untimed(shape)
    return untimed if isinstance(untimed, Record) else Json()


def _untimed(shape: Shape) -> Shape:
    """Where ``format`` decides nothing, a date may be any text, and lands as text."""
    match shape:
        case Date() | Timestamp():
            return Text()
        case ListOf(items):
            return ListOf(_untimed(items))
        case Record(fields, is_open):
            return Record(tuple(Field(f.name, _untimed(f.shape)) for f in fields), is_open)
        case _:
            return shape
