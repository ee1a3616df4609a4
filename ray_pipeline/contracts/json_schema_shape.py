"""From a bare JSON Schema to its landing shape, conservatively: a type only where *every* valid record has it.

A schema says what is allowed, not what a column is. A place is typed when the schema, its local and given
references, its ``allOf`` and its nullable unions leave exactly one kind of value there; everything else lands as
JSON text. Keywords that only narrow further (``if``, ``not``, ``dependentSchemas``) can be left aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import unquote, urljoin

import jsonschema_rs

from .engine import JSON_SCHEMA_DRAFTS, compile_schema
from .shape import (
    EXTRA,
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

_ROOT: Final = "urn:ray-pipeline:contract"
_DEEPEST: Final = 32
_MOST_FIELDS: Final = 5_000
_MOST_PARTS: Final = 200
_MOST_LOOKS: Final = 50_000
"""Alternatives inside alternatives double with every level; past this a place may be anything, which is safe."""
_FRACTION: Final = "fraction"
_NUMBER: Final = frozenset(("integer", _FRACTION))
_ANYTHING: Final = _NUMBER | {"null", "boolean", "object", "array", "string"}
_NULL: Final = frozenset(("null",))
_HIDING: Final = ("if", "then", "else", "dependentSchemas", "anyOf", "oneOf", "$dynamicRef", "$recursiveRef", "not")
"""Keywords whose subschemas may evaluate keys that ``unevaluatedProperties`` then lets pass."""
_FORMATS: Final[Mapping[str, Shape]] = {"date-time": Timestamp(), "date": Date()}
_DRAFTS: Final[Mapping[int, int]] = {
    4: jsonschema_rs.Draft4,
    6: jsonschema_rs.Draft6,
    7: jsonschema_rs.Draft7,
    2019: jsonschema_rs.Draft201909,
    2020: jsonschema_rs.Draft202012,
}

Types = frozenset[str]


def shape_of(document: dict[str, Any] | bool, draft: int, resources: Mapping[str, object]) -> RootShape:
    """Return what every valid record of this schema lands as, formats taken as asserted.

    >>> shape_of({"type": "object", "properties": {"qty": {"type": ["integer", "null"]}}}, 2020, {})
    Record(fields=(Field(name='qty', shape=Integer(bits=64)),), open=True)
    >>> shape_of({"properties": {"qty": {"type": "integer"}}}, 2020, {})
    Json()
    """
    if not isinstance(document, dict) or not _is_standard(document):
        return Json()
    reader = _Reader(document, draft, resources)
    place = _Place(document, reader.root_uri)
    if reader.types(place) != {"object"}:
        return Json()
    shape = reader.record(list(reader.parts(place)), frozenset(), 0)
    return shape if isinstance(shape, Record) else Json()


@dataclass(frozen=True, slots=True)
class _Place:
    """A subschema, and the address that its references start from."""

    schema: object
    base: str
    references: frozenset[tuple[str, str]] = frozenset()
    """Those that led here: following one again would not end."""


class _Reader:
    def __init__(self, document: dict[str, Any], draft: int, resources: Mapping[str, object]) -> None:
        self._draft = draft
        self._id = "id" if draft == 4 else "$id"
        self._metaschema = document.get("$schema")
        own = document.get(self._id)
        self.root_uri = urljoin(_ROOT, own) if isinstance(own, str) and not own.startswith("#") else _ROOT
        self._fields = 0
        self._looks = 0
        self._documents = {**resources, self.root_uri: document}
        try:
            self._registry: jsonschema_rs.Registry | None = _registry(self.root_uri, document, draft, resources)
        except (ValueError, jsonschema_rs.ReferencingError):
            self._registry = None

    def parts(self, place: _Place) -> Iterator[_Place]:
        """Yield the schemas that must all hold here: the schema, what it refers to, its ``allOf``."""
        waiting = [place]
        for _ in range(_MOST_PARTS):
            if not waiting:
                return
            here = waiting.pop()
            schema = here.schema
            if not isinstance(schema, Mapping):
                yield here
                continue
            reference = schema.get("$ref")
            alone = isinstance(reference, str) and self._draft <= 7  # its siblings say nothing
            if not alone:
                here = self._rebased(here)
                yield here
                members = schema.get("allOf")
                waiting.extend(_Place(member, here.base, here.references) for member in _list(members))
            if isinstance(reference, str) and (target := self._follow(here, reference)) is not None:
                waiting.append(target)

    def types(self, place: _Place, depth: int = 0) -> Types:
        """Return the types that a value here can have at most."""
        self._looks += 1
        if self._looks > _MOST_LOOKS:
            return _ANYTHING
        possible = _ANYTHING
        for part in self.parts(place):
            if part.schema is False:
                return frozenset()
            if not isinstance(part.schema, Mapping):
                continue
            possible &= _said(part.schema)
            for keyword in ("anyOf", "oneOf"):
                members = _list(part.schema.get(keyword))
                if members and depth < _DEEPEST:
                    places = (_Place(member, part.base, part.references) for member in members)
                    possible &= frozenset().union(*(self.types(place, depth + 1) for place in places))
        return possible

    def shape(self, places: list[_Place], seen: frozenset[tuple[str, str]], depth: int) -> Shape:
        """Return the shape of a value for which all these schemas hold."""
        if depth > _DEEPEST or self._fields > _MOST_FIELDS:
            return Json()
        parts = [part for place in places for part in self.parts(place)]
        if any(part.references & seen for part in parts):
            return Json()  # a schema inside itself: no end of columns
        possible = _ANYTHING
        for place in places:
            possible &= self.types(place)
        for part in list(parts):
            parts.extend(self._only_alternative(part))
        match sorted(possible - _NULL):
            case ["string"]:
                return self._text(parts)
            case ["integer"]:
                return Integer()
            case ["fraction"] | ["fraction", "integer"]:
                return Number()
            case ["boolean"]:
                return Boolean()
            case ["object"]:
                return self.record(parts, seen, depth)
            case ["array"]:
                return self._array(parts, seen, depth)
            case _:
                return Json()

    def record(self, parts: list[_Place], seen: frozenset[tuple[str, str]], depth: int) -> Record | Json:
        """Return the record of an object for which all these parts hold; JSON text where it would have no columns."""
        inside = seen.union(*(part.references for part in parts))
        named: dict[str, list[_Place]] = {}
        for part, schema in _mappings(parts):
            for name, member in _mapping(schema.get("properties")).items():
                named.setdefault(name, []).append(_Place(member, part.base))
        self._fields += len(named)
        fields = tuple(
            Field(name, self.shape(places, inside, depth + 1))
            for name, places in named.items()
            if _is_writable(name) and not any(place.schema is False for place in places)
        )
        is_open = not self._is_closed(parts)
        if not fields and (depth > 0 or not is_open):
            return Json()
        if depth > 0 and is_open and EXTRA in named:
            return Json()
        return Record(fields, is_open)

    def _is_closed(self, parts: list[_Place]) -> bool:
        schemas = [schema for _, schema in _mappings(parts)]
        if any(
            schema.get("additionalProperties") is False and not schema.get("patternProperties") for schema in schemas
        ):
            return True
        unevaluated = {
            schema["unevaluatedProperties"] is False for schema in schemas if "unevaluatedProperties" in schema
        }
        if self._draft < 2019 or unevaluated != {True}:
            return False
        covering = ("patternProperties", "additionalProperties", *_HIDING)
        return not any(keyword in schema for schema in schemas for keyword in covering)

    def _array(self, parts: list[_Place], seen: frozenset[tuple[str, str]], depth: int) -> Shape:
        items: list[_Place] = []
        for part, schema in _mappings(parts):
            if "prefixItems" in schema or isinstance(schema.get("items"), list):
                return Json()
            if "items" in schema:
                items.append(_Place(schema["items"], part.base))
        inside = seen.union(*(part.references for part in parts))
        shape = self.shape(items, inside, depth + 1) if items else Json()
        return Json() if isinstance(shape, Json) else ListOf(shape)

    def _text(self, parts: list[_Place]) -> Shape:
        for _, schema in _mappings(parts):
            found = _FORMATS.get(str(schema.get("format")))
            if found is not None and _asserts(str(schema["format"]), self._draft):
                return found
        return Text()

    def _only_alternative(self, part: _Place) -> Iterator[_Place]:
        """Yield what must hold of a value that is not null: the one alternative that is more than null."""
        if not isinstance(part.schema, Mapping):
            return
        for keyword in ("anyOf", "oneOf"):
            members = [_Place(member, part.base, part.references) for member in _list(part.schema.get(keyword))]
            more = [member for member in members if not self.types(member) <= _NULL]
            if len(more) == 1:
                yield from self.parts(more[0])

    def _rebased(self, place: _Place) -> _Place:
        own = place.schema.get(self._id) if isinstance(place.schema, Mapping) else None
        if not isinstance(own, str) or own.startswith("#"):
            return place
        return _Place(place.schema, urljoin(place.base, own), place.references)

    def _follow(self, place: _Place, reference: str) -> _Place | None:
        """Look a reference up; None where it leads nowhere, round in a circle, or to another dialect."""
        step = (place.base, reference)
        if self._registry is None or step in place.references:
            return None
        try:
            found = self._registry.resolver(place.base).lookup(reference)
        except (ValueError, jsonschema_rs.ReferencingError):
            return None
        schema = found.contents
        if isinstance(schema, dict) and schema.get("$schema", self._metaschema) != self._metaschema:
            return None
        written = self._as_written(_address(place.base, reference))
        return _Place(written if written == schema else schema, found.resolver.base_uri, place.references | {step})

    def _as_written(self, address: str) -> object:
        """Look up a document and a pointer by hand: the registry forgets the order of keys, which is the columns'."""
        url, _, fragment = address.partition("#")
        found: Any = self._documents.get(url)
        for step in unquote(fragment).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if name.isdigit() and int(name) < len(found) else None
            else:
                found = _mapping(found).get(name)
        return found


