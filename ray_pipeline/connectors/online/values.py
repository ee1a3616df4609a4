"""The values of one row as bytes: JSON with the type beside each name, equal bytes for equal values.

``{"age:int64": 7, "name:string": "Ada", "seen:": null}``. A float that JSON has no number for is text, bytes are
base64, a moment is whole seconds since 1970 as Feast has it. A value within a value has its type as a key of its own.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import orjson

Tree = Mapping[str, Any]
"""One type over its value: ``{"int64": 7}``."""

_NUMBERS = frozenset({"double", "float"})


def flat_key(name: str, kind: str) -> str:
    """Return what stands before a value in the row; the kind is empty where the value is unset."""
    return f"{name}:{kind}"


def dump(row: Mapping[str, Any]) -> bytes:
    """Return the bytes of a row whose keys are flat ones, in the order of the features' names."""
    return orjson.dumps(row)


def pack(values: Mapping[str, Tree | None]) -> bytes:
    """Return the bytes of a row, from one type and value for each feature.

    >>> pack({"b": None, "a": {"int64": 1}})
    b'{"a:int64":1,"b:":null}'
    """
    row: dict[str, Any] = {}
    for name in sorted(values):
        ((kind, payload),) = (values[name] or {"": None}).items()
        row[flat_key(name, kind)] = payload
    return dump(row)


def unpack(data: bytes) -> dict[str, Tree | None]:
    """Return what :func:`pack` was given; ``ValueError`` where these bytes are something else."""
    found = orjson.loads(data)
    if not isinstance(found, dict):
        raise ValueError("not the values of a row")  # noqa: TRY004 - it is the bytes that are wrong
    values: dict[str, Tree | None] = {}
    for key, payload in found.items():
        name, _, kind = key.rpartition(":")
        values[name] = {kind: payload} if kind else None
    return values


def plain(value: Mapping[str, Any] | None) -> Any:
    """Return a value without its type, as Python has it.

    >>> plain({"double": "nan"}), plain({"int64_list": [1, 2]}), plain(None)
    (nan, [1, 2], None)
    """
    if value is None or "null" in value:
        return None
    ((kind, payload),) = value.items()
    base = kind.removesuffix("_list").removesuffix("_set")
    if kind in {"map", "struct"}:
        return {name: plain(inner) for name, inner in payload.items()}
    if kind in {"map_list", "struct_list"}:
        return [{name: plain(inner) for name, inner in one.items()} for one in payload]
    if kind in {"list", "set"}:
        return [plain(inner) for inner in payload]
    if kind == "scalar_map":
        return [(plain(key), plain(inner)) for key, inner in payload]
    one = float if base in _NUMBERS else b64decode if base == "bytes" else _same
    return [one(item) for item in payload] if isinstance(payload, list) and base != kind else one(payload)


def _same(value: Any) -> Any:
    return value
