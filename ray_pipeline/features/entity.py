"""An entity's key as text: the same for an actor, a store and a Feast client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ray_pipeline.features.shape import KeyShape


def entity_key(keys: Sequence[KeyShape], row: Mapping[str, Any]) -> str | None:
    """Return the key of a row's entity: its parts in the order of their names, as a JSON array.

    None where a part is null: such a row has no entity. Raises ``KeyError`` with the name of a part that is absent.

    >>> from ray_pipeline.features.shape import ValueType
    >>> route = (KeyShape("destination", ValueType.STRING), KeyShape("origin", ValueType.STRING))
    >>> entity_key(route, {"origin": "EWR", "destination": "IAH"})
    '["IAH","EWR"]'
    """
    return key_of([row[key.name] for key in keys])


def key_of(parts: list[Any]) -> str | None:
    """Return the key of these parts, which are in the order of their names; None where one is null."""
    return None if None in parts else orjson.dumps(parts).decode()


def key_parts(key: str) -> tuple[Any, ...]:
    """Return the parts of a key that :func:`entity_key` made."""
    return tuple(orjson.loads(key))
