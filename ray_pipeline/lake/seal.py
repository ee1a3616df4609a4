"""JSON objects that say themselves whether a byte of them changed in the store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def seal(document: Mapping[str, Any]) -> bytes:
    """Return one line of JSON whose last member is the SHA-256 of the line without it.

    >>> unseal(seal({"a": 1}))
    {'a': 1}
    """
    line = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    return line[:-1] + _end(line)


def unseal(data: bytes) -> dict[str, Any]:
    """Return the document; raise ``ValueError`` where the bytes are not what was sealed."""
    line = data[:-_END_BYTES] + b"}"
    if data[-_END_BYTES:] != _end(line):
        raise ValueError("its SHA-256 is not the one in it")
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - a reader asks for one error
    return document


def _end(line: bytes) -> bytes:
    return b',"sha256":"' + hashlib.sha256(line).hexdigest().encode() + b'"}'


_END_BYTES = len(_end(b""))
