"""References to a property: ``orders.customer_id`` by names, ``file.yaml#schema/orders/properties/id`` by ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .document import Path
from .expectations import Column
from .odcs_columns import Member, find_column, members_of


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference says, before anybody looked whether it is there."""

    file: str | None
    """Another contract, as this one names it."""
    object: str
    """A schema object's name or id."""
    column: tuple[str, ...]
    """Names or ids of properties, outermost first; empty for the object itself."""


def parse_reference(text: object) -> Reference | None:
    """Read either notation; None where it is neither.

    >>> parse_reference("weather.odcs.yaml#schema/weather/properties/origin")
    Reference(file='weather.odcs.yaml', object='weather', column=('origin',))
    >>> parse_reference("departures.aircraft.tail_number")
    Reference(file=None, object='departures', column=('aircraft', 'tail_number'))
    """
    if not isinstance(text, str) or not text.strip():
        return None
    file, hash_mark, rest = text.strip().rpartition("#")
    if not hash_mark and "/" not in rest:
        words = rest.split(".")
        return Reference(None, words[0], tuple(words[1:])) if all(words) else None
    steps = rest.strip("/").split("/")
    if len(steps) < 2 or len(steps) % 2 or not all(steps):
        return None
    sections, names = steps[::2], steps[1::2]
    if sections[0] != "schema" or any(section != "properties" for section in sections[1:]):
        return None
    return Reference(file or None, names[0], tuple(names[1:]))


def find_object(data: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], Path] | None:
    """The schema object of this name or id."""
    listed = data.get("schema")
    items = [(x, ("schema", i)) for i, x in enumerate(listed if isinstance(listed, list) else ()) if _is_named(x)]
    for key in ("name", "id"):
        for item, path in items:
            if item.get(key) == name:
                return item, path
    return None


def find_property(item: Mapping[str, Any], path: Path, column: tuple[str, ...]) -> Column | None:
    """The column that a path of names or ids leads to."""
    members: dict[Column, Member] = {member.column: member for member in members_of(item, path)}
    if (by_name := find_column(members, ".".join(column))) is not None:
        return by_name
    here: Column = ()
    for step in column:
        below = [m for m in members.values() if len(m.column) == len(here) + 1 and m.column[: len(here)] == here]
        named = [m for m in below if m.column[-1] == step] or [m for m in below if m.data.get("id") == step]
        if not named:
            return None
        here = named[0].column
    return here


def _is_named(item: object) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("name"), str)
