"""The body of a request: read within a limit, and parsed into one JSON object or refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson

from ray_pipeline.serve.refusal import Refusal

SWALLOWED: Final = 16 * 2**20
"""Bytes of a body that is too long that are read and dropped: a client that still sends does not hear an answer."""
LONGEST_LENGTH: Final = 19

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class Disconnected(Exception):  # noqa: N818  nobody is there to be told
    """The client left before the body was complete."""


async def read_body(receive: Receive, length: bytes | None, limit: int) -> bytes:
    """Return the body; not a byte more than ``limit`` is kept, whatever its Content-Length says."""
    said = 0 if length is None else int(length) if length.isdigit() and len(length) <= LONGEST_LENGTH else SWALLOWED + 1
    if said > SWALLOWED:
        raise Refusal("body_too_large")
    parts: list[bytes] = []
    size = 0
    while True:
        part, more = await _next_part(receive)
        size += len(part)
        if max(size, said) > limit:
            parts.clear()
            if more and size <= SWALLOWED:
                continue
            raise Refusal("body_too_large")
        parts.append(part)
        if not more:
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def _next_part(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message.get("body", b""), bool(message.get("more_body", False))


def read_object(body: bytes) -> dict[str, Any]:
    """Return the one JSON object that a body is; a field that is named twice says two things and is refused."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal("not_json") from None  # its own text quotes the body
    if not isinstance(found, dict):
        raise Refusal("not_json")
    try:
        json.loads(body, object_pairs_hook=_once)
    except _TwiceError as twice:
        raise Refusal("duplicate_key", field=twice.args[0] if twice.args[0] in found else None) from None
    except (ValueError, RecursionError):
        raise Refusal("not_json") from None
    return found


class _TwiceError(Exception):
    """A key stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _TwiceError(name)
            seen.add(name)
    return found
