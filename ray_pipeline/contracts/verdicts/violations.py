"""From an error of jsonschema-rs to a :class:`Violation`: our words, never the record's values.

The library's own messages quote the offending value, and masked ones still quote surplus keys; so no message is
taken from it. What a keyword demands comes from the contract and may be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final

import jsonschema_rs

from ray_pipeline.contracts.keywords import RULES
from ray_pipeline.types import Violation, json_pointer

from .codes import MORE
from .names import shown

MOST = 100
"""Violations kept per record; one more, ``record.more-violations``, says that there are others."""

_LONGEST_DEMAND = 200
_LISTED = 5
_REMEMBERED = 10_000
_MAPS: Final = frozenset(("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"))
_LISTS: Final = frozenset(("prefixItems", "items", "allOf", "anyOf", "oneOf"))


class Explainer:
    """Turns a validator's errors into violations; ``names`` are the keys that the contract names itself."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._known: dict[tuple[tuple[str | int, ...], ...], Violation] = {}

    def explain(self, errors: Iterable[jsonschema_rs.ValidationError]) -> tuple[Violation, ...]:
        """Return a violation per error, at most ``MOST`` and a marker."""
        found = [self._violation(error) for error in islice(errors, MOST + 1)]
        if len(found) > MOST:
            found[MOST] = Violation((), MORE, "", f"only the first {MOST} violations are listed")
        return tuple(found)

    def path(self, path: Iterable[str | int]) -> tuple[str | int, ...]:
        """Keep the contract's own names, and escape and cut the record's."""
        return tuple(part if part.__class__ is int or part in self._names else shown(str(part)) for part in path)

    def key(self, name: str) -> str:
        """Name one key of a record in a message."""
        return repr(name) if name in self._names else f"'{shown(name)}'"

    def _violation(self, error: jsonschema_rs.ValidationError) -> Violation:
        """Explain an error; the same place of record and schema gets the same violation again."""
        key = (tuple(error.evaluation_path), tuple(error.instance_path))
        known = self._known.get(key)
        if known is not None:
            return known
        kind: Any = error.kind
        name = type(kind).__name__
        words = _WORDS.get(name)
        violation = Violation(
            self.path(error.instance_path),
            _rule(kind, error.schema_path),
            json_pointer(tuple(error.schema_path)),
            words(kind) if words else self._about_keys(kind),
        )
        if words and name not in _OF_THE_RECORD:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = violation
        return violation

    def _about_keys(self, kind: Any) -> str:
        match kind:
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=keys):
                return f"keys that the contract does not name: {self._list(keys)}"
            case jsonschema_rs.ValidationErrorKind.UnevaluatedProperties(unexpected=keys):
                return f"keys that no part of the contract covers: {self._list(keys)}"
            case jsonschema_rs.ValidationErrorKind.PropertyNames(error=inner):
                words = _WORDS.get(type(inner.kind).__name__)
                return f"a key is not as the contract wants keys: {words(inner.kind) if words else 'not allowed'}"
        return f"breaks {kind.name}"

    def _list(self, keys: list[str]) -> str:
        listed = ", ".join(self.key(key) for key in keys[:_LISTED])
        return listed if len(keys) <= _LISTED else f"{listed} and {len(keys) - _LISTED} more"


def _rule(kind: Any, schema_path: list[str | int]) -> str:
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Custom):
        return RULES.get(kind.keyword, kind.keyword)
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.FalseSchema):
        return _keyword_of_false(schema_path)
    last = schema_path[-1] if schema_path else kind.name
    # The library calls dependentRequired "required" and minContains "contains".
    return last if isinstance(last, str) and last in _RENAMED else str(kind.name)


_OF_THE_RECORD: Final = frozenset(("Required", "Custom", "UnevaluatedItems", "AdditionalItems"))
"""One place, several messages: which key is missing, how many items are too many."""
_RENAMED: Final = frozenset(("dependentRequired", "dependencies", "minContains", "maxContains"))


def _keyword_of_false(schema_path: list[str | int]) -> str:
    """Name the keyword whose subschema is ``false``: ``false`` itself is none."""
    if len(schema_path) > 1 and (schema_path[-2] in _MAPS or isinstance(schema_path[-1], int)):
        return str(schema_path[-2])
    return str(schema_path[-1]) if schema_path else "false"


def _cut(text: object) -> str:
    demand = str(text)
    return demand if len(demand) <= _LONGEST_DEMAND else demand[:_LONGEST_DEMAND] + "…"


def _options(kind: Any) -> str:
    listed = ", ".join(repr(option) for option in kind.options[:_LISTED])
    more = f" and {len(kind.options) - _LISTED} more" if len(kind.options) > _LISTED else ""
    return _cut(f"not one of {listed}{more}")


_WORDS: Final[Mapping[str, Callable[[Any], str]]] = {
    "AdditionalItems": lambda kind: f"more than the {kind.limit} items that the contract describes",
    "AnyOf": lambda _: "fits none of the alternatives",
    "Constant": lambda kind: _cut(f"not the constant {kind.expected_value!r}"),
    "Contains": lambda _: "does not contain the right number of items that the contract asks for",
    "ContentEncoding": lambda kind: f"not encoded as {kind.content_encoding}",
    "ContentMediaType": lambda kind: f"not of media type {kind.content_media_type}",
    "Custom": lambda kind: str(kind.message),
    "Enum": _options,
    "ExclusiveMaximum": lambda kind: f"not below {kind.limit}",
    "ExclusiveMinimum": lambda kind: f"not above {kind.limit}",
    "FalseSchema": lambda _: "not allowed here",
    "Format": lambda kind: f"not in the format {kind.format}",
    "FromUtf8": lambda _: "not UTF-8 once decoded",
    "MaxItems": lambda kind: f"more than {kind.limit} items",
    "Maximum": lambda kind: f"above the maximum of {kind.limit}",
    "MaxLength": lambda kind: f"longer than {kind.limit} characters",
    "MaxProperties": lambda kind: f"more than {kind.limit} keys",
    "MinItems": lambda kind: f"fewer than {kind.limit} items",
    "Minimum": lambda kind: f"below the minimum of {kind.limit}",
    "MinLength": lambda kind: f"shorter than {kind.limit} characters",
    "MinProperties": lambda kind: f"fewer than {kind.limit} keys",
    "MultipleOf": lambda kind: f"not a multiple of {kind.multiple_of}",
    "Not": lambda _: "fits what the contract excludes",
    "OneOfMultipleValid": lambda _: "fits more than one of the alternatives",
    "OneOfNotValid": lambda _: "fits none of the alternatives",
    "Pattern": lambda kind: _cut(f"does not match the pattern {kind.pattern}"),
    "Required": lambda kind: f"{kind.property!r} is missing",
    "Type": lambda kind: f"not of type {' or '.join(sorted(kind.types))}",
    "UnevaluatedItems": lambda kind: f"{len(kind.unexpected)} items that no part of the contract covers",
    "UniqueItems": lambda _: "items are not unique",
}
