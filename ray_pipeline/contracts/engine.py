"""The one place that says how jsonschema-rs is asked: linear-time patterns, no network, no files.

The check of a contract at load time and the judge of records build their validators here, so that a contract that
loads is a contract that can judge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import jsonschema_rs

from .keywords import KEYWORDS

JSON_SCHEMA_DRAFTS: Final[Mapping[str, int]] = {
    "http://json-schema.org/draft-04/schema": 4,
    "http://json-schema.org/draft-06/schema": 6,
    "http://json-schema.org/draft-07/schema": 7,
    "https://json-schema.org/draft/2019-09/schema": 2019,
    "https://json-schema.org/draft/2020-12/schema": 2020,
}
"""Metaschema (without an empty fragment) → draft."""
METASCHEMAS: Final[Mapping[int, str]] = {draft: uri for uri, draft in JSON_SCHEMA_DRAFTS.items()}

_VALIDATORS: Final[Mapping[int, type[jsonschema_rs.Validator]]] = {
    4: jsonschema_rs.Draft4Validator,
    6: jsonschema_rs.Draft6Validator,
    7: jsonschema_rs.Draft7Validator,
    2019: jsonschema_rs.Draft201909Validator,
    2020: jsonschema_rs.Draft202012Validator,
}


def compile_schema(
    schema: dict[str, Any] | bool,
    draft: int,
    *,
    assert_formats: bool,
    resources: Mapping[str, object],
    ours: bool = False,
    mask: str | None = None,
) -> jsonschema_rs.Validator:
    """Compile a schema; raises what jsonschema-rs raises when it is not sound.

    ``ours`` registers the keywords of ``keywords.py`` (ODCS only). ``mask`` replaces values in messages.
    """
    return _VALIDATORS[draft](
        schema,
        validate_formats=assert_formats,
        ignore_unknown_formats=True,
        retriever=_only(resources),
        pattern_options=jsonschema_rs.RegexOptions(),
        keywords=KEYWORDS if ours else None,
        mask=mask,
    )


def _only(resources: Mapping[str, object]) -> Callable[[str], Any]:
    """Answer from the documents that were given; jsonschema-rs itself knows the metaschemas of the draft.

    Asked one by one, as references come up: a registry would want every document sound, used or not.
    """

    def retrieve(uri: str) -> Any:
        for name in (uri, uri.removesuffix("#"), f"{uri}#"):
            if name in resources:
                return resources[name]
        raise LookupError(f"{uri} is not among the resources")

    return retrieve


@cache
def knows_format(name: str, draft: int) -> bool:
    """Whether this draft's validator checks anything for a ``format``."""
    try:
        _VALIDATORS[draft]({"format": name}, validate_formats=True, ignore_unknown_formats=False)
    except ValueError:
        return False
    return True


def pattern_problem(pattern: str) -> str | None:
    """Why the linear-time engine cannot run this pattern; None when it can.

    >>> pattern_problem("^[a-z]+$")
    >>> pattern_problem("(?=a)b")
    'needs lookaround, which has no linear-time engine; write it without (?=, (?!, (?<= and (?<!'
    """
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions(), offline=True)
    except jsonschema_rs.ValidationError:
        if any(look in pattern for look in ("(?=", "(?!", "(?<=", "(?<!")):
            return "needs lookaround, which has no linear-time engine; write it without (?=, (?!, (?<= and (?<!"
        if any(f"\\{digit}" in pattern for digit in "123456789") or "\\k<" in pattern:
            return "needs a backreference, which has no linear-time engine; write it without"
        return "is no regular expression that the linear-time engine can run (syntax, or too large a repetition)"
    return None