def _address(base: str, reference: str) -> str:
    """Resolve a reference; ``urljoin`` alone knows no ``urn:``."""
    return base.partition("#")[0] + reference if reference.startswith("#") else urljoin(base, reference)


def _registry(
    uri: str, document: dict[str, Any], draft: int, resources: Mapping[str, object]
) -> jsonschema_rs.Registry:
    def retrieve(asked: str) -> Any:
        for name in (asked, asked.removesuffix("#"), f"{asked}#"):
            if name in resources:
                return resources[name]
        raise LookupError(asked)

    return jsonschema_rs.Registry([(uri, document)], draft=_DRAFTS[draft], retriever=retrieve)


def _said(schema: Mapping[str, Any]) -> Types:
    """Return the types that ``type``, ``enum`` and ``const`` leave."""
    possible = _ANYTHING
    said = schema.get("type")
    if said is not None:
        possible &= frozenset().union(*map(_type, [said] if isinstance(said, str) else _list(said)))
    if "const" in schema:
        possible &= _type_of(schema["const"])
    if isinstance(schema.get("enum"), list):
        possible &= frozenset().union(*map(_type_of, schema["enum"]))
    return possible


def _type(name: object) -> Types:
    return _NUMBER if name == "number" else frozenset((str(name),)) & _ANYTHING


def _type_of(value: object) -> Types:
    match value:
        case None:
            return _NULL
        case bool():
            return frozenset(("boolean",))
        case int() | float():
            return frozenset(("integer" if float(value).is_integer() else _FRACTION,))
        case str():
            return frozenset(("string",))
        case list():
            return frozenset(("array",))
        case _:
            return frozenset(("object",))


@cache
def _asserts(form: str, draft: int) -> bool:
    """Whether this draft checks the format: one that it does not know may be any text."""
    return not compile_schema({"format": form}, draft, assert_formats=True, resources={}).is_valid("no such text")


def _is_standard(document: Mapping[str, Any]) -> bool:
    """Whether the schema is of a dialect whose ``type`` is known to decide."""
    metaschema = document.get("$schema")
    return metaschema is None or (isinstance(metaschema, str) and metaschema.removesuffix("#") in JSON_SCHEMA_DRAFTS)


def _is_writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate: no valid record has this key
        return False
    return True


def _mappings(parts: Iterable[_Place]) -> Iterator[tuple[_Place, Mapping[str, Any]]]:
    for part in parts:
        if isinstance(part.schema, Mapping):
            yield part, part.schema


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
