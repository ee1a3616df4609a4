"""jsonschema-rs errors about a file that a person wrote, as one helpful sentence each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

from ray_pipeline.errors import Problem

from .document import Document, Path

Kind = jsonschema_rs.ValidationErrorKind
_WORDS = {
    "string": "text", "object": "a mapping", "array": "a list", "boolean": "true or false", "integer": "an integer",
    "number": "a number", "null": "null",
}  # fmt: skip
_ORDER = ("string", "number", "integer", "boolean", "array", "object", "null")
_HINTS = {"topic": "; the topic is the schema object's physicalName"}
_MAX_VALUE = 60


def problems_of(
    errors: Iterable[jsonschema_rs.ValidationError], document: Document, schema: Mapping[str, Any]
) -> Iterator[Problem]:
    """Say each error once, for the deepest thing that is wrong; ``schema`` is the one that they come from."""
    found: dict[tuple[Path, str], Problem] = {}
    for error in errors:
        for path, message in _sentences(error, document, schema):
            found.setdefault((path, message), document.problem(path, message))
    yield from found.values()


def nearest(word: str, known: Iterable[str]) -> str:
    """A suffix that offers the known word that was probably meant, or nothing.

    >>> nearest("requried", ["required", "unique"])
    '; did you mean required?'
    """
    by_fold = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return f"; did you mean {by_fold[close[0]]}?" if close else ""


def _sentences(
    error: jsonschema_rs.ValidationError, document: Document, schema: Mapping[str, Any]
) -> Iterator[tuple[Path, str]]:
    path: Path = tuple(error.instance_path)
    kind = error.kind
    if isinstance(kind, Kind.AnyOf | Kind.OneOfNotValid):
        yield from _alternatives(error, kind.context, document, schema)
    elif isinstance(kind, Kind.AdditionalProperties | Kind.UnevaluatedProperties):
        known = known_keys(schema, error.schema_path[:-1])
        for name in kind.unexpected:
            if name not in known:
                yield (*path, name), f"unknown key{_HINTS.get(name) or nearest(name, known)}"
    elif isinstance(kind, Kind.Required):
        yield (*path, kind.property), f"missing{_meaning(schema, error.schema_path[:-1], kind.property)}"
    elif isinstance(kind, Kind.Type):
        yield path, _wrong_type(kind.types, path, document, error.instance)
    elif isinstance(kind, Kind.Enum):
        yield path, _not_among(kind.options, error.instance)
    elif isinstance(kind, Kind.Not):
        rule = _resolve(schema, error.schema_path[:-1])
        reason = rule.get("description") if isinstance(rule, Mapping) else None
        yield path, str(reason or "must not be like this")
    elif isinstance(kind, Kind.Minimum | Kind.ExclusiveMinimum | Kind.Maximum | Kind.ExclusiveMaximum):
        words = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
        yield path, f"must be {words[kind.name]} {kind.limit}, got {shown(error.instance)}"
    elif isinstance(kind, Kind.Pattern):
        yield path, f"{shown(error.instance)} does not match {kind.pattern}"
    elif isinstance(kind, Kind.OneOfMultipleValid):
        yield path, _too_many(error, schema)
    elif isinstance(kind, Kind.UniqueItems):
        yield path, "holds the same item twice"
    else:
        yield path, error.message[:200]


def _alternatives(
    error: jsonschema_rs.ValidationError,
    branches: list[list[jsonschema_rs.ValidationError]],
    document: Document,
    schema: Mapping[str, Any],
) -> Iterator[tuple[Path, str]]:
    """The branch that the author probably meant speaks; where all want another type, one sentence names the types."""
    path: Path = tuple(error.instance_path)
    types: list[str] = []
    options: list[Any] = []
    fitting: list[list[jsonschema_rs.ValidationError]] = []
    for branch in branches:
        here = [e for e in branch if len(e.instance_path) <= len(error.instance_path)]
        wrong_type = next((e for e in here if isinstance(e.kind, Kind.Type)), None)
        if wrong_type is not None and isinstance(wrong_type.kind, Kind.Type):
            types += wrong_type.kind.types
        elif branch:
            fitting.append(branch)
            options += [o for e in here if isinstance(e.kind, Kind.Enum) for o in e.kind.options]
    if not fitting:
        yield path, _wrong_type(list(dict.fromkeys(types)), path, document, error.instance)
    elif options:
        yield path, _not_among(options, error.instance)
    elif all(isinstance(e.kind, Kind.Required) and len(e.instance_path) == len(path) for b in fitting for e in b):
        wanted = [e.kind.property for b in fitting for e in b if isinstance(e.kind, Kind.Required)]
        yield path, f"needs one of {', '.join(dict.fromkeys(wanted))}"
    else:
        best = min(fitting, key=lambda branch: (len(branch), -max(len(e.instance_path) for e in branch)))
        for inner in best:
            yield from _sentences(inner, document, schema)


def _too_many(error: jsonschema_rs.ValidationError, schema: Mapping[str, Any]) -> str:
    """Several alternatives at once: the keys that chose them."""
    branches = _resolve(schema, error.schema_path)
    wanted = [name for branch in branches for name in branch.get("required", ())] if isinstance(branches, list) else []
    names = [name for name in wanted if isinstance(error.instance, Mapping) and name in error.instance]
    return f"says {' and '.join(names)}; keep one" if len(names) > 1 else "is several things at once; make it one"


def _wrong_type(types: list[str], path: Path, document: Document, value: object) -> str:
    wanted = " or ".join(_WORDS[name] for name in _ORDER if name in types and (name, "number") not in _within(types))
    written = document.written.get(path)
    if "string" in types and written and isinstance(value, bool | int | float):
        what = "true or false" if isinstance(value, bool) else f"the number {value}"
        return f'must be {wanted}, but YAML reads {written} as {what}; quote it: "{written}"'
    if types == ["boolean"] and isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
        return f"must be true or false; {value} is text in YAML 1.2"
    return f"must be {wanted}, got {shown(value)}"


def _within(types: list[str]) -> set[tuple[str, str]]:
    """A number may be an integer: naming both says nothing more."""
    return {("integer", "number")} if "number" in types else set()


def _not_among(options: list[Any], value: object) -> str:
    words = [option if isinstance(option, str) else repr(option) for option in options]
    hint = nearest(value, words) if isinstance(value, str) else ""
    return f"{shown(value)} is not one of {', '.join(words)}{hint}"


def shown(value: object) -> str:
    """A value of the author's as YAML writes it, cut where it is long."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "…"


