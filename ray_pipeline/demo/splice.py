"""Small surgery on a JSON object given as bytes, down to bytes that no JSON writer would produce."""

from __future__ import annotations

from typing import Any

import orjson

KeyPath = tuple[str, ...]
_SLOT = "\ue000"
"""A private-use character, which no flight has: it holds the place where raw bytes go."""


def member(value: bytes, path: KeyPath) -> Any:
    """Return what stands at the path.

    >>> member(b'{"wind":{"speed_mph":12.5}}', ("wind", "speed_mph"))
    12.5
    """
    found = orjson.loads(value)
    for key in path:
        found = found[key]
    return found


def with_member(value: bytes, path: KeyPath, new: object) -> bytes:
    """Put a value at the path, in place of the old one where there was one.

    >>> with_member(b'{"origin":"EWR"}', ("origin",), "NYC")
    b'{"origin":"NYC"}'
    """
    document, parent = _parent(value, path)
    parent[path[-1]] = new
    return orjson.dumps(document)


def with_raw(value: bytes, path: KeyPath, raw: bytes) -> bytes:
    """Put bytes at the path that need not be JSON.

    >>> with_raw(b'{"origin":"EWR"}', ("origin",), b"NaN")
    b'{"origin":NaN}'
    """
    return with_member(value, path, _SLOT).replace(orjson.dumps(_SLOT), raw, 1)


def without(value: bytes, path: KeyPath) -> bytes:
    """Take the member at the path away.

    >>> without(b'{"origin":"EWR","wind":{}}', ("wind",))
    b'{"origin":"EWR"}'
    """
    document, parent = _parent(value, path)
    del parent[path[-1]]
    return orjson.dumps(document)


def _parent(value: bytes, path: KeyPath) -> tuple[dict[str, Any], dict[str, Any]]:
    document: dict[str, Any] = orjson.loads(value)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    return document, parent
