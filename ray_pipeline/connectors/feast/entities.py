"""Feast's entity keys as ours: the same text for a push, a read, and an actor that has never seen Feast."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from ray_pipeline.features.entity import key_of


class Entities:
    """Keys of one view's entities; in what order its join keys stand is looked at once."""

    def __init__(self) -> None:
        self._names: Sequence[str] = ()
        self._order: Sequence[int] = ()

    def __call__(self, names: Sequence[str], values: Sequence[Any]) -> str | None:
        """Return the key of an entity from its join keys and their protobuf values; None where one is null."""
        if names != self._names:
            self._names, self._order = names, sorted(range(len(names)), key=names.__getitem__)
        parts: list[Any] = []
        for place in self._order:
            value = values[place]
            kind = value.WhichOneof("val")
            if kind is None:
                return None
            part = getattr(value, kind)
            parts.append(_TURNS[kind](part) if kind in _TURNS else part)
        return key_of(parts)


def entity_of(names: Sequence[str], values: Sequence[Any]) -> str | None:
    """Return the key of one entity, as :class:`Entities` does."""
    return Entities()(names, values)


_TURNS: dict[str, Callable[[Any], Any]] = {
    "null_val": lambda _: None,
    "bytes_val": lambda data: b64encode(data).decode(),
    # Seconds there, microseconds wherever we write a moment as a number.
    "unix_timestamp_val": lambda seconds: seconds * 1_000_000,
}
