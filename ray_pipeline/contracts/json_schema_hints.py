"""What JSON Schema passes over in silence, and its author should hear of: slips that switch a rule off."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Final

from ray_pipeline.errors import Problem

from .document import Document
from .engine import knows_format
from .subschemas import subschemas

_WORDS: Final = """
    $anchor $comment $defs $dynamicAnchor $dynamicRef $id $recursiveAnchor $recursiveRef $ref $schema $vocabulary
    additionalItems additionalProperties allOf anyOf const contains contentEncoding contentMediaType contentSchema
    default definitions dependencies dependentRequired dependentSchemas deprecated description else enum examples
    exclusiveMaximum exclusiveMinimum format id if items maxContains maxItems maxLength maxProperties maximum
    minContains minItems minLength minProperties minimum multipleOf not oneOf pattern patternProperties prefixItems
    properties propertyNames readOnly required then title type unevaluatedItems unevaluatedProperties uniqueItems
    version writeOnly
"""
_KEYWORDS: Final = frozenset(_WORDS.split())
_VERY_CLOSE: Final = 0.85


def hints(document: Document, schema: object, draft: int, *, assert_formats: bool) -> Iterator[Problem]:
    """Warnings: keywords that are nearly right, formats that nobody knows, a file that demands nothing."""
    if isinstance(schema, Mapping) and schema and not _KEYWORDS & schema.keys():
        message = "holds no keyword of JSON Schema, so it admits every record; is this the right file?"
        yield document.problem((), message, warning=True)
    for path, sub in subschemas(schema):
        for name in sub:
            if name not in _KEYWORDS and (close := difflib.get_close_matches(name, _KEYWORDS, 1, _VERY_CLOSE)):
                message = f"is no keyword, so it demands nothing; did you mean {close[0]}?"
                yield document.problem((*path, name), message, warning=True)
        form = sub.get("format")
        if assert_formats and isinstance(form, str) and not knows_format(form, draft):
            message = f"{form!r} is no format that is known under this draft; no record is checked for it"
            yield document.problem((*path, "format"), message, warning=True)
