"""What a JSON Schema demands of each value, a line a place: the rules behind the types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .keywords import RULES

_BOUNDS_OF_TYPE: Final = frozenset((-(2**63), 2**63 - 1, -(2**31), 2**31 - 1))
_TOLD_ELSEWHERE: Final = frozenset(("type", "properties", "items", "required", "additionalProperties", "format"))
_ANNOTATIONS: Final = frozenset(
    ("$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "deprecated")
)
_LONGEST: Final = 160


def demands(schema: object) -> Iterator[tuple[str, str]]:
    """Yield each place of a record, ``wind.speed_mph`` or ``lines[].sku``, with what it must be beside its type.

    Types, formats and which top-level keys are required are told beside the columns; the bounds that an integer's
    width alone sets are left out, and what stands behind a ``$ref`` is named and not followed.

    >>> list(demands({"properties": {"n": {"type": "integer", "minimum": 1}}}))
    [('n', 'minimum 1')]
    """
    yield from _below(schema, "", required=False)


def _below(schema: object, place: str, *, required: bool) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, Mapping):
        return
    told = [_told(keyword, value) for keyword, value in schema.items() if _tells(keyword, value)]
    if required and "." in place:
        told.insert(0, "required")
    if told:
        yield place or "(record)", ", ".join(told)
    names = schema.get("required")
    for name, inner in _mapping(schema.get("properties")).items():
        below = f"{place}.{name}" if place else str(name)
        yield from _below(inner, below, required=isinstance(names, list) and name in names)
    yield from _below(schema.get("items"), f"{place}[]", required=False)


def _tells(keyword: str, value: object) -> bool:
    if keyword in _TOLD_ELSEWHERE or keyword in _ANNOTATIONS:
        return False
    return not (keyword in ("minimum", "maximum") and value in _BOUNDS_OF_TYPE)


def _told(keyword: str, value: object) -> str:
    if keyword in RULES and isinstance(value, Mapping):  # a bound in time says more than its limit to the judge
        value = value.get("limit", value.get("zone", ""))
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
    name = RULES.get(keyword, keyword)
    return f"{name} {text if len(text) <= _LONGEST else text[:_LONGEST] + '…'}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
