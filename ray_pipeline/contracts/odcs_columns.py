"""Every property of a schema object as a column, with its path in the data and its place in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .document import Path
from .expectations import Column

ITEMS: Final = "[]"
"""A step of a column's path into the items of a list, or the parts of a map: no column of its own lands for it."""
_MEASURE: Final = "measure"


@dataclass(frozen=True, slots=True)
class Member:
    """One property, however deep."""

    column: Column
    data: Mapping[str, Any]
    path: Path

    @property
    def logical_type(self) -> str:
        return str(self.data.get("logicalType"))


def members_of(item: Mapping[str, Any], path: Path, above: Column = ()) -> Iterator[Member]:
    """Yield every property of a schema object (or of a property), parents before their children."""
    listed = item.get("properties")
    for index, data in enumerate(listed if isinstance(listed, list) else ()):
        name = data.get("name") if isinstance(data, Mapping) else None
        if isinstance(name, str) and data.get("semanticType") != _MEASURE:
            yield from _with_children(data, (*path, "properties", index), (*above, name))


def _with_children(data: Mapping[str, Any], path: Path, column: Column) -> Iterator[Member]:
    yield Member(column, data, path)
    yield from members_of(data, path, column)
    if isinstance(items := data.get("items"), Mapping):
        yield from _with_children(items, (*path, "items"), (*column, ITEMS))
    if isinstance(parts := data.get("map"), Mapping):
        for side in ("key", "value"):
            if isinstance(part := parts.get(side), Mapping):
                yield from _with_children(part, (*path, "map", side), (*column, ITEMS))


def dotted(column: Column) -> str:
    """The path for people.

    >>> dotted(("aircraft", "seats"))
    'aircraft.seats'
    """
    return ".".join(column)


def find_column(members: Mapping[Column, Member], name: object) -> Column | None:
    """The column that a dotted path names; a name with a dot in it goes before a path."""
    if not isinstance(name, str) or not name:
        return None
    if (name,) in members:
        return (name,)
    path = tuple(name.split("."))
    return path if path in members else None