def _meaning(schema: Mapping[str, Any], schema_path: list[str | int], name: str) -> str:
    rule = _resolve(schema, schema_path)
    described = rule.get("properties", {}).get(name, {}) if isinstance(rule, Mapping) else {}
    text = described.get("description") if isinstance(described, Mapping) else None
    return f": {str(text).split('. ')[0].rstrip('.')}" if text else "; write it"


def known_keys(schema: Mapping[str, Any], schema_path: list[str | int]) -> set[str]:
    """Every key that the rule at this path, or one that it builds on, gives a meaning."""
    keys: set[str] = set()
    seen: set[int] = set()
    todo = [_resolve(schema, schema_path)]
    while todo:
        rule = todo.pop()
        if not isinstance(rule, Mapping) or id(rule) in seen:
            continue
        seen.add(id(rule))
        keys |= rule.get("properties", {}).keys()
        reference = rule.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/"):
            todo.append(_resolve(schema, list(reference[2:].split("/"))))
        todo += [rule[word] for word in ("then", "else", "if") if word in rule]
        todo += [branch for word in ("allOf", "anyOf", "oneOf") for branch in rule.get(word, ())]
    return keys


def _resolve(schema: Mapping[str, Any], path: list[str | int]) -> Any:
    here: Any = schema
    for step in path:
        if isinstance(here, list):
            here = here[step] if isinstance(step, int) and step < len(here) else None
        else:
            here = here.get(step) if isinstance(here, Mapping) else None
    return here
