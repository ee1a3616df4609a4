"""Where a JSON Schema holds further schemas, in any draft."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from .document import Path

_MAPS: Final = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLES: Final = (
    "items", "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip


def subschemas(schema: object, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every subschema that is a mapping, where the keywords of any draft put one."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for word in _MAPS:
        if isinstance(members := schema.get(word), dict):
            for name, member in members.items():
                yield from subschemas(member, (*path, word, name))
    for word in _LISTS:
        if isinstance(items := schema.get(word), list):
            for index, item in enumerate(items):
                yield from subschemas(item, (*path, word, index))
    for word in _SINGLES:
        yield from subschemas(schema.get(word), (*path, word))
